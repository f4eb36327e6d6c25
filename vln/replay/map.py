"""One storey of a building from above: ground, graph, demonstration, start, target and the paths of agents."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Circle, FancyArrowPatch
from matplotlib.path import Path as Shape
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Affine2D

from vln.floors import Floors
from vln.graph import NavigationGraph
from vln.metrics import THRESHOLD
from vln.replay import style
from vln.replay.lanes import lane
from vln.replay.layout import Window
from vln.replay.moves import moved
from vln.replay.space import NAME_SIZE, paint_ground, place_names
from vln.rooms import Room
from vln.trajectory import Pose, Step, Trajectory

BADGE = 10.0  # points from an end to its letter
CANDIDATE = 24.0  # points, diameter of a viewpoint of probability 1
ABREAST = 7.0  # points between agents at one place
RAY = 8.0  # points, length of a glance to the side
HALO = [withStroke(linewidth=1.8, foreground=(1, 1, 1, 0.75))]
POINTER = Shape([(0, 1), (0.75, -0.85), (0, -0.45), (-0.75, -0.85), (0, 1)], closed=True)


@dataclass(frozen=True)
class Building:
    """What is known about a building.

    Attributes:
        graph: Where one can walk.
        floors: Its storeys.
        rooms: Viewpoint to room, empty where rooms are unknown.
    """

    graph: NavigationGraph
    floors: Floors
    rooms: Mapping[str, Room]

    def rows_of(self, floor: int) -> np.ndarray:
        """Rows in the graph of the viewpoints of a storey."""
        return np.flatnonzero(self.floors.of(self.graph.positions[:, 2]) == floor)


@dataclass(frozen=True)
class Panel:
    """The map of one storey.

    Attributes:
        axes: In metres, of equal aspect by its size.
        building: The building.
        floor: The storey, from 0.
        window: The part shown.
        scale: Points a metre.
    """

    axes: Axes
    building: Building
    floor: int
    window: Window
    scale: float

    def shows(self, z: float) -> bool:
        """Whether a height is on this storey."""
        return bool(self.building.floors.of(z) == self.floor)


def draw_building(panel: Panel, avoid: np.ndarray) -> None:
    """Ground, rooms and navigation graph.

    Args:
        panel: The storey.
        avoid: (N, 2) positions in metres that names of rooms stay clear of.
    """
    axes, window, graph = panel.axes, panel.window, panel.building.graph
    axes.set(xlim=(window.left, window.right), ylim=(window.bottom, window.top), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=style.RULE, linewidth=0.8)
    rows = panel.building.rows_of(panel.floor)
    ground = paint_ground(graph, rows, panel.building.rooms, window)
    extent = (window.left, window.right, window.bottom, window.top)
    axes.imshow(ground.tint, extent=extent, origin="lower", aspect="auto", interpolation="bilinear", zorder=0)
    pairs = rows[np.argwhere(np.triu(graph.adjacency[np.ix_(rows, rows)]))]
    axes.add_collection(LineCollection(graph.positions[pairs][..., :2], colors=style.EDGE, linewidths=0.6, zorder=1))
    axes.plot(*graph.positions[rows, :2].T, "o", ms=2.2, color=style.VIEWPOINT, zorder=1.1)
    for name in place_names(ground, graph, panel.building.rooms, avoid, panel.scale):
        axes.text(
            name.x,
            name.y,
            name.text,
            size=NAME_SIZE,
            color=style.ROOM_NAME,
            ha="center",
            va="center",
            zorder=1.5,
            path_effects=HALO,
        )


def draw_target(panel: Panel, goal: str) -> None:
    """The target, the circle of success around it and the viewpoints that succeed."""
    graph = panel.building.graph
    x, y, z = graph.positions[graph.index[goal]]
    near = graph.distances[graph.index[goal]] < THRESHOLD
    inside = [row for row in np.flatnonzero(near) if panel.shows(graph.positions[row, 2])]
    panel.axes.plot(
        *graph.positions[inside, :2].T, "o", ms=4.2, mfc=style.GOAL, mec=style.INK, mew=0.5, ls="", zorder=2.2
    )
    if not panel.shows(z):
        return
    panel.axes.add_patch(Circle((x, y), THRESHOLD, zorder=2, **style.CIRCLE))
    panel.axes.plot([x], [y], marker="*", ms=13, mfc=style.GOAL, mec=style.INK, mew=0.8, zorder=6)


def draw_start(panel: Panel, start: Pose) -> None:
    """Where the episode starts and what it faces."""
    x, y, z = start.position
    if panel.shows(z):
        panel.axes.add_patch(_arrow(panel, start, 20, style.INK))
        panel.axes.plot([x], [y], "o", ms=6.5, mfc="white", mec=style.INK, mew=1.5, zorder=6)


def draw_demonstration(panel: Panel, reference: tuple[str, ...]) -> None:
    """Path A."""
    points = np.array([panel.building.graph.positions[panel.building.graph.index[each]] for each in reference])
    for artist in _pieces(panel, points, 0.0, style.DEMONSTRATION, style.BAND, 3):
        panel.axes.add_artist(artist)


def draw_trail(panel: Panel, trajectory: Trajectory, agent: int) -> list[list[Artist]]:
    """What each pose of a trajectory adds to the map.

    Args:
        panel: The storey.
        trajectory: What the agent did.
        agent: Which of the agents, from 0: its colour, lane and letter.

    Returns:
        T + 1 lists, the first for the start pose.
    """
    points = np.array([pose.position for pose in trajectory.poses])
    colour, offset = style.AGENTS[agent], (agent + 0.5) * style.LANE / panel.scale
    trail: list[list[Artist]] = [[]]
    pieces = _steps(panel, points, offset, colour, style.LINE, 4)
    for (before, after), drawn in zip(pairwise(trajectory.poses), pieces, strict=True):
        looked = not moved(before, after) and before.heading != after.heading and panel.shows(after.position[2])
        trail.append([*drawn, *([_ray(panel, after, colour)] if looked else [])])
    trail[-1].extend(_badge(panel, trajectory.poses[-1], agent))
    for artist in (each for step in trail for each in step):
        panel.axes.add_artist(artist)
    return trail


def pointer(panel: Panel, pose: Pose, agent: int, agents: int) -> list[Artist]:
    """The agent itself, facing where it faces and abreast of others there; nothing on another storey."""
    if not panel.shows(pose.position[2]):
        return []
    marker = MarkerStyle(POINTER, transform=Affine2D().rotate(-pose.heading))
    aside = (agent - (agents - 1) / 2) * ABREAST / panel.scale
    x = pose.position[0] + aside * math.cos(pose.heading)
    y = pose.position[1] - aside * math.sin(pose.heading)
    line = Line2D([x], [y], marker=marker, ms=12, mfc=style.AGENTS[agent], mec="white", mew=0.9, zorder=8 + agent)
    panel.axes.add_artist(line)
    return [line]


def candidates(panel: Panel, step: Step, agent: int) -> list[Artist]:
    """The viewpoints an agent could choose from, as discs of the area of their probabilities."""
    graph = panel.building.graph
    discs: list[Artist] = []
    for choice, chance in zip(step.choices, step.probabilities, strict=True):
        if choice not in graph.index or not panel.shows(graph.positions[graph.index[choice], 2]):
            continue
        x, y, _ = graph.positions[graph.index[choice]]
        colour = style.AGENTS[agent]
        discs.append(
            Line2D(
                [x],
                [y],
                marker="o",
                ms=CANDIDATE * math.sqrt(chance),
                mfc=colour,
                mew=0,
                alpha=style.CANDIDATE_ALPHA,
                zorder=3,
            )
        )
        panel.axes.add_artist(discs[-1])
    return discs


def _pieces(panel: Panel, points: np.ndarray, offset: float, colour: str, width: float, order: float) -> list[Artist]:
    return [artist for step in _steps(panel, points, offset, colour, width, order) for artist in step]


def _steps(
    panel: Panel, points: np.ndarray, offset: float, colour: str, width: float, order: float
) -> list[list[Artist]]:
    """Lines of each step of a path on this storey; steps to another storey are dashed, with a marker."""
    on = [panel.shows(z) for z in points[:, 2]]
    steps: list[list[Artist]] = []
    for step, piece in enumerate(lane(points[:, :2], offset)):
        here = on[step] or on[step + 1]
        if not here or not len(piece):
            steps.append([])
            continue
        leaves = on[step] != on[step + 1]
        steps.append([_line(piece, colour, width, order, dashed=leaves)])
        if leaves:
            elsewhere = points[step + 1 if on[step] else step, 2]
            upwards = bool(panel.building.floors.of(elsewhere) > panel.floor)
            steps[-1].append(_stairs(piece, upwards, colour, order))
        elif width < style.BAND:
            steps[-1].extend(_direction(panel, piece, colour, order))
    return steps


def _line(piece: np.ndarray, colour: str, width: float, order: float, dashed: bool) -> Line2D:
    pattern = (0, (1.2, 0.9)) if dashed else "-"
    x, y = piece.T
    return Line2D(x, y, color=colour, lw=width, ls=pattern, solid_capstyle="round", dash_capstyle="butt", zorder=order)


def _stairs(piece: np.ndarray, upwards: bool, colour: str, order: float) -> Line2D:
    """A triangle that points to where a path goes on, upstairs or downstairs."""
    x, y = np.mean(_longest(piece), axis=0)
    return Line2D(
        [x], [y], marker="^" if upwards else "v", ms=7, mfc=colour, mec="white", mew=0.8, ls="", zorder=order + 1
    )


def _direction(panel: Panel, piece: np.ndarray, colour: str, order: float) -> list[Artist]:
    """A small arrow head in the middle of a piece long enough to carry it."""
    start, end = _longest(piece)
    if np.hypot(*(end - start)) * panel.scale < 16:
        return []
    x, y = (start + end) / 2
    marker = MarkerStyle(POINTER, transform=Affine2D().rotate(-math.atan2(end[0] - start[0], end[1] - start[1])))
    return [Line2D([x], [y], marker=marker, ms=6, mfc=colour, mec=colour, mew=0.4, ls="", zorder=order + 0.5)]


def _longest(piece: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The longest segment of a polyline: the step itself, not its corners."""
    place = int(np.argmax(np.linalg.norm(np.diff(piece, axis=0), axis=1)))
    return piece[place], piece[place + 1]


def _ray(panel: Panel, pose: Pose, colour: str) -> Line2D:
    """A glance to the side."""
    x, y, _ = pose.position
    reach = RAY / panel.scale
    ends = [x, x + reach * math.sin(pose.heading)], [y, y + reach * math.cos(pose.heading)]
    return Line2D(*ends, color=colour, lw=0.9, alpha=0.6, zorder=3.5)


def _arrow(panel: Panel, pose: Pose, length: float, colour: str) -> FancyArrowPatch:
    x, y, _ = pose.position
    reach = length / panel.scale
    end = x + reach * math.sin(pose.heading), y + reach * math.cos(pose.heading)
    return FancyArrowPatch((x, y), end, arrowstyle="-|>", mutation_scale=9, color=colour, lw=1.6, shrinkA=0, zorder=5.5)


def _badge(panel: Panel, pose: Pose, agent: int) -> list[Artist]:
    """The letter of an agent beside the end of its path, at an angle of its own."""
    if not panel.shows(pose.position[2]):
        return []
    x, y, _ = pose.position
    angle = math.pi / 4 + agent * math.pi / 2
    reach = BADGE / panel.scale
    at = x + reach * math.cos(angle), y + reach * math.sin(angle)
    colour = style.AGENTS[agent]
    stem = Line2D([x, at[0]], [y, at[1]], color=colour, lw=1.2, zorder=6.8)
    end = Line2D([x], [y], marker="o", ms=4.5, mfc=colour, mec="white", mew=0.7, zorder=7)
    disc = Line2D([at[0]], [at[1]], marker="o", ms=10.5, mfc=colour, mec="white", mew=0.9, zorder=7.2)
    label: dict[str, Any] = {"size": 7, "weight": "bold", "color": "white", "ha": "center", "va": "center_baseline"}
    letter = Text(*at, style.LETTERS[agent], family=style.FONT, zorder=7.3, **label)
    return [stem, end, disc, letter]
