"""Replay of an episode in a terminal: the steps of each agent, its attention over words, and the scores."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vln.metrics import METRICS
from vln.replay.episode import HouseReplay, Replay
from vln.replay.halfblocks import Pictures, shrink
from vln.replay.minimap import Mark, mini_map
from vln.replay.moves import chosen_probability, describe_group, group_steps
from vln.replay.outcome import ending, outcome_colour, outcome_mark
from vln.replay.scores import Scores
from vln.replay.style import AGENTS, ATTENTION, DEMONSTRATION, LETTERS, distance_text, follows_closely, score_text
from vln.replay.word_attention import shown_words, with_word_attention, word_weights
from vln.trajectory import Step, Trajectory

IN_METRES = ("TL", "NE")
MAP, VIEW = 52, 36  # columns of the map and of a view
WORDS, STRONG = 4, 0.4  # words of a line, and the weight that each needs relative to the largest
NOTABLE = 0.15  # weight, relative to the largest, from which a word is coloured


def render_episode(replay: Replay) -> RenderableType:
    """Render an episode: the instruction, the steps of each agent and the scores."""
    first = replay.trajectories[0]
    title = Text(f"Episode {replay.episode_id}", style="bold")
    title.append(f"  {first.dataset} {first.split}, {replay.building}", style="dim")
    steps = [part for agent in range(len(replay.trajectories)) for part in _steps(replay, agent)]
    pictures = [Pictures(_pictures(replay))] if isinstance(replay, HouseReplay) else []
    scores = [_scores_table(replay)] if not replay.withheld else []
    return Group(title, Text(" ".join(first.instruction.split())), *pictures, *steps, *scores, "")


def _pictures(replay: HouseReplay) -> list[tuple[str, np.ndarray]]:
    """Return captions and pictures: the map with all paths, the first view, and the last view of each agent."""
    poses = [np.array([pose.position for pose in each.poses]) for each in replay.trajectories]
    ways = [Mark(replay.demonstration, DEMONSTRATION)]
    ends = [each.poses[-1] for each in replay.trajectories]
    ways += [Mark(*each) for each in zip(poses, AGENTS, ends, strict=False)]
    goal = None if replay.withheld else replay.demonstration[-1]
    touched = np.unique(replay.floors.of(np.concatenate(poses)[:, 2])).tolist()
    maps = [mini_map(replay.plan, storey, MAP, MAP, ways, goal) for storey in touched]
    titles = ["map"] if len(maps) == 1 else [f"floor {storey + 1}" for storey in touched]
    names = [f"{LETTERS[number]} saw last" for number in range(len(poses))]
    last = [shrink(views.rgb[-1], VIEW, VIEW) for views in replay.views]
    return [
        *zip(titles, maps, strict=True),
        ("seen at the start", shrink(replay.views[0].rgb[0], VIEW, VIEW)),
        *zip(names, last, strict=True),
    ]


def _steps(replay: Replay, agent: int) -> list[RenderableType]:
    """Render the steps of one agent, one line each, with the attention over words below; empty columns are left out."""
    trajectory = replay.trajectories[agent]
    words = shown_words([trajectory])
    # In continuous worlds steps are many, so a column holds their most attended words instead.
    reads = bool(with_word_attention([trajectory])) and bool(trajectory.start.viewpoint)
    columns = [column for column in _columns(replay, agent) if any(column[1:])]
    sides = ["<" if column[0] in ("action", "reads") else ">" for column in columns]
    widths = [max(map(len, column)) for column in columns]
    parts: list[RenderableType] = ["", Text(f"{LETTERS[agent]}  {replay.agents[agent]}", style=f"bold {AGENTS[agent]}")]
    groups = group_steps(trajectory)
    for number, cells in enumerate(zip(*columns, strict=True)):
        padded = [f"{cell:{side}{width}}" for cell, side, width in zip(cells, sides, widths, strict=True)]
        parts.append(Text("  ".join(padded).rstrip(), style="dim" if not number else ""))
        if reads and number > 1:
            parts.append(Padding(_attention(trajectory, groups[number - 2][0], words), (0, 0, 0, widths[0] + 2)))
    colour = outcome_colour(replay, agent)
    parts.append(Text(ending(replay, agent), style="dim" if replay.succeeded(agent) is None else f"bold {colour}"))
    return parts


def _columns(replay: Replay, agent: int) -> list[list[str]]:
    """Return columns of text: the name first, then the start, then the steps or groups of steps."""
    trajectory = replay.trajectories[agent]
    groups = group_steps(trajectory)
    distances = [replay.to_goal(agent, moment) for moment in (0, *(behind for _, behind in groups))]
    return [
        ["step", "0", *(str(behind) for _, behind in groups)],
        ["action", "start", *(describe_group(trajectory, *group) for group in groups)],
        ["p", "", *(_chance(trajectory.steps[slice(*group)]) for group in groups)],
        ["to goal", *(distance_text(distance, "") for distance in distances)],
        ["reads", "", *(_strongest(trajectory, first) for first, _ in groups)],
    ]


def _strongest(trajectory: Trajectory, number: int) -> str:
    """Return the most attended words before a step of a continuous world, in their order."""
    words = shown_words([trajectory])
    weights = word_weights(trajectory, trajectory.steps[number], words)
    if weights is None or trajectory.start.viewpoint:
        return ""
    most = np.sort(np.argsort(-weights)[:WORDS])
    strong = [place for place in most if weights[place] >= STRONG * weights.max()]
    return " ".join(words[place] for place in strong if any(letter.isalpha() for letter in words[place]))


def _chance(steps: Sequence[Step]) -> str:
    """Return the mean probability of steps as text; empty if none was recorded."""
    chances = [chance for chance in map(chosen_probability, steps) if chance is not None]
    return f"{sum(chances) / len(chances):.2f}" if chances else ""


def _attention(trajectory: Trajectory, number: int, words: Sequence[str]) -> Text:
    weights = word_weights(trajectory, trajectory.steps[number], words)
    return Text() if weights is None else attention_text(words, weights)


def attention_text(words: Sequence[str], weights: np.ndarray) -> Text:
    """Render words with a background by their attention (W,), the most attended in brackets."""
    text = Text()
    shares = weights / max(float(weights.max()), np.finfo(np.float64).tiny)
    for place, (word, share) in enumerate(zip(words, shares, strict=True)):
        # Brackets also work in terminals and files without colours.
        shown = f"[{word}]" if place == int(shares.argmax()) else word
        text.append("" if not place or follows_closely(word) else " ")
        text.append(shown, style=_heat(float(share)))
    return text


def _heat(share: float) -> str:
    """Return a style from dim to black on orange."""
    if share < NOTABLE:
        return "dim"
    red, green, blue = (round(255 + share * 255 * (strongest - 1)) for strongest in to_rgb(ATTENTION))
    return f"black on rgb({red},{green},{blue})"


def _scores_table(replay: Replay) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("")
    for name in METRICS:
        table.add_column(f"{name} m" if name in IN_METRES else name, justify="right", no_wrap=True)
    for number, (agent, scores) in enumerate(zip(replay.agents, replay.scores, strict=True)):
        label = Text(f"{LETTERS[number]}  {agent}", style=AGENTS[number])
        cells = (_score(replay, number, name, scores) if name in scores else "" for name in METRICS) if scores else ()
        table.add_row(label, *cells)
    return table


def _score(replay: Replay, agent: int, metric: str, scores: Scores) -> Text:
    """Return a score as text; success and failure get a mark and a colour."""
    text = score_text(metric, scores[metric])
    if metric != "SR":
        return Text(text)
    return Text(f"{outcome_mark(replay, agent)} {text}", style=f"bold {outcome_colour(replay, agent)}")
