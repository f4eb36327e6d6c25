"""Attention of an agent in an episode, step by step: over words, and over views from left to right."""

from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from rich.console import Group, RenderableType
from rich.style import Style
from rich.text import Text

from vln.errors import InputError
from vln.replay.episode import Replay
from vln.replay.moves import chosen_probability, describe_step
from vln.replay.page import view_grid
from vln.replay.style import ATTENTION
from vln.replay.terminal import attention_text
from vln.replay.word_attention import shown_words, word_weights
from vln.trajectory import Trajectory

OVER = ("words", "views")
SHADES = " ░▒▓█"
HEAT = 255 * np.array(to_rgb(ATTENTION))


@dataclass(frozen=True, eq=False)
class AttentionRecord:
    """The attention of one agent in an episode of T steps."""

    words: tuple[str, ...]  # L words
    word_weights: np.ndarray | None  # (T, L) weights of sum 1; None if none were recorded
    # (T, rows, columns) weights, rows from the top, columns from the left, with the heading in the middle; None if none
    # were recorded
    view_weights: np.ndarray | None
    actions: tuple[str, ...]
    probabilities: tuple[float | None, ...]  # probability of each action; None if unknown

    @property
    def columns(self) -> np.ndarray | None:
        """(T, columns) weights of the views from left to right; None if none were recorded."""
        return None if self.view_weights is None else self.view_weights.sum(1)


def collect_attention(replay: Replay, agent: int = 0) -> AttentionRecord:
    """Collect the attention of an agent in an episode."""
    trajectory = replay.trajectories[agent]
    steps, poses, words = trajectory.steps, trajectory.poses, shown_words([trajectory])
    weights = [word_weights(trajectory, step, words) for step in steps]
    grids = [view_grid(step.view_attention, before) for step, before in zip(steps, poses, strict=False)]
    actions = tuple(describe_step(before, step) for before, step in zip(poses, steps, strict=False))
    read = None if any(each is None for each in weights) else np.array(weights)
    seen = np.array(grids) if all(grids) else None
    return AttentionRecord(words, read, seen, actions, tuple(map(chosen_probability, steps)))


def check_attention(source: object, trajectory: Trajectory, over: str) -> None:
    """Check that attention over one of `OVER` was recorded; `source` names the file in errors."""
    recorded = [step.word_attention if over == "words" else step.view_attention for step in trajectory.steps]
    if not all(recorded):
        problem = f"episode '{trajectory.episode_id}' has no attention over {over}"
        raise InputError(
            source, problem, f"write the file again with scripts/evaluate.py, or leave {over} out of --over"
        )


def attention_strip(replay: Replay, over: tuple[str, ...] = OVER, agent: int = 0) -> RenderableType:
    """Render one line per step for a terminal: the action, the attention over views from left to right, the words."""
    found = collect_attention(replay, agent)
    width = max(map(len, found.actions))
    columns = found.columns if "views" in over else None
    lines: list[RenderableType] = [Text(f"Episode {replay.episode_id}  {replay.agents[agent]}", style="bold")]
    if columns is not None:
        lines.append(
            Text(" " * (13 + width) + "L" + "R".rjust(columns.shape[1] - 1) + "  views, left to right", style="dim")
        )
    for number, (action, probability) in enumerate(zip(found.actions, found.probabilities, strict=True)):
        line = Text(f"{number + 1:>3}  {action:<{width}}  {'' if probability is None else f'{probability:.2f}':<4} ")
        if columns is not None:
            line.append_text(_strip(columns[number]))
            line.append("  ")
        if found.word_weights is not None and "words" in over:
            line.append_text(attention_text(found.words, found.word_weights[number]))
        lines.append(line)
    return Group(*lines, "")


def _strip(weights: np.ndarray) -> Text:
    """Render weights as shaded characters, which also work without colours."""
    text = Text("▏")
    for share in (weights / max(float(weights.max()), 1e-9)).tolist():
        red, green, blue = np.round(255 + share * (HEAT - 255)).astype(int).tolist()
        look = Style(color="black", bgcolor=f"rgb({red},{green},{blue})")
        text.append(SHADES[round(share * (len(SHADES) - 1))], look)
    return text.append("▕")
