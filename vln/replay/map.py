"""The map of one storey: demonstration, start, goal and the paths of agents, on top of the site's own drawing."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Circle, FancyArrowPatch, Wedge
from matplotlib.path import Path as Shape
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Affine2D

from vln.floors import Floors
from vln.replay import style
from vln.replay.fonts import FONT, drawable, families
from vln.replay.ground import NAME_SIZE, Name
from vln.replay.label_placement import boxes_of_line, boxes_of_ray, boxes_of_text, free_spot, half_size
from vln.replay.layout import Window
from vln.replay.moves import moved
from vln.replay.parallel_paths import offset_path
from vln.trajectory import Pose, Step, Trajectory

BADGE = 11.0  # points from an end to its letter
BADGE_SIZE = 7.0  # points
HEADING, ARROW = 20.0, 8.0  # points, length and width of the arrow at the start
ABREAST = 7.0  # points between agents at one place
RAY = 8.0  # points, length of the line that marks a turn in place
CARRIES = 16.0  # points, the shortest step with an arrow head
MARKS = 46.0  # points between arrow heads along a path of short steps
SEEN = 45.0  # degrees, half the drawn field of view
FAR = 30.0  # points, length of the drawn field of view
HALO = [withStroke(linewidth=1.8, foreground=(1, 1, 1, 0.75))]
POINTER = Shape([(0, 1), (0.75, -0.85), (0, -0.45), (-0.75, -0.85), (0, 1)], closed=True)


class Site(Protocol):
    """The place of an episode, as maps draw it."""

    @property
    def floors(self) -> Floors:
        """Storeys of the place."""

    @property
    def extent(self) -> np.ndarray:
        """(N, 2) positions that the place covers."""

    def draw(self, panel: "Panel") -> None:
        """Draw a storey and the goal."""

    def name(self, panel: "Panel", avoid: np.ndarray, taken: np.ndarray) -> None:
        """Write the names of rooms and objects, clear of paths (N, 2) and of drawn parts (M, 4), where they fit."""

    def choices(self, panel: "Panel", step: Step, agent: int) -> list[Artist]:
        """Draw the places that an agent could choose, by their probabilities."""


@dataclass(frozen=True)
class Panel:
    """The map of one storey: axes in metres, the index of the storey, the part shown, and points per metre."""

    axes: Axes
    site: Site
    floor: int
    window: Window
    scale: float

    def shows(self, z: float) -> bool:
        """Whether a height is on this storey."""
        return bool(self.site.floors.of(z) == self.floor)


def draw_site(panel: Panel) -> None:
    """Draw the place, with a frame around it."""
    axes, window = panel.axes, panel.window
    axes.set(xlim=(window.left, window.right), ylim=(window.bottom, window.top), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=style.RULE, linewidth=0.8)
    panel.site.draw(panel)


def write_names(panel: Panel, names: Sequence[Name], **look: Any) -> None:
    """Write the names of rooms or objects."""
    usual = {"size": NAME_SIZE, "color": style.ROOM_NAME, "zorder": 1.5, "path_effects": HALO}
    for name in names:
        text, fonts = drawable(name.text), families(name.text)
        panel.axes.text(name.x, name.y, text, family=fonts, ha="center", va="center", **{**usual, **look})


def draw_circle(panel: Panel, goal: tuple[float, float, float], radius: float) -> None:
    """Draw the success radius around a goal."""
    x, y, z = goal
    if panel.shows(z):
        panel.axes.add_patch(Circle((x, y), radius, zorder=2, **style.CIRCLE))


def draw_goal(panel: Panel, goal: tuple[float, float, float]) -> None:
    """Draw the goal."""
    x, y, z = goal
    if panel.shows(z):
        panel.axes.plot([x], [y], marker="*", ms=13, mfc=style.GOAL, mec=style.INK, mew=0.8, zorder=6)


def draw_start(panel: Panel, start: Pose) -> None:
    """Draw the start and its heading."""
    x, y, z = start.position
    if panel.shows(z):
        panel.axes.add_patch(_arrow(panel, start, HEADING, style.INK))
        panel.axes.plot([x], [y], "o", ms=6.5, mfc="white", mec=style.INK, mew=1.5, zorder=6)


def draw_demonstration(panel: Panel, points: np.ndarray) -> None:
    """Draw path A through its positions (N, 3)."""
    for artist in (each for step in _steps(panel, points, 0.0, style.DEMONSTRATION, style.BAND, 3) for each in step):
        panel.axes.add_artist(artist)


def draw_trail(panel: Panel, trajectory: Trajectory, agent: int, agents: int) -> list[list[Artist]]:
    """Draw a trajectory; return the artists that each pose adds, T + 1 lists, without the letter at the end.

    The index of the agent gives its colour, its offset from paths beside it, and its letter.
    """
    points = np.array([pose.position for pose in trajectory.poses])
    # Paths in continuous worlds seldom coincide, and near walls an offset path would be in the wall.
    smooth = not trajectory.start.viewpoint
    place = agent - (agents - 1) / 2 if smooth else agent + 0.5
    colour, offset = style.AGENTS[agent], place * style.PATH_SPACING / panel.scale
    trail: list[list[Artist]] = [[]]
    pieces = _steps(panel, points, offset, colour, style.LINE, 4, _marked(points, panel.scale, smooth))
    for (before, after), drawn in zip(pairwise(trajectory.poses), pieces, strict=True):
        looked = not moved(before, after) and before.heading != after.heading and panel.shows(after.position[2])
        trail.append([*drawn, *([_ray(panel, after, colour)] if looked and not smooth else [])])
    x, y, z = trajectory.poses[-1].position
    if panel.shows(z):
        trail[-1].append(Line2D([x], [y], marker="o", ms=4.5, mfc=colour, mec="white", mew=0.7, zorder=7))
    for artist in (each for step in trail for each in step):
        panel.axes.add_artist(artist)
    return trail


def pointer(panel: Panel, pose: Pose, agent: int, agents: int) -> list[Artist]:
    """Draw an agent with its heading, beside other agents at the same place; nothing on another storey."""
    if not panel.shows(pose.position[2]):
        return []
    marker = MarkerStyle(POINTER, transform=Affine2D().rotate(-pose.heading))
    aside = (agent - (agents - 1) / 2) * ABREAST / panel.scale
    x = pose.position[0] + aside * math.cos(pose.heading)
    y = pose.position[1] - aside * math.sin(pose.heading)
    colour, order = style.AGENTS[agent], 8 + agent
    drawn: list[Artist] = [Line2D([x], [y], marker=marker, ms=12, mfc=colour, mec="white", mew=0.9, zorder=order)]
    if not pose.viewpoint:
        ahead = 90 - math.degrees(pose.heading)
        look: dict[str, Any] = {"fc": colour, "ec": "none", "alpha": style.CANDIDATE_ALPHA / 2, "zorder": order - 0.5}
        drawn.insert(0, Wedge((x, y), FAR / panel.scale, ahead - SEEN, ahead + SEEN, **look))
    for artist in drawn:
        panel.axes.add_artist(artist)
    return drawn


def _steps(
    panel: Panel,
    points: np.ndarray,
    offset: float,
    colour: str,
    width: float,
    order: float,
    marked: Collection[int] = (),
) -> list[list[Artist]]:
    """Return the lines of each step of a path on this storey; steps to another storey are dashed, with a marker."""
    on = [panel.shows(z) for z in points[:, 2]]
    steps: list[list[Artist]] = []
    for step, piece in enumerate(offset_path(points[:, :2], offset)):
        here = on[step] or on[step + 1]
        if not here or not len(piece):
            steps.append([])
            continue
        leaves = on[step] != on[step + 1]
        steps.append([_line(piece, colour, width, order, dashed=leaves)])
        if leaves:
            elsewhere = points[step + 1 if on[step] else step, 2]
            upwards = bool(panel.site.floors.of(elsewhere) > panel.floor)
            steps[-1].append(_stairs(piece, upwards, colour, order))
        elif step in marked:
            steps[-1].append(_direction(piece, colour, order))
    return steps


def _line(piece: np.ndarray, colour: str, width: float, order: float, dashed: bool) -> Line2D:
    pattern = (0, (1.2, 0.9)) if dashed else "-"
    x, y = piece.T
    return Line2D(x, y, color=colour, lw=width, ls=pattern, solid_capstyle="round", dash_capstyle="butt", zorder=order)


def _stairs(piece: np.ndarray, upwards: bool, colour: str, order: float) -> Line2D:
    """Return a triangle that points to where a path continues, upstairs or downstairs."""
    x, y = np.mean(_longest(piece), axis=0)
    return Line2D(
        [x], [y], marker="^" if upwards else "v", ms=7, mfc=colour, mec="white", mew=0.8, ls="", zorder=order + 1
    )


def _marked(points: np.ndarray, scale: float, smooth: bool) -> set[int]:
    """Return the steps with an arrow head: long ones, or among short ones some at even distances."""
    lengths = np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1) * scale
    if not smooth:
        return set(np.flatnonzero(lengths >= CARRIES).tolist())
    passed = np.floor(np.concatenate([[0.0], np.cumsum(lengths)]) / MARKS + 0.5)
    return set(np.flatnonzero(np.diff(passed) > 0).tolist())


def _direction(piece: np.ndarray, colour: str, order: float) -> Line2D:
    """Return a small arrow head in the middle of a piece."""
    start, end = _longest(piece)
    x, y = (start + end) / 2
    marker = MarkerStyle(POINTER, transform=Affine2D().rotate(-math.atan2(end[0] - start[0], end[1] - start[1])))
    return Line2D([x], [y], marker=marker, ms=6, mfc=colour, mec=colour, mew=0.4, ls="", zorder=order + 0.5)


def _longest(piece: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the longest segment of a polyline: the step itself, not its corners."""
    place = int(np.argmax(np.linalg.norm(np.diff(piece, axis=0), axis=1)))
    return piece[place], piece[place + 1]


def _ray(panel: Panel, pose: Pose, colour: str) -> Line2D:
    """Return the line that marks a turn in place."""
    x, y, _ = pose.position
    reach = RAY / panel.scale
    ends = [x, x + reach * math.sin(pose.heading)], [y, y + reach * math.cos(pose.heading)]
    return Line2D(*ends, color=colour, lw=0.9, alpha=0.6, zorder=3.5)


def _arrow(panel: Panel, pose: Pose, length: float, colour: str) -> FancyArrowPatch:
    x, y, _ = pose.position
    reach = length / panel.scale
    end = x + reach * math.sin(pose.heading), y + reach * math.cos(pose.heading)
    return FancyArrowPatch((x, y), end, arrowstyle="-|>", mutation_scale=9, color=colour, lw=1.6, shrinkA=0, zorder=5.5)


def draw_badge(panel: Panel, pose: Pose, agent: int, outcome: str, taken: Sequence[np.ndarray]) -> list[Artist]:
    """Draw an agent's letter and outcome mark beside the end of its path, clear of the boxes `taken` (N, 4).

    Nothing is drawn if that is on another storey.
    """
    if not panel.shows(pose.position[2]):
        return []
    x, y, _ = pose.position
    text, colour = " ".join(filter(None, (style.LETTERS[agent], outcome))), style.AGENTS[agent]
    half = half_size(text, BADGE_SIZE, panel.scale)
    reach = BADGE / panel.scale + float(half[0] - half[1])
    at = free_spot(np.array([x, y]), half, taken, reach, panel.window, math.pi / 4 + agent * math.pi / 2)
    stem = Line2D([x, at[0]], [y, at[1]], color=colour, lw=1.2, zorder=6.8)
    look: dict[str, Any] = {"size": BADGE_SIZE, "weight": "bold", "color": "white", "ha": "center", "va": "center"}
    frame = {"boxstyle": f"round,pad={style.FRAME},rounding_size=0.6", "fc": colour, "ec": "white", "lw": 0.9}
    drawn: list[Artist] = [stem, Text(at[0], at[1], text, family=FONT, zorder=7.3, bbox=frame, **look)]
    for artist in drawn:
        panel.axes.add_artist(artist)
    return drawn


def occupied(panel: Panel, start: Pose) -> list[np.ndarray]:
    """Return the boxes of all drawn parts of a map, arrays (N, 4) of x, y and half sizes in metres.

    The arrow at the start is among them.
    """
    parts = [np.empty((0, 4)), *(boxes_of_line(line, panel.scale) for line in panel.axes.lines)]
    parts += [boxes_of_text(text, panel.scale) for text in panel.axes.texts]
    if panel.shows(start.position[2]):
        parts.append(boxes_of_ray(np.array(start.position[:2]), start.heading, HEADING, ARROW, panel.scale))
    return parts
