"""Shortest paths bend only at corners: which corners of a walkable area see one another, and how far apart they are."""

from typing import NamedTuple

import numba
import numpy as np

from envs.navigation.queries import floor_height
from envs.navigation.slopes import climbed_length
from envs.navigation.view import Addressed, View, array_at, float32_at, float64_at, int32_at, view
from envs.navigation.walls import inward, is_inside, sees

_MARGIN = 0.02  # cells between a corner and where paths pass it (1 mm at 0.05 m), so that lines along walls stay clear
SLACK = 0.06  # cells by which a path may seem to bend the wrong way: thrice the margin


class Roads(NamedTuple):
    """Corners around which shortest paths bend, and the straight lines between them.

    Attributes:
        at: (n, 3) float64 x, z in cells and height in metres.
        sides: (n, 6) float64, for both walls of a corner: unit vector along it (x, z) and its length in cells.
        start: (n + 1,) int32, where each corner's lines start in `ends`.
        ends: (M,) int32, the corners at their other ends.
        lengths: (M,) float32 metres over the floor, in three dimensions.
    """

    at: np.ndarray
    sides: np.ndarray
    start: np.ndarray
    ends: np.ndarray
    lengths: np.ndarray


@numba.njit(cache=True)
def roads_view(row: np.ndarray) -> Roads:
    """The arrays behind a row that starts with those of `Roads`."""
    return Roads(
        array_at(float64_at(row[0]), (row[1], 3)),
        array_at(float64_at(row[2]), (row[3], 6)),
        array_at(int32_at(row[4]), row[5]),
        array_at(int32_at(row[6]), row[7]),
        array_at(float32_at(row[8]), row[9]),
    )


@numba.njit(cache=True)
def bend(sides: np.ndarray, dx: float, dz: float, reach: float) -> int:
    """To which side a line that passes a corner may bend around it.

    Args:
        sides: (6,) row of `Roads.sides`.
        dx: Unit vector of the line, x.
        dz: Unit vector of the line, z.
        reach: Length of the line in cells: how far along the walls to look.

    Returns:
        1 or -1, the sign of the cross product with the line after the bend; 2 for either; 0 where a wall is in the way.
    """
    one = (dx * sides[1] - dz * sides[0]) * min(sides[2], reach)
    two = (dx * sides[4] - dz * sides[3]) * min(sides[5], reach)
    positive, negative = min(one, two) >= -SLACK, max(one, two) <= SLACK
    if positive and negative:
        return 2
    return 1 if positive else (-1 if negative else 0)


@numba.njit(cache=True)
def _corner(ground: View, wall: int, at: np.ndarray, sides: np.ndarray) -> bool:
    """Fill one row of `Roads` for the corner where a wall starts; False if paths do not bend there."""
    before, after = ground.before[wall], ground.after[wall]
    here, back, ahead = ground.corners[wall], ground.corners[before], ground.corners[after]
    nx, nz = inward(ground, before)
    mx, mz = inward(ground, wall)
    if (ahead[0] - here[0]) * nx + (ahead[1] - here[1]) * nz >= -1e-9:
        return False
    size = np.sqrt((nx + mx) ** 2 + (nz + mz) ** 2)
    if size < 1e-6:
        # A thin wall's end: straight on along the wall.
        nx, nz, mx, mz = here[0] - ahead[0], here[1] - ahead[1], 0.0, 0.0
        size = np.sqrt(nx * nx + nz * nz)
    at[0], at[1] = here[0] + (nx + mx) / size * _MARGIN, here[1] + (nz + mz) / size * _MARGIN
    at[2] = floor_height(ground, at[0], at[1], float(ground.wall_height[wall]))
    for k in range(2):
        other = back if k == 0 else ahead
        dx, dz = other[0] - here[0], other[1] - here[1]
        far = np.sqrt(dx * dx + dz * dz)
        sides[3 * k], sides[3 * k + 1], sides[3 * k + 2] = dx / far, dz / far, far
    return is_inside(ground, at[0], at[1], at[2])


class RoadMap(Addressed):
    """The corners and lines of a ground."""

    def __init__(self, ground_row: np.ndarray) -> None:
        self.roads = build_roads(ground_row)

    @property
    def addressed(self) -> tuple[np.ndarray, ...]:
        """The arrays of `Roads`."""
        return self.roads


@numba.njit(cache=True)
def build_roads(row: np.ndarray) -> Roads:
    """Corners and lines of the ground behind a row."""
    ground = view(row)
    at, sides = np.empty((len(ground.after), 3)), np.empty((len(ground.after), 6))
    n = 0
    for wall in range(len(ground.after)):
        if _corner(ground, wall, at[n], sides[n]):
            n += 1
    at, sides = at[:n].copy(), sides[:n].copy()
    pairs = [(0, 0)][:0]
    counts = np.zeros(n + 1, np.int32)
    for i in range(n):
        for j in range(i):
            dx, dz = at[j, 0] - at[i, 0], at[j, 1] - at[i, 1]
            far = np.sqrt(dx * dx + dz * dz)
            if (
                far < 1e-9
                or bend(sides[i], dx / far, dz / far, far) == 0
                or bend(sides[j], dx / far, dz / far, far) == 0
            ):
                continue
            if sees(ground, at[i, 0], at[i, 1], at[i, 2], at[j, 0], at[j, 1], at[j, 2]):
                pairs.append((i, j))
                counts[i + 1] += 1
                counts[j + 1] += 1
    start = np.cumsum(counts).astype(np.int32)
    filled = start.copy()
    ends, lengths = np.empty(start[-1], np.int32), np.empty(start[-1], np.float32)
    for i, j in pairs:
        far = climbed_length(ground, at[i, 0], at[i, 1], at[i, 2], at[j, 0], at[j, 1], at[j, 2])
        ends[filled[i]], lengths[filled[i]] = j, far
        ends[filled[j]], lengths[filled[j]] = i, far
        filled[i] += 1
        filled[j] += 1
    return Roads(at, sides, start, ends, lengths)
