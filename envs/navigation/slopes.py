"""Height profiles of straight lines over the floor, and their lengths in three dimensions.

The floor is stored in cells, so a ramp is a staircase with small steps. The profile of both is the line through the
middles of the treads (the pitch line of stairs).
"""

import numba
import numpy as np

from envs.navigation.view import View
from envs.navigation.walls import place_at

LEVEL = 0.03  # metres, tolerance of heights along a straight piece of a profile: rugs and thresholds
_SPREAD = 0.25  # metres, largest distance before and after a step over which it is climbed
_SPIKE = 2.0  # cells; a shorter rise or dip is an artefact of an edge in the grid
_GRAZED = 0.3  # cells; a shorter tread is a cell whose corner is cut
_SAME = 1e-4  # metres, tolerance for equal heights


@numba.njit(cache=True)
def length(ground: View, x0: float, z0: float, x1: float, z1: float) -> float:
    """Return the horizontal distance in metres between positions in cells."""
    return np.sqrt((x1 - x0) ** 2 + (z1 - z0) ** 2) * ground.scale[3]


@numba.njit(cache=True)
def _straight(flat: float, rise: float) -> float:
    """Return the length of a slope; exactly `flat` if the rise is zero."""
    return flat if rise == 0 else np.sqrt(flat * flat + rise * rise)


@numba.njit(cache=True)
def _treads(
    ground: View, x0: float, z0: float, y: float, x1: float, z1: float, begins: np.ndarray, heights: np.ndarray
) -> int:
    """Split a line into treads, intervals of constant height; returns their number.

    Positions are in cells, the height of the start is in metres; the line follows the floor. The start of each tread as
    a fraction of the line, and its height, go to arrays that are longer than the number of cells on the line.
    """
    dx, dz = x1 - x0, z1 - z0
    x, z = int(np.floor(x0)), int(np.floor(z0))
    step_x, step_z = (1 if dx > 0 else -1), (1 if dz > 0 else -1)
    next_x = ((x + (dx > 0)) - x0) / dx if dx != 0 else np.inf
    next_z = ((z + (dz > 0)) - z0) / dz if dz != 0 else np.inf
    each_x = abs(1 / dx) if dx != 0 else np.inf
    each_z = abs(1 / dz) if dz != 0 else np.inf
    begins[0], heights[0], count, at = 0.0, y, 1, 0.0
    while 0 <= x < ground.size[0] and 0 <= z < ground.size[1]:
        place = place_at(ground, z * ground.size[0] + x, y)
        if place >= 0 and abs(ground.height[place] - heights[count - 1]) > _SAME:
            y = float(ground.height[place])
            count += at > begins[count - 1]
            begins[count - 1], heights[count - 1] = at, y
        at = min(next_x, next_z)
        if at >= 1 or count == len(begins):
            break
        if next_x < next_z:
            x += step_x
            next_x += each_x
        else:
            z += step_z
            next_z += each_z
    return count


@numba.njit(cache=True)
def _without_cuts(begins: np.ndarray, heights: np.ndarray, count: int, cell: float) -> int:
    """Remove treads that are artefacts of the grid, and merge treads of equal height; returns the number of treads.

    `cell` is the side of a cell as a fraction of the line.
    """
    kept = 1
    for k in range(1, count):
        if k + 1 < count:
            spike = (heights[k] - heights[kept - 1]) * (heights[k] - heights[k + 1]) > 0
            if begins[k + 1] - begins[k] < cell * (_SPIKE if spike else _GRAZED):
                continue
        if abs(heights[k] - heights[kept - 1]) > _SAME:
            begins[kept], heights[kept] = begins[k], heights[k]
            kept += 1
    return kept


@numba.njit(cache=True)
def _pitch_line(begins: np.ndarray, heights: np.ndarray, count: int, spread: float) -> np.ndarray:
    """Return the pitch line, (n, 2) fractions of the line and heights: each step is spread over half of its treads.

    `spread` is the largest fraction of the line over which a step is spread, on either side.
    """
    points = np.empty((2 * count, 2))
    points[0, 0], points[0, 1], n = 0.0, heights[0], 1
    for k in range(1, count):
        before, after = begins[k] - begins[k - 1], (begins[k + 1] if k + 1 < count else 1.0) - begins[k]
        # The first and the last tread are used in full, because the line does not contain their whole depth.
        room_before, most_after = (before, spread) if k == 1 else (before / 2, before / 2)
        room_after, most_before = (after, spread) if k + 1 == count else (after / 2, after / 2)
        low, high = begins[k] - min(room_before, spread, most_before), begins[k] + min(room_after, spread, most_after)
        if low > points[n - 1, 0] + 1e-9:
            points[n, 0], points[n, 1] = low, heights[k - 1]
            n += 1
        if high < 1 - 1e-9:
            points[n, 0], points[n, 1] = high, heights[k]
            n += 1
    points[n, 0], points[n, 1] = 1.0, heights[count - 1]
    return points[: n + 1]


@numba.njit(cache=True)
def _bends(points: np.ndarray) -> np.ndarray:
    """Return the points (fraction, height) that approximate all within `LEVEL`, (n,) bool (Douglas, Peucker 1973)."""
    keep = np.zeros(len(points), np.bool_)
    keep[0] = keep[-1] = True
    open_pairs = [(0, len(points) - 1)]
    while len(open_pairs):
        a, b = open_pairs.pop()
        slope = (points[b, 1] - points[a, 1]) / max(points[b, 0] - points[a, 0], 1e-12)
        most, far = LEVEL, -1
        for i in range(a + 1, b):
            off = abs(points[i, 1] - points[a, 1] - slope * (points[i, 0] - points[a, 0]))
            if off > most:
                most, far = off, i
        if far >= 0:
            keep[far] = True
            open_pairs.append((a, far))
            open_pairs.append((far, b))
    return keep


@numba.njit(cache=True)
def climbs(ground: View, x0: float, z0: float, y0: float, x1: float, z1: float, y1: float) -> np.ndarray:
    """Return the height profile of a straight line: (n, 2) fractions of the line and heights in metres, with both ends.

    Positions are in cells, heights in metres. The profile is the same in both directions.
    """
    ends = np.array([[0.0, y0], [1.0, y1]])
    # The direction is normalised, so that the length is the same both ways.
    turned = x1 < x0 or (x1 == x0 and z1 < z0)
    if turned:
        x0, z0, y0, x1, z1, y1 = x1, z1, y1, x0, z0, y0
    flat = np.sqrt((x1 - x0) ** 2 + (z1 - z0) ** 2)
    most = int(abs(x1 - x0) + abs(z1 - z0)) + 4
    begins, heights = np.empty(most), np.empty(most)
    count = _treads(ground, x0, z0, y0, x1, z1, begins, heights)
    low, high = min(y0, y1), max(y0, y1)
    for k in range(count):
        low, high = min(low, heights[k]), max(high, heights[k])
    if high - low <= LEVEL or flat < 1e-9:
        return ends
    count = _without_cuts(begins, heights, count, 1 / flat)
    points = _pitch_line(begins, heights, count, _SPREAD / (flat * ground.scale[3]))
    points[0, 1], points[-1, 1] = y0, y1
    keep = _bends(points)
    result = np.empty((keep.sum(), 2))
    n = 0
    for k in range(len(points)):
        i = len(points) - 1 - k if turned else k
        if keep[i]:
            result[n, 0], result[n, 1] = (1 - points[i, 0] if turned else points[i, 0]), points[i, 1]
            n += 1
    return result


@numba.njit(cache=True)
def climbed_length(ground: View, x0: float, z0: float, y0: float, x1: float, z1: float, y1: float) -> float:
    """Return the length of a straight line over the floor in three dimensions, metres."""
    flat = length(ground, x0, z0, x1, z1)
    points = climbs(ground, x0, z0, y0, x1, z1, y1)
    if len(points) == 2:
        return _straight(flat, y1 - y0)
    result = 0.0
    for k in range(1, len(points)):
        result += _straight(flat * (points[k, 0] - points[k - 1, 0]), points[k, 1] - points[k - 1, 1])
    return result
