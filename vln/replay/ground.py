"""The floor of a map of a navigation graph: walkable space, tinted and labelled by room."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from scipy.spatial import cKDTree

from vln.graph import NavigationGraph
from vln.replay.layout import Window
from vln.replay.style import FLOOR_SPACE, ROOM_TINTS, text_width
from vln.rooms import Room

REACH = 1.25  # metres of floor around viewpoints and edges: about half the distance between viewpoints
SPACING = 0.4  # metres between points sampled along an edge
PIXELS = 640  # on the longer side
NAME_SIZE = 6.5  # points
UNNAMED = "-Zz"  # no label, junk, other
DOT = 0.08  # metres
PADDING = 2.0  # points around a name
CLEAR = 7.0  # points between names and paths
SPOTS = 6  # pixels between the positions tried for a name


@dataclass(frozen=True)
class Ground:
    """The floor of one storey as pixels."""

    window: Window  # the rectangle of the pixels, row 0 at the bottom
    viewpoint: np.ndarray  # (H, W) int, graph row of the nearest viewpoint, -1 outside
    region: np.ndarray  # (H, W) int, room of each pixel, -1 outside or unknown
    tint: np.ndarray  # (H, W, 3) float colours


@dataclass(frozen=True)
class Name:
    """The name of a room and the centre of its text in metres."""

    text: str
    x: float
    y: float


def paint_ground(graph: NavigationGraph, rows: np.ndarray, rooms: Mapping[str, Room], window: Window) -> Ground:
    """Paint the floor around `rows`, the viewpoints of one storey; `rooms` maps viewpoints to rooms, if known."""
    pixels = np.stack(np.meshgrid(*pixel_centres(window)), axis=-1)
    reached, _ = cKDTree(_along_edges(graph, rows)).query(pixels, distance_upper_bound=REACH)
    inside = np.isfinite(reached)
    owner = np.full(inside.shape, -1)
    owner[inside] = rows[cKDTree(graph.positions[rows, :2]).query(pixels[inside])[1]]
    known = [rooms.get(viewpoint) for viewpoint in graph.viewpoints]
    region = np.array([room.region if room else -1 for room in known] + [-1])
    tints = np.array([to_rgb(ROOM_TINTS.get(room.letter if room else "", FLOOR_SPACE)) for room in known] + [(1, 1, 1)])
    return Ground(window, owner, region[owner], _walls(tints[owner], region[owner], owner))


def name_rooms(
    ground: Ground,
    graph: NavigationGraph,
    rooms: Mapping[str, Room],
    avoid: np.ndarray,
    taken: np.ndarray,
    scale: float,
) -> list[Name]:
    """Place the names of a building's rooms; `avoid`, `taken` and `scale` are as in `place_names`."""
    here = {graph.viewpoints[row] for row in np.unique(ground.viewpoint[ground.viewpoint >= 0])}
    known = [rooms[each] for each in sorted(here) if each in rooms]
    names = {room.region: room.name for room in known if room.letter not in UNNAMED}
    dots = np.array([(x, y, DOT, DOT) for x, y in graph.positions[np.unique(ground.viewpoint), :2]])
    return place_names(ground.window, ground.region, names, avoid, taken, dots, scale)


def place_names(
    window: Window,
    region: np.ndarray,
    names: Mapping[int, str],
    avoid: np.ndarray,
    drawn: np.ndarray,
    blemishes: np.ndarray,
    scale: float,
    weight: str = "normal",
) -> list[Name]:
    """Place names in their rooms, over neither paths nor one another; names that do not fit are left out.

    `region` (H, W) int is the room of each pixel of `window`, row 0 at the bottom, and `scale` points per metre. Names
    stay clear of `avoid` (N, 2), positions of paths in metres, and of the boxes `drawn` (K, 4), x, y and half sizes in
    metres; they cover the boxes `blemishes` (M, 4) only if there is no other place.
    """
    sizes = {room: int((region == room).sum()) for room in names}
    area = (max(window.width, window.height) / PIXELS) ** 2  # square metres per pixel
    taken = np.concatenate([drawn, np.column_stack([avoid, np.full((len(avoid), 2), CLEAR / scale)])])
    placed = []
    for room in sorted(names, key=lambda each: -sizes[each]):
        width = text_width(names[room], NAME_SIZE, weight=weight)
        half = (width / 2 + PADDING) / scale, (NAME_SIZE / 2 + PADDING) / scale
        if sizes[room] * area < 4 * half[0] * half[1]:
            continue
        spot = _spot(window, region == room, np.array(half), np.concatenate([taken, blemishes]))
        spot = spot or _spot(window, region == room, np.array(half), taken)
        if spot is not None:
            taken = np.concatenate([taken, [(*spot, *half)]])
            placed.append(Name(names[room], *spot))
    return placed


def _spot(window: Window, room: np.ndarray, half: np.ndarray, taken: np.ndarray) -> tuple[float, float] | None:
    """Return the free centre for a text that is nearest to the middle of a room; None if there is none.

    `room` (H, W) has its pixels, `half` half the width and height of the text, `taken` (N, 4) what it must not cover.
    """
    columns, rows = pixel_centres(window)
    y, x = np.nonzero(room[::SPOTS, ::SPOTS])
    spots = np.stack([columns[::SPOTS][x], rows[::SPOTS][y]], axis=1)
    free = ((spots - half > (window.left, window.bottom)) & (spots + half < (window.right, window.top))).all(axis=1)
    free &= (np.abs(spots[:, None] - taken[:, :2]) > half + taken[:, 2:]).any(axis=-1).all(axis=1)
    if not free.any():
        return None
    middle, open_spots = spots.mean(axis=0), spots[free]
    x, y = open_spots[np.argmin(np.linalg.norm(open_spots - middle, axis=1))].tolist()
    return x, y


def pixel_centres(window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions in metres of the columns and rows of pixels of a window."""
    size = max(window.width, window.height) / PIXELS
    return np.arange(window.left + size / 2, window.right, size), np.arange(window.bottom + size / 2, window.top, size)


def _along_edges(graph: NavigationGraph, rows: np.ndarray) -> np.ndarray:
    """Return (N, 2) points in metres on viewpoints and along the edges between them."""
    points = [graph.positions[rows, :2]]
    for a, b in np.argwhere(np.triu(graph.adjacency[np.ix_(rows, rows)])):
        start, end = graph.positions[rows[a], :2], graph.positions[rows[b], :2]
        points.append(np.linspace(start, end, max(2, int(math.dist(start, end) / SPACING))))
    return np.concatenate(points)


def _walls(tint: np.ndarray, region: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Draw a white line between rooms."""
    border = np.zeros(region.shape, dtype=bool)
    border[:, 1:] |= region[:, 1:] != region[:, :-1]
    border[1:] |= region[1:] != region[:-1]
    border &= owner >= 0
    border[:, :-1] |= border[:, 1:]
    return np.where(border[..., None], 1.0, tint)
