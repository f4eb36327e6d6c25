"""What an agent attended to in an episode, step by step: words, and views from left to right."""

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
class Attended:
    """What one agent attended to in an episode of T steps.

    Attributes:
        words: L words.
        over_words: (T, L) weights of sum 1; None if none were recorded.
        over_views: (T, rows, columns) weights, the rows from the top, the columns from the left, what is ahead in the
            middle; None if none were recorded.
        told: What the agent did at each step.
        chances: How likely it was; None where that is unknown.
    """

    words: tuple[str, ...]
    over_words: np.ndarray | None
    over_views: np.ndarray | None
    told: tuple[str, ...]
    chances: tuple[float | None, ...]

    @property
    def columns(self) -> np.ndarray | None:
        """(T, columns) weights of the views from left to right."""
        return None if self.over_views is None else self.over_views.sum(1)


def attended(replay: Replay, agent: int = 0) -> Attended:
    """What an agent attended to in an episode."""
    trajectory = replay.trajectories[agent]
    steps, poses, words = trajectory.steps, trajectory.poses, shown_words([trajectory])
    weights = [word_weights(trajectory, step, words) for step in steps]
    grids = [view_grid(step.view_attention, before) for step, before in zip(steps, poses, strict=False)]
    told = tuple(describe_step(before, step) for before, step in zip(poses, steps, strict=False))
    read = None if any(each is None for each in weights) else np.array(weights)
    seen = np.array(grids) if all(grids) else None
    return Attended(words, read, seen, told, tuple(map(chosen_probability, steps)))


def check_attention(source: object, trajectory: Trajectory, over: str) -> None:
    """Check that attention was recorded.

    Args:
        source: To name in errors.
        trajectory: What an agent did.
        over: One of `OVER`.

    Raises:
        InputError: If it was not.
    """
    recorded = [step.word_attention if over == "words" else step.view_attention for step in trajectory.steps]
    if not all(recorded):
        problem = f"episode '{trajectory.episode_id}' has no attention over {over}"
        raise InputError(
            source, problem, f"write the file again with scripts/evaluate.py, or leave {over} out of --over"
        )


def attention_strip(replay: Replay, over: tuple[str, ...] = OVER, agent: int = 0) -> RenderableType:
    """A line a step for a terminal: what was done, the views attended to from left to right, and the words."""
    found = attended(replay, agent)
    width = max(map(len, found.told))
    columns = found.columns if "views" in over else None
    lines: list[RenderableType] = [Text(f"Episode {replay.episode_id}  {replay.agents[agent]}", style="bold")]
    if columns is not None:
        lines.append(
            Text(" " * (13 + width) + "L" + "R".rjust(columns.shape[1] - 1) + "  views, left to right", style="dim")
        )
    for number, (told, chance) in enumerate(zip(found.told, found.chances, strict=True)):
        line = Text(f"{number + 1:>3}  {told:<{width}}  {'' if chance is None else f'{chance:.2f}':<4} ")
        if columns is not None:
            line.append_text(_strip(columns[number]))
            line.append("  ")
        if found.over_words is not None and "words" in over:
            line.append_text(attention_text(found.words, found.over_words[number]))
        lines.append(line)
    return Group(*lines, "")


def _strip(weights: np.ndarray) -> Text:
    """Weights as shades, for terminals and files without colours too."""
    text = Text("▏")
    for share in (weights / max(float(weights.max()), 1e-9)).tolist():
        red, green, blue = np.round(255 + share * (HEAT - 255)).astype(int).tolist()
        look = Style(color="black", bgcolor=f"rgb({red},{green},{blue})")
        text.append(SHADES[round(share * (len(SHADES) - 1))], look)
    return text.append("▕")
