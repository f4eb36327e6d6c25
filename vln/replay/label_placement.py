"""Where there is room on a map: what is drawn takes its place, and letters, numbers and names go beside it."""

import math
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.text import Text

from vln.replay import style
from vln.replay.layout import Window
from vln.replay.plan import Corner

SPACING = 3.0  # points between the boxes that stand for a line
DOT = 2.5  # points; smaller markers are the viewpoints of a graph, which others may cover
DIRECTIONS = 24  # in which a letter or number may stand
TALL = 0.6  # half the height of a line of text, in sizes
STRETCHES = 8  # how much farther it may stand, in steps of half its reach


def boxes_of_line(line: Line2D, scale: float) -> np.ndarray:
    """What a line and its markers take.

    Args:
        line: Drawn on a map, in metres.
        scale: Points a metre.

    Returns:
        (N, 4) x, y and half sizes in metres.
    """
    points = np.array(line.get_xydata(), float).reshape(-1, 2)
    parts = [np.empty((0, 4))]
    if line.get_linestyle() != "None":
        parts += [_along(a, b, line.get_linewidth() / 2, scale) for a, b in pairwise(points)]
    if line.get_marker() not in (None, "", "None") and line.get_markersize() > DOT:
        parts.append(_boxes(points, (line.get_markersize() + line.get_markeredgewidth()) / 2, scale))
    return np.concatenate(parts)


def boxes_of_text(text: Text, scale: float) -> np.ndarray:
    """(1, 4) what a line of text on a map takes, centre and half sizes in metres, the frame around it included."""
    half = half_size(text.get_text(), float(text.get_fontsize()), scale)
    return np.array([[*text.get_position(), *half]], float)


def boxes_of_ray(place: np.ndarray, heading: float, length: float, width: float, scale: float) -> np.ndarray:
    """(N, 4) what an arrow takes.

    Args:
        place: (2,) where it begins, metres.
        heading: Radians clockwise from the top of the page.
        length: Points.
        width: Points.
        scale: Points a metre.
    """
    end = place + length / scale * np.array([math.sin(heading), math.cos(heading)])
    return _along(place, end, width / 2, scale)


def boxes_of_outline(low: Corner, high: Corner, width: float, scale: float) -> np.ndarray:
    """(N, 4) what the edge of a rectangle takes, `width` in points."""
    (left, bottom), (right, top) = low, high
    corners = np.array([(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)])
    return np.concatenate([_along(a, b, width / 2, scale) for a, b in pairwise(corners)])


def half_size(text: str, size: float, scale: float) -> np.ndarray:
    """(2,) half the width and height in metres of a letter or number with its frame."""
    padding = style.FRAME * size
    return np.array([style.text_width(text, size, weight="bold") / 2 + padding, size * TALL + padding]) / scale


def _along(start: np.ndarray, end: np.ndarray, half: float, scale: float) -> np.ndarray:
    count = max(2, math.ceil(math.dist(start, end) * scale / SPACING) + 1)
    return _boxes(np.linspace(start, end, count), half, scale)


def _boxes(points: np.ndarray, half: float, scale: float) -> np.ndarray:
    return np.column_stack([points, np.full((len(points), 2), half / scale)])


def free_spot(
    place: np.ndarray, half: np.ndarray, taken: Iterable[np.ndarray], reach: float, window: Window, first: float = 0.0
) -> np.ndarray:
    """The free place nearest to another; where all around is taken, the one that covers least.

    Args:
        place: (2,) beside what, metres.
        half: (2,) half the width and height of what is to be put there.
        taken: Parts (N, 4) x, y and half sizes of what it must not cover.
        reach: How far from the place it is to be.
        window: What the map shows.
        first: The preferred direction, radians anticlockwise from the right.
    """
    turns = np.arange(DIRECTIONS) * 2 * math.pi / DIRECTIONS
    angles = first + turns[np.argsort(np.minimum(turns, 2 * math.pi - turns), kind="stable")]
    reaches = reach * (1 + np.arange(STRETCHES + 1) / 2)
    rays = np.stack([np.cos(angles), np.sin(angles)], 1)
    spots = place + (reaches[:, None, None] * rays).reshape(-1, 2)
    inside = (spots - half >= (window.left, window.bottom)) & (spots + half <= (window.right, window.top))
    boxes = np.concatenate([np.empty((0, 4)), *taken])
    covered = np.clip(half + boxes[:, 2:] - np.abs(spots[:, None] - boxes[:, :2]), 0, None).prod(-1).sum(1)
    return np.array(spots[int(np.argmin(np.where(inside.all(1), covered, np.inf)))])
