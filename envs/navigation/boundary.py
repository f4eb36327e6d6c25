"""Contours of the walkable area: traced along cells, then simplified to few straight walls, as Recast does."""

from typing import NamedTuple

import numba
import numpy as np

from envs.navigation.floors import Floors

_ERROR = 1.3  # greatest deviation of a simplified outline from the traced cells, in cells; Recast's default
_RISE = 0.2  # greatest deviation of its height from the floor, metres
_END_CORNERS = np.array([[0, 1], [1, 1], [1, 0], [0, 0]])  # the corner of a cell where each of its sides ends


class Outlines(NamedTuple):
    """Closed outlines of straight walls. The walkable area is on the left of each, seen from above with z down."""

    corners: np.ndarray  # (S, 2) int32, start of each wall, x and z in cells
    heights: np.ndarray  # (S,) float32, height of the floor at the start, metres above the scene's lowest point
    after: np.ndarray  # (S,) int32, index of the next wall of the same outline
    before: np.ndarray  # (S,) int32, index of the previous wall of the same outline


@numba.njit(cache=True)
def _trace(
    floors: Floors, regions: np.ndarray, width: int, place: int, side: int, seen: np.ndarray, points: np.ndarray
) -> int:
    """Trace an outline from one side of a place; returns the number of points.

    Each point is the end of one side of a cell: x, z, place, and whether the region changes there.
    """
    count = 0
    here, d = place, side
    while True:
        if floors.links[here, d] < 0:
            if len(points) == count:
                return -1
            seen[here, d] = True
            points[count, 0] = floors.column[here] % width + _END_CORNERS[d, 0]
            points[count, 1] = floors.column[here] // width + _END_CORNERS[d, 1]
            points[count, 2] = here
            points[count, 3] = False
            count += 1
            d = (d + 1) % 4
        else:
            following = floors.links[here, d]
            if count > 0 and regions[following] != regions[here]:
                points[count - 1, 3] = True
            here = following
            d = (d + 3) % 4
        if here == place and d == side:
            return count


@numba.njit(cache=True)
def _distance_squared(x: float, z: float, ax: float, az: float, bx: float, bz: float) -> float:
    """Return the squared distance from a point to a segment."""
    dx, dz = bx - ax, bz - az
    length = dx * dx + dz * dz
    share = 0.0
    if length > 0:
        share = min(max(((x - ax) * dx + (z - az) * dz) / length, 0.0), 1.0)
    return (ax + share * dx - x) ** 2 + (az + share * dz - z) ** 2


@numba.njit(cache=True)
def _furthest(points: np.ndarray, a: int, b: int) -> int:
    """Return the point between `a` and `b` furthest from the line between them, -1 if all are within the error."""
    count = len(points)
    increment = 1
    # Both directions must agree on ties, so the search always starts at the smaller end.
    if not (points[b, 0] > points[a, 0] or (points[b, 0] == points[a, 0] and points[b, 1] > points[a, 1])):
        a, b, increment = b, a, count - 1
    most, result = _ERROR * _ERROR, -1
    i = (a + increment) % count
    while i != b:
        far = _distance_squared(points[i, 0], points[i, 1], points[a, 0], points[a, 1], points[b, 0], points[b, 1])
        if far > most:
            most, result = far, i
        i = (i + increment) % count
    return result


@numba.njit(cache=True)
def _first_corners(points: np.ndarray, keep: np.ndarray) -> None:
    """Mark the points that are always kept: where regions meet, else the two extreme corners."""
    keep[:] = points[:, 3] > 0
    if keep.sum() >= 2:
        return
    low, high = 0, 0
    for i in range(len(points)):
        x, z = points[i, 0], points[i, 1]
        if x < points[low, 0] or (x == points[low, 0] and z < points[low, 1]):
            low = i
        if x > points[high, 0] or (x == points[high, 0] and z > points[high, 1]):
            high = i
    keep[low] = keep[high] = True


@numba.njit(cache=True)
def _next_kept(keep: np.ndarray, i: int) -> int:
    """Return the next marked point after `i`, cyclically."""
    i = (i + 1) % len(keep)
    while not keep[i]:
        i = (i + 1) % len(keep)
    return i


@numba.njit(cache=True)
def _refine(points: np.ndarray, keep: np.ndarray) -> None:
    """Mark more points until every point is within the error of the lines between marked ones."""
    first = int(np.argmax(keep))
    a = first
    while True:
        b = _next_kept(keep, a)
        far = _furthest(points, a, b)
        if far >= 0:
            keep[far] = True
            continue
        a = b
        if a == first:
            return


@numba.njit(cache=True)
def _follow_rises(points: np.ndarray, heights: np.ndarray, keep: np.ndarray) -> None:
    """Mark points where a straight wall runs along stairs, so that heights along it match the floor."""
    count = len(points)
    first = int(np.argmax(keep))
    a = first
    while True:
        b = _next_kept(keep, a)
        steps = (b - a) % count if b != a else count
        low, high = heights[points[a, 2]], heights[points[b, 2]]
        most, far = np.float32(_RISE), -1
        for n in range(1, steps):
            i = (a + n) % count
            off = abs(heights[points[i, 2]] - (low + (high - low) * np.float32(n / steps)))
            if off > most:
                most, far = off, i
        if far >= 0:
            keep[far] = True
            continue
        a = b
        if a == first:
            return


@numba.njit(cache=True)
def trace_outlines(floors: Floors, regions: np.ndarray, width: int) -> Outlines:
    """Trace and simplify the outlines of the eroded walkable area on a grid of `width` columns along x.

    `regions` (N,) int32 are those of the places; corners are kept where the region along an outline changes.
    """
    total = 0
    for i in range(len(floors.links)):
        if floors.walkable[i]:
            total += (floors.links[i] < 0).sum()
    points = np.empty((total, 4), np.int32)
    seen = np.zeros((len(floors.links), 4), np.bool_)
    corners, heights = np.empty((total, 2), np.int32), np.empty(total, np.float32)
    after, before = np.empty(total, np.int32), np.empty(total, np.int32)
    used = 0
    for i in range(len(floors.links)):
        for d in range(4):
            if not floors.walkable[i] or floors.links[i, d] >= 0 or seen[i, d]:
                continue
            outline = points[: _trace(floors, regions, width, i, d, seen, points)]
            keep = np.empty(len(outline), np.bool_)
            _first_corners(outline, keep)
            _refine(outline, keep)
            _follow_rises(outline, floors.height, keep)
            count = keep.sum()
            if count < 3:
                continue
            n = used
            for k in range(len(outline)):
                if keep[k]:
                    corners[n] = outline[k, :2]
                    heights[n] = floors.height[outline[k, 2]]
                    after[n], before[n] = n + 1, n - 1
                    n += 1
            after[n - 1], before[used] = used, n - 1
            used = n
    return Outlines(corners[:used].copy(), heights[:used].copy(), after[:used].copy(), before[:used].copy())
