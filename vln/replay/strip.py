"""What an agent saw on its way: a row of views below a map, numbered where they were seen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from vln.replay import style
from vln.replay.episode import HouseReplay
from vln.replay.map import Panel
from vln.replay.moves import moved, turn_between
from vln.trajectory import Trajectory

COUNT = 7  # views
GAP = 0.07  # inches between views
CAPTION = 0.17  # inches below views
ABOVE = 0.1  # inches above each row
TURNED = math.radians(25)  # a smaller turn shows nothing new


@dataclass(frozen=True)
class Strip:
    """A row of views.

    Attributes:
        replay: The episode.
        agent: Whose views.
        moments: After how many steps each was seen.
        side: Inches of a view.
    """

    replay: HouseReplay
    agent: int
    moments: tuple[int, ...]
    side: float

    @property
    def height(self) -> float:
        """Inches of the row."""
        return ABOVE + self.side + CAPTION


def plan_strips(replay: HouseReplay, width: float) -> list[Strip]:
    """A row an agent over a width in inches."""
    side = (width - (COUNT - 1) * GAP) / COUNT
    return [Strip(replay, agent, key_moments(each), side) for agent, each in enumerate(replay.trajectories)]


def key_moments(trajectory: Trajectory, count: int = COUNT) -> tuple[int, ...]:
    """The start, the end, what came into view by the largest turns, and where nothing was seen for longest."""
    last = len(trajectory.steps)
    turns = sorted(_turns(trajectory), key=lambda turn: -abs(turn[1]))
    chosen = {0, last} | {moment for moment, angle in turns[: count - 2] if abs(angle) > TURNED}
    while len(chosen) < min(count, last + 1):
        ordered = sorted(chosen)
        start, end = max(zip(ordered, ordered[1:], strict=False), key=lambda gap: gap[1] - gap[0])
        chosen.add((start + end) // 2)
    return tuple(sorted(chosen))


def _turns(trajectory: Trajectory) -> list[tuple[int, float]]:
    """Where turns on the spot end, after so many steps, and their angles."""
    poses, found, angle = trajectory.poses, [], 0.0
    for moment, (before, after) in enumerate(zip(poses, poses[1:], strict=False), start=1):
        if moved(before, after):
            found.append((moment - 1, angle))
            angle = 0.0
        else:
            angle += turn_between(before.heading, after.heading)
    return [(moment, angle) for moment, angle in found if angle]


def draw_strip(figure: Figure, panels: Sequence[Panel], strip: Strip, left: float, bottom: float) -> None:
    """Draw a row with its lower left corner there, in inches, and its numbers on the maps."""
    width, height = figure.get_size_inches()
    replay, colour = strip.replay, style.AGENTS[strip.agent]
    prefix = style.LETTERS[strip.agent] if len(replay.agents) > 1 else ""
    for number, moment in enumerate(strip.moments):
        x, y = left + number * (strip.side + GAP), bottom + CAPTION
        axes = figure.add_axes((x / width, y / height, strip.side / width, strip.side / height), xticks=[], yticks=[])
        axes.imshow(replay.views[strip.agent].rgb[moment], interpolation="antialiased", aspect="auto")
        for spine in axes.spines.values():
            spine.set(color=style.RULE, linewidth=0.6)
        name = f"{prefix}{number + 1}"
        look = {"fontsize": 7, "family": style.FONT, "va": "center"}
        figure.text(x / width, (y - 0.09) / height, name, color=colour, weight="bold", **look)
        told = style.shorten(_caption(strip, moment), 6.6, (strip.side - 0.17) * style.POINTS)
        aside = x + 0.07 + 0.075 * len(name)
        figure.text(aside / width, (y - 0.09) / height, told, color=style.FAINT, **{**look, "fontsize": 6.6})
        _number(panels, strip, moment, name)


def _caption(strip: Strip, moment: int) -> str:
    trajectory = strip.replay.trajectories[strip.agent]
    if moment == 0:
        return "start"
    distance = strip.replay.to_goal(strip.agent, moment)
    left = "" if distance is None else f"{distance:.1f} m to goal"
    if moment == len(trajectory.steps):
        ended = "stop" if trajectory.steps[-1].choice == "stop" else "out of time"
        return f"{ended}, {left}" if left else ended
    return left or f"step {moment}"


def _number(panels: Sequence[Panel], strip: Strip, moment: int, name: str) -> None:
    """The number of a view where it was seen; start and end have signs of their own."""
    trajectory = strip.replay.trajectories[strip.agent]
    if moment in (0, len(trajectory.steps)):
        return
    colour = style.AGENTS[strip.agent]
    x, y, z = trajectory.poses[moment].position
    for panel in panels:
        if panel.shows(z):
            panel.axes.plot([x], [y], "o", ms=7.5, mfc="white", mec=colour, mew=1.0, zorder=6.2)
            look = {"size": 5.2, "weight": "bold", "color": colour, "ha": "center", "va": "center_baseline"}
            panel.axes.text(x, y, name.lstrip("BCDEFG"), family=style.FONT, zorder=6.3, **look)
