"""An episode in a terminal: what each agent did step by step, what it read, and how well it went."""

from collections.abc import Sequence

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vln.metrics import METRICS
from vln.replay.moves import chosen_probability, describe_step
from vln.replay.reading import readers, shown_words, word_weights
from vln.replay.episode import Replay
from vln.replay.style import AGENTS, LETTERS, clings, score_text
from vln.trajectory import Trajectory

IN_METRES = ("TL", "NE")
NOTABLE = 0.15  # share of the strongest weight from which a word is coloured


def render_episode(replay: Replay) -> RenderableType:
    """Everything about an episode: the instruction, the steps of each agent and the scores."""
    first = replay.trajectories[0]
    title = Text(f"Episode {replay.episode_id}", style="bold")
    title.append(f"  {first.dataset} {first.split}, {replay.building}", style="dim")
    steps = [part for agent in range(len(replay.trajectories)) for part in _steps(replay, agent)]
    scores = [_scores_table(replay)] if not replay.withheld else []
    return Group(title, Text(" ".join(first.instruction.split())), *steps, *scores, "")


def _steps(replay: Replay, agent: int) -> list[RenderableType]:
    """A line a step of one agent, and below it what it read; columns without content are left out."""
    trajectory = replay.trajectories[agent]
    words, reads = shown_words([trajectory]), bool(readers([trajectory]))
    columns = [column for column in _columns(replay, agent) if any(column[1:])]
    sides = ["<" if column[0] == "action" else ">" for column in columns]
    widths = [max(map(len, column)) for column in columns]
    parts: list[RenderableType] = ["", Text(f"{LETTERS[agent]}  {replay.agents[agent]}", style=f"bold {AGENTS[agent]}")]
    for number, cells in enumerate(zip(*columns, strict=True)):
        padded = [f"{cell:{side}{width}}" for cell, side, width in zip(cells, sides, widths, strict=True)]
        parts.append(Text("  ".join(padded).rstrip(), style="dim" if not number else ""))
        if reads and number > 1:
            parts.append(Padding(_attention(trajectory, number - 2, words), (0, 0, 0, widths[0] + 2)))
    return parts


def _columns(replay: Replay, agent: int) -> list[list[str]]:
    """Columns of text, their names first, then the start, then the steps."""
    trajectory = replay.trajectories[agent]
    chances = [chosen_probability(step) for step in trajectory.steps]
    distances = [replay.to_goal(agent, moment) for moment in range(len(trajectory.poses))]
    return [
        ["step", *(str(number) for number in range(len(distances)))],
        ["action", "start", *_actions(trajectory)],
        ["p", "", *("" if chance is None else f"{chance:.2f}" for chance in chances)],
        ["to goal", *("" if distance is None else f"{distance:.1f} m" for distance in distances)],
    ]


def _actions(trajectory: Trajectory) -> list[str]:
    return [describe_step(before, step) for before, step in zip(trajectory.poses, trajectory.steps, strict=False)]


def _attention(trajectory: Trajectory, number: int, words: Sequence[str]) -> Text:
    """The instruction, words the brighter the more they are attended to, the strongest in brackets."""
    weights = word_weights(trajectory, trajectory.steps[number], words)
    text = Text()
    if weights is None:
        return text
    shares = weights / max(float(weights.max()), np.finfo(np.float64).tiny)
    for place, (word, share) in enumerate(zip(words, shares, strict=True)):
        # Brackets are for terminals and files without colours.
        shown = f"[{word}]" if place == int(shares.argmax()) else word
        text.append("" if not place or clings(word) else " ")
        text.append(shown, style=_heat(float(share)))
    return text


def _heat(share: float) -> str:
    """From dim to black on orange."""
    if share < NOTABLE:
        return "dim"
    red, green, blue = (round(255 + share * (strongest - 255)) for strongest in (255, 140, 0))
    return f"black on rgb({red},{green},{blue})"


def _scores_table(replay: Replay) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("")
    for name in METRICS:
        table.add_column(f"{name} m" if name in IN_METRES else name, justify="right", no_wrap=True)
    for agent, (name, scores) in enumerate(zip(replay.agents, replay.scores, strict=True)):
        label = Text(f"{LETTERS[agent]}  {name}", style=AGENTS[agent])
        table.add_row(label, *(score_text(metric, scores[metric]) for metric in METRICS if scores))
    return table
