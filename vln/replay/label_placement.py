"""Placement of labels on a map: boxes of the drawn parts, and free places beside a point."""

import math
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.text import Text

from vln.replay import style
from vln.replay.layout import Window
from vln.replay.plan import Corner

SPACING = 3.0  # points between the boxes that approximate a line
DOT = 2.5  # points; smaller markers are the viewpoints of a graph, which labels may cover
DIRECTIONS = 24  # number of directions tried for a label
TALL = 0.6  # half the height of a line of text, in font sizes
STRETCHES = 8  # number of larger distances tried for a label, in steps of half its reach


def boxes_of_line(line: Line2D, scale: float) -> np.ndarray:
    """Return the boxes of a line and its markers, (N, 4) x, y and half sizes in metres; `scale` is points per metre."""
    points = np.array(line.get_xydata(), float).reshape(-1, 2)
    parts = [np.empty((0, 4))]
    if line.get_linestyle() != "None":
        parts += [_along(a, b, line.get_linewidth() / 2, scale) for a, b in pairwise(points)]
    if line.get_marker() not in (None, "", "None") and line.get_markersize() > DOT:
        parts.append(_boxes(points, (line.get_markersize() + line.get_markeredgewidth()) / 2, scale))
    return np.concatenate(parts)


def boxes_of_text(text: Text, scale: float) -> np.ndarray:
    """Return the box of a line of text on a map with its frame, (1, 4) centre and half sizes in metres."""
    half = half_size(text.get_text(), float(text.get_fontsize()), scale)
    return np.array([[*text.get_position(), *half]], float)


def boxes_of_ray(place: np.ndarray, heading: float, length: float, width: float, scale: float) -> np.ndarray:
    """Return the boxes of an arrow from a place (2,), (N, 4); length and width are in points."""
    end = place + length / scale * np.array([math.sin(heading), math.cos(heading)])
    return _along(place, end, width / 2, scale)


def boxes_of_outline(low: Corner, high: Corner, width: float, scale: float) -> np.ndarray:
    """Return the boxes of the outline of a rectangle, (N, 4), `width` in points."""
    (left, bottom), (right, top) = low, high
    corners = np.array([(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)])
    return np.concatenate([_along(a, b, width / 2, scale) for a, b in pairwise(corners)])


def half_size(text: str, size: float, scale: float) -> np.ndarray:
    """Return half the width and height in metres of a letter or number with its frame, (2,)."""
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
    """Return the nearest free position beside a place (2,); if none is free, the one that covers least.

    `half` (2,) is half the width and height of the label, and `taken` arrays (N, 4) of x, y and half sizes of parts
    that it must not cover, in metres; `reach` the preferred distance, and `first` the preferred direction in radians,
    counter-clockwise from the right.
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
