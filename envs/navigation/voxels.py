"""Voxelising triangles to a solid heightfield: columns of solid spans.

The arithmetic has 32 bits and clips row by row, then cell by cell, so that a face on the border of a cell falls on the
same side as in Recast, with whose walkable areas the results are compared.
"""

from typing import NamedTuple

import numba
import numpy as np

_FIRST_CAPACITY = 1 << 16


class Columns(NamedTuple):
    """Solid spans, sorted by column (z major) and upwards within a column."""

    start: np.ndarray  # (width * depth + 1,) int32, first span of each column
    low: np.ndarray  # (N,) int32, lower end, in cells above the scene's lowest point
    high: np.ndarray  # (N,) int32, upper end, in cells
    flat: np.ndarray  # (N,) bool, whether the upper side is flat enough to stand on
    top: np.ndarray  # (N,) float32, exact upper end, metres above the scene's lowest point


@numba.njit(cache=True)
def _split(
    polygon: np.ndarray, count: int, axis: int, at: np.float32, below: np.ndarray, above: np.ndarray
) -> tuple[int, int]:
    """Split a convex polygon at the plane `axis = at`; returns the numbers of corners of both parts."""
    n_below, n_above = 0, 0
    j = count - 1
    for i in range(count):
        before, here = at - polygon[j, axis], at - polygon[i, axis]
        if (before >= 0) != (here >= 0):
            share = before / (before - here)
            for k in range(3):
                corner = polygon[j, k] + (polygon[i, k] - polygon[j, k]) * share
                below[n_below, k] = corner
                above[n_above, k] = corner
            n_below += 1
            n_above += 1
            inside, outside = here > 0, here < 0
        else:
            inside, outside = here >= 0, here <= 0
        if inside:
            below[n_below] = polygon[i]
            n_below += 1
        if outside:
            above[n_above] = polygon[i]
            n_above += 1
        j = i
    return n_below, n_above


@numba.njit(cache=True)
def _extent(polygon: np.ndarray, count: int, axis: int) -> tuple[np.float32, np.float32]:
    """Return the lowest and the highest coordinate of a polygon's corners along an axis."""
    low, high = polygon[0, axis], polygon[0, axis]
    for i in range(1, count):
        low, high = min(low, polygon[i, axis]), max(high, polygon[i, axis])
    return low, high


@numba.njit(cache=True)
def _insert(spans: np.ndarray, tops: np.ndarray, first: np.ndarray, column: int, new: int, climb: int) -> None:
    """Insert span `new` into the linked list of its column, merged with the spans that it touches.

    Spans (C, 4) are low, high, flat, next (-1 for none), `tops` (C,) their exact upper ends, `first` the heads of the
    lists. If the tops differ by at most `climb` cells, the merged span is flat if either is.
    """
    before, here = -1, first[column]
    while here >= 0:
        after = spans[here, 3]
        if spans[here, 0] > spans[new, 1]:
            break
        if spans[here, 1] < spans[new, 0]:
            before = here
        else:
            spans[new, 0] = min(spans[new, 0], spans[here, 0])
            spans[new, 1] = max(spans[new, 1], spans[here, 1])
            tops[new] = max(tops[new], tops[here])
            if abs(spans[new, 1] - spans[here, 1]) <= climb:
                spans[new, 2] = max(spans[new, 2], spans[here, 2])
            if before >= 0:
                spans[before, 3] = after
            else:
                first[column] = after
        here = after
    spans[new, 3] = here
    if before >= 0:
        spans[before, 3] = new
    else:
        first[column] = new


@numba.njit(cache=True)
def _gather(first: np.ndarray, spans: np.ndarray, tops: np.ndarray) -> Columns:
    """Convert linked lists to arrays."""
    start = np.zeros(len(first) + 1, np.int32)
    total = 0
    for column in range(len(first)):
        here = first[column]
        while here >= 0:
            total += 1
            here = spans[here, 3]
        start[column + 1] = total
    low, high = np.empty(total, np.int32), np.empty(total, np.int32)
    flat, top = np.empty(total, np.bool_), np.empty(total, np.float32)
    k = 0
    for column in range(len(first)):
        here = first[column]
        while here >= 0:
            low[k], high[k] = spans[here, 0], spans[here, 1]
            flat[k], top[k] = spans[here, 2] > 0, tops[here]
            k += 1
            here = spans[here, 3]
    return Columns(start, low, high, flat, top)


def is_flat(corners: np.ndarray) -> np.ndarray:
    """Return which triangles (T, 3, 3), counter-clockwise from outside, face up within 45 degrees, (T,) bool."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return normals[:, 1] > np.sqrt((normals * normals).sum(1) * np.float32(0.5))


@numba.njit(cache=True)
def voxelise(
    corners: np.ndarray, flat: np.ndarray, low: np.ndarray, high: np.ndarray, size: tuple[int, int], cell: float,
    climb: int,
) -> Columns:  # fmt: skip
    """Voxelise a mesh of triangles (T, 3, 3) float32 between `low` and `high` to columns of solid spans.

    `flat` (T,) are the triangles that can be stood on, see `is_flat`; the side of a cell is in metres, the highest step
    in cells.
    """
    width, depth = size
    side = np.float32(cell)
    per_metre = np.float32(1) / side
    first = np.full(width * depth, -1, np.int32)
    spans = np.empty((_FIRST_CAPACITY, 4), np.int32)
    tops = np.empty(_FIRST_CAPACITY, np.float32)
    used = 0
    rest, spare = np.empty((12, 3), np.float32), np.empty((12, 3), np.float32)
    row, row_spare, part = np.empty((12, 3), np.float32), np.empty((12, 3), np.float32), np.empty((12, 3), np.float32)
    for t in range(len(corners)):
        for k in range(3):
            for axis in range(3):
                rest[k, axis] = corners[t, k, axis]
        n_rest = 3
        first_z, last_z = _extent(rest, 3, 2)
        z_first, z_last = int((first_z - low[2]) * per_metre), int((last_z - low[2]) * per_metre)
        for z in range(min(max(z_first, 0), depth - 1), min(max(z_last, 0), depth - 1) + 1):
            edge = np.float32(np.float32(low[2] + np.float32(z) * side) + side)
            n_row, n_rest = _split(rest, n_rest, 2, edge, row, spare)
            rest, spare = spare, rest
            if n_row < 3:
                continue
            first_x, last_x = _extent(row, n_row, 0)
            x_first, x_last = int((first_x - low[0]) * per_metre), int((last_x - low[0]) * per_metre)
            for x in range(min(max(x_first, 0), width - 1), min(max(x_last, 0), width - 1) + 1):
                edge = np.float32(np.float32(low[0] + np.float32(x) * side) + side)
                n_part, n_row = _split(row, n_row, 0, edge, part, row_spare)
                row, row_spare = row_spare, row
                if n_part < 3:
                    continue
                bottom, top = _extent(part, n_part, 1)
                bottom, top = max(bottom - low[1], np.float32(0)), min(top - low[1], high[1] - low[1])
                if used == len(tops):
                    grown, grown_tops = np.empty((2 * used, 4), np.int32), np.empty(2 * used, np.float32)
                    grown[:used], grown_tops[:used] = spans, tops
                    spans, tops = grown, grown_tops
                spans[used, 0] = int(np.floor(bottom * per_metre))
                spans[used, 1] = max(int(np.ceil(top * per_metre)), spans[used, 0] + 1)
                spans[used, 2] = flat[t]
                tops[used] = top
                _insert(spans, tops, first, z * width + x, used, climb)
                used += 1
    return _gather(first, spans, tops)
