"""The index of walls by cell, and exact tests with it: is a point inside, which walls does a line cross."""

import numba
import numpy as np

from envs.navigation.view import View

NO_CROSSING = 2.0  # a fraction of a line beyond its end: no crossing
_TOUCH = 1e-6  # cells, tolerance for a wall that touches a cell


@numba.njit(cache=True)
def _cells_of(ax: float, az: float, bx: float, bz: float, width: int, depth: int, cells: np.ndarray) -> int:
    """Fill `cells` with the columns that a wall touches, with borders; returns their number (`cells` may be empty)."""
    count, margin = 0, _TOUCH
    z_first, z_last = int(np.floor(min(az, bz) - margin)), int(np.floor(max(az, bz) + margin))
    for z in range(max(z_first, 0), min(z_last, depth - 1) + 1):
        low, high = min(ax, bx), max(ax, bx)
        if az != bz:
            one = ax + (bx - ax) * min(max((z - margin - az) / (bz - az), 0.0), 1.0)
            two = ax + (bx - ax) * min(max((z + 1 + margin - az) / (bz - az), 0.0), 1.0)
            low, high = min(one, two), max(one, two)
        x_first, x_last = int(np.floor(low - margin)), int(np.floor(high + margin))
        for x in range(max(x_first, 0), min(x_last, width - 1) + 1):
            if len(cells):
                cells[count] = z * width + x
            count += 1
    return count


@numba.njit(cache=True)
def index_walls(
    corners: np.ndarray, after: np.ndarray, width: int, depth: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Build the table from columns to the walls that touch them: `slot`, `wall_start`, `walls` of `View`."""
    most, none = 0, np.empty(0, np.int32)
    for s in range(len(corners)):
        a, b = corners[s], corners[after[s]]
        most = max(most, _cells_of(a[0], a[1], b[0], b[1], width, depth, none))
    cells = np.empty(most + 1, np.int32)
    counts = np.zeros(width * depth, np.int32)
    for s in range(len(corners)):
        a, b = corners[s], corners[after[s]]
        for k in range(_cells_of(a[0], a[1], b[0], b[1], width, depth, cells)):
            counts[cells[k]] += 1
    slot, used = np.zeros(width * depth, np.int32), 1
    for c in range(width * depth):
        if counts[c]:
            slot[c] = used
            used += 1
    wall_start = np.zeros(used + 1, np.int32)
    for c in range(width * depth):
        if counts[c]:
            wall_start[slot[c] + 1] = counts[c]
    wall_start = np.cumsum(wall_start).astype(np.int32)
    filled = wall_start.copy()
    walls = np.empty(wall_start[-1], np.int32)
    for s in range(len(corners)):
        a, b = corners[s], corners[after[s]]
        for k in range(_cells_of(a[0], a[1], b[0], b[1], width, depth, cells)):
            walls[filled[slot[cells[k]]]] = s
            filled[slot[cells[k]]] += 1
    return slot, wall_start, walls


@numba.njit(cache=True)
def place_at(ground: View, column: int, y: float) -> int:
    """Return the place of a column on the same floor as height `y`, -1 if there is none."""
    nearest, result = ground.scale[4], -1
    for i in range(ground.start[column], ground.start[column + 1]):
        off = abs(ground.height[i] - y)
        if off <= nearest:
            nearest, result = off, i
    return result


@numba.njit(cache=True)
def column_of(ground: View, x: float, z: float) -> int:
    """Return the column under a position in cells, -1 outside the grid."""
    if not (0 <= x < ground.size[0] and 0 <= z < ground.size[1]):
        return -1
    return int(z) * ground.size[0] + int(x)


@numba.njit(cache=True)
def wall_level(ground: View, wall: int, x: float, z: float) -> float:
    """Return the height of a wall's base at its point nearest to (x, z)."""
    a, b = ground.corners[wall], ground.corners[ground.after[wall]]
    dx, dz = b[0] - a[0], b[1] - a[1]
    share = ((x - a[0]) * dx + (z - a[1]) * dz) / (dx * dx + dz * dz)
    low, high = ground.wall_height[wall], ground.wall_height[ground.after[wall]]
    return low + (high - low) * min(max(share, 0.0), 1.0)


@numba.njit(cache=True)
def crossing(ground: View, wall: int, x0: float, z0: float, x1: float, z1: float) -> float:
    """Return the crossing of a line with a wall as a fraction of the line; NO_CROSSING if there is none.

    Every point is on one side or the other, so a line through a corner crosses one of its two walls, or both, or none.
    """
    a, b = ground.corners[wall], ground.corners[ground.after[wall]]
    wx, wz, dx, dz = b[0] - a[0], b[1] - a[1], x1 - x0, z1 - z0
    start = wx * (z0 - a[1]) - wz * (x0 - a[0])
    end = wx * (z1 - a[1]) - wz * (x1 - a[0])
    if (start >= 0) == (end >= 0):
        return NO_CROSSING
    if (dx * (a[1] - z0) - dz * (a[0] - x0) >= 0) == (dx * (b[1] - z0) - dz * (b[0] - x0) >= 0):
        return NO_CROSSING
    return start / (start - end)


@numba.njit(cache=True)
def inward(ground: View, wall: int) -> tuple[float, float]:
    """Return the unit normal of a wall into the walkable area."""
    a, b = ground.corners[wall], ground.corners[ground.after[wall]]
    dx, dz = b[0] - a[0], b[1] - a[1]
    length = np.sqrt(dx * dx + dz * dz)
    return dz / length, -dx / length


@numba.njit(cache=True)
def nearest_on(ground: View, wall: int, x: float, z: float) -> tuple[float, float, float]:
    """Return the point of a wall nearest to a position, and its squared distance, in cells."""
    a, b = ground.corners[wall], ground.corners[ground.after[wall]]
    dx, dz = b[0] - a[0], b[1] - a[1]
    share = min(max(((x - a[0]) * dx + (z - a[1]) * dz) / (dx * dx + dz * dz), 0.0), 1.0)
    nx, nz = a[0] + share * dx, a[1] + share * dz
    return nx, nz, (nx - x) ** 2 + (nz - z) ** 2


@numba.njit(cache=True)
def is_in_front(ground: View, wall: int, share: float, x: float, z: float) -> bool:
    """Return whether a position is on the walkable side of a wall; `share` is the nearest point as a fraction of it.

    At a corner both walls are considered, so that the answer is correct all around it.
    """
    a, b = ground.corners[wall], ground.corners[ground.after[wall]]
    nx, nz = inward(ground, wall)
    if share <= 0 or share >= 1:
        ox, oz = inward(ground, ground.before[wall] if share <= 0 else ground.after[wall])
        nx, nz = nx + ox, nz + oz
    return (x - a[0] - share * (b[0] - a[0])) * nx + (z - a[1] - share * (b[1] - a[1])) * nz >= 0


@numba.njit(cache=True)
def _within_cell(start: float, change: float, cell: int) -> tuple[float, float]:
    """Return the interval of a wall, as fractions, that is in a cell along one axis."""
    if change == 0:
        return (0.0, 1.0) if cell - _TOUCH <= start <= cell + 1 + _TOUCH else (1.0, 0.0)
    one, two = (cell - _TOUCH - start) / change, (cell + 1 + _TOUCH - start) / change
    return max(min(one, two), 0.0), min(max(one, two), 1.0)


@numba.njit(cache=True)
def is_inside(ground: View, x: float, z: float, y: float) -> bool:
    """Return whether a position (in cells, height in metres) is in the walkable area.

    A cell without walls is inside or outside as a whole. Otherwise the nearest wall point within the cell decides.
    """
    column = column_of(ground, x, z)
    if column < 0:
        return False
    slot = ground.slot[column]
    best, result, touched = np.inf, False, False
    for k in range(ground.wall_start[slot], ground.wall_start[slot + 1]):
        wall = ground.walls[k]
        a, b = ground.corners[wall], ground.corners[ground.after[wall]]
        dx, dz = b[0] - a[0], b[1] - a[1]
        low_x, high_x = _within_cell(a[0], dx, int(x))
        low_z, high_z = _within_cell(a[1], dz, int(z))
        low, high = max(low_x, low_z), min(high_x, high_z)
        if low > high:
            continue
        share = min(max(((x - a[0]) * dx + (z - a[1]) * dz) / (dx * dx + dz * dz), low), high)
        level = ground.wall_height[wall] + share * (ground.wall_height[ground.after[wall]] - ground.wall_height[wall])
        if abs(level - y) > ground.scale[4]:
            continue
        touched = True
        off = (a[0] + share * dx - x) ** 2 + (a[1] + share * dz - z) ** 2
        if off < best:
            best, result = off, is_in_front(ground, wall, share, x, z)
    return result if touched else place_at(ground, column, y) >= 0


@numba.njit(cache=True)
def first_crossing(
    ground: View, x0: float, z0: float, y: float, x1: float, z1: float, nearest: bool
) -> tuple[float, int, float]:
    """Find the first wall on a line through the walkable area, or any if not `nearest`.

    Positions are in cells, the height at the start is in metres; the line follows the floor. Returns the fraction of
    the line (NO_CROSSING if it is free), the index of the wall, and the height at the last visited cell.
    """
    dx, dz = x1 - x0, z1 - z0
    x, z = int(np.floor(x0)), int(np.floor(z0))
    step_x, step_z = (1 if dx > 0 else -1), (1 if dz > 0 else -1)
    next_x = ((x + (dx > 0)) - x0) / dx if dx != 0 else np.inf
    next_z = ((z + (dz > 0)) - z0) / dz if dz != 0 else np.inf
    each_x = abs(1 / dx) if dx != 0 else np.inf
    each_z = abs(1 / dz) if dz != 0 else np.inf
    best, wall = NO_CROSSING, -1
    while True:
        leaves = min(next_x, next_z)
        if not (0 <= x < ground.size[0] and 0 <= z < ground.size[1]):
            return best, wall, y
        column = z * ground.size[0] + x
        slot = ground.slot[column]
        for k in range(ground.wall_start[slot], ground.wall_start[slot + 1]):
            share = crossing(ground, ground.walls[k], x0, z0, x1, z1)
            if share < best:
                at_x, at_z = x0 + share * dx, z0 + share * dz
                if abs(wall_level(ground, ground.walls[k], at_x, at_z) - y) <= ground.scale[4]:
                    best, wall = share, ground.walls[k]
                    if not nearest:
                        return best, wall, y
        if best <= leaves or leaves >= 1:
            return best, wall, y
        place = place_at(ground, column, y)
        if place >= 0:
            y = float(ground.height[place])
        if next_x < next_z:
            x += step_x
            next_x += each_x
        else:
            z += step_z
            next_z += each_z


@numba.njit(cache=True)
def sees(ground: View, x0: float, z0: float, y0: float, x1: float, z1: float, y1: float) -> bool:
    """Return whether the straight line between two positions stays in the walkable area."""
    share, _, y = first_crossing(ground, x0, z0, y0, x1, z1, False)
    return share > 1 and abs(y - y1) <= ground.scale[4]
