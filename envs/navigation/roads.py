"""The visibility graph: which corners of a walkable area see one another, and their distances.

Shortest paths bend only at corners.
"""

from typing import NamedTuple

import numba
import numpy as np

from envs.navigation.queries import floor_height
from envs.navigation.slopes import climbed_length
from envs.navigation.view import Addressed, View, array_at, float32_at, float64_at, int32_at, view
from envs.navigation.walls import inward, is_inside, sees

_MARGIN = 0.02  # cells between a corner and paths around it (1 mm at 0.05 m), so that lines along walls are free
SLACK = 0.06  # cells, tolerance for a path that seems to bend the wrong way: three times the margin


class VisibilityGraph(NamedTuple):
    """The visibility graph: corners around which shortest paths bend, and the straight edges between them."""

    at: np.ndarray  # (n, 3) float64, x, z in cells and height in metres of each corner
    sides: np.ndarray  # (n, 6) float64, for both walls of a corner: unit vector along it (x, z) and length in cells
    start: np.ndarray  # (n + 1,) int32, index of each corner's first edge in `ends`
    ends: np.ndarray  # (M,) int32, corners at the other ends of the edges
    lengths: np.ndarray  # (M,) float32, lengths of the edges over the floor in three dimensions, metres


@numba.njit(cache=True)
def roads_view(row: np.ndarray) -> VisibilityGraph:
    """Return the arrays of the visibility graph addressed by the start of a row."""
    return VisibilityGraph(
        array_at(float64_at(row[0]), (row[1], 3)),
        array_at(float64_at(row[2]), (row[3], 6)),
        array_at(int32_at(row[4]), row[5]),
        array_at(int32_at(row[6]), row[7]),
        array_at(float32_at(row[8]), row[9]),
    )


@numba.njit(cache=True)
def bend(sides: np.ndarray, dx: float, dz: float, reach: float) -> int:
    """Return the side to which a line may bend around a corner whose `VisibilityGraph.sides` are (6,).

    The line is a unit vector and a length in cells, which limits the considered length of the walls. The result is 1 or
    -1, the sign of the cross product with the line after the bend; 2 for either; 0 if a wall is in the way.
    """
    one = (dx * sides[1] - dz * sides[0]) * min(sides[2], reach)
    two = (dx * sides[4] - dz * sides[3]) * min(sides[5], reach)
    positive, negative = min(one, two) >= -SLACK, max(one, two) <= SLACK
    if positive and negative:
        return 2
    return 1 if positive else (-1 if negative else 0)


@numba.njit(cache=True)
def _corner(ground: View, wall: int, at: np.ndarray, sides: np.ndarray) -> bool:
    """Fill one row of `VisibilityGraph` for the corner where a wall starts; False if paths do not bend there."""
    before, after = ground.before[wall], ground.after[wall]
    here, back, ahead = ground.corners[wall], ground.corners[before], ground.corners[after]
    nx, nz = inward(ground, before)
    mx, mz = inward(ground, wall)
    if (ahead[0] - here[0]) * nx + (ahead[1] - here[1]) * nz >= -1e-9:
        return False
    size = np.sqrt((nx + mx) ** 2 + (nz + mz) ** 2)
    if size < 1e-6:
        # The end of a thin wall: the corner is offset along the wall.
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
    """The visibility graph of a ground with its addresses."""

    def __init__(self, ground_row: np.ndarray) -> None:
        self.roads = build_roads(ground_row)

    @property
    def addressed(self) -> tuple[np.ndarray, ...]:
        """The arrays of `VisibilityGraph`."""
        return self.roads


@numba.njit(cache=True)
def build_roads(row: np.ndarray) -> VisibilityGraph:
    """Build the visibility graph of the ground addressed by a row."""
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
    return VisibilityGraph(at, sides, start, ends, lengths)
