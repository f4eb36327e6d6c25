"""Motion of bodies: forward steps that slide along walls or stop at them."""

from collections.abc import Sequence

import numba
import numpy as np

from envs.navigation.queries import SKIN, floor_height, locate, step_inside, to_metres, touched_wall
from envs.navigation.view import Addressed, View, view
from envs.navigation.walls import (
    NO_CROSSING,
    column_of,
    crossing,
    first_crossing,
    is_inside,
    nearest_on,
    place_at,
    wall_level,
)

_SHORTFALL = 1e-5  # square metres by which a step must be shortened to count as a collision; habitat-sim's value
_REACH = 0.02  # cells added to the radius of the circle in which a body slides
_MOST = 64  # largest number of walls visited in one step


@numba.njit(cache=True)
def _all_crossings(ground: View, x0: float, z0: float, y: float, x1: float, z1: float, walls: np.ndarray) -> int:
    """Fill `walls` with the walls that a short line crosses, in order; returns their number."""
    shares = np.empty(len(walls))
    count = 0
    low_x, high_x = int(np.floor(min(x0, x1))), int(np.floor(max(x0, x1)))
    low_z, high_z = int(np.floor(min(z0, z1))), int(np.floor(max(z0, z1)))
    for z in range(max(low_z, 0), min(high_z, ground.size[1] - 1) + 1):
        for x in range(max(low_x, 0), min(high_x, ground.size[0] - 1) + 1):
            slot = ground.slot[z * ground.size[0] + x]
            for k in range(ground.wall_start[slot], ground.wall_start[slot + 1]):
                wall = ground.walls[k]
                share = crossing(ground, wall, x0, z0, x1, z1)
                if share == NO_CROSSING or count == len(walls) or (walls[:count] == wall).any():
                    continue
                if abs(wall_level(ground, wall, x0 + share * (x1 - x0), z0 + share * (z1 - z0)) - y) > ground.scale[4]:
                    continue
                at = count
                while at > 0 and shares[at - 1] > share:
                    shares[at], walls[at] = shares[at - 1], walls[at - 1]
                    at -= 1
                shares[at], walls[at] = share, wall
                count += 1
    return count


@numba.njit(cache=True)
def _slide(ground: View, x0: float, z0: float, y: float, x1: float, z1: float) -> tuple[int, float, float]:
    """Slide along walls: find the reachable point nearest to the end of a blocked line.

    Reachable is the connected area within the circle whose diameter is the line. Its border is found by following walls
    from the first one hit; if such a wall crosses the line again, the area behind it becomes reachable too. Returns the
    wall at which the body ends and the point on it; -1 and the end of the line if that is reachable.
    """
    crossed = np.empty(16, np.int32)
    count = _all_crossings(ground, x0, z0, y, x1, z1, crossed)
    mx, mz = (x0 + x1) / 2, (z0 + z1) / 2
    radius = (np.sqrt((x1 - x0) ** 2 + (z1 - z0) ** 2) / 2 + _REACH) ** 2
    walked = np.empty(_MOST, np.int32)
    n_walked = 0
    reached = np.zeros(16, np.bool_)
    open_crossings = [0]
    best, best_wall, bx, bz = np.inf, -1, x0, z0
    while len(open_crossings):
        k = open_crossings.pop()
        if k >= count or reached[k]:
            if k >= count:
                return -1, x1, z1
            continue
        reached[k] = True
        # Odd crossings lead back into the walkable area, up to the next one.
        open_crossings.append(k + 1 if k % 2 else max(k - 1, 0))
        for forwards in (True, False):
            wall = crossed[k]
            while n_walked < _MOST:
                if not (walked[:n_walked] == wall).any():
                    walked[n_walked] = wall
                    n_walked += 1
                    px, pz, off = nearest_on(ground, wall, x1, z1)
                    if off < best:
                        best, best_wall, bx, bz = off, wall, px, pz
                    open_crossings.extend([k for k in range(count) if crossed[k] == wall and not reached[k]])
                corner = ground.corners[ground.after[wall] if forwards else wall]
                wall = ground.after[wall] if forwards else ground.before[wall]
                if wall == crossed[k] or (corner[0] - mx) ** 2 + (corner[1] - mz) ** 2 > radius:
                    break
    return best_wall, bx, bz


@numba.njit(cache=True)
def _island(ground: View, x: float, z: float, y: float) -> int:
    """Return the island of a walkable position."""
    column = column_of(ground, x, z)
    place = place_at(ground, column, y) if column >= 0 else -1
    return ground.island[place] if place >= 0 else -1


@numba.njit(cache=True)
def _aims_elsewhere(ground: View, x: float, z: float, y: float, island: int, reach: float) -> bool:
    """Return whether the walkable place nearest to the end of a move is on another island than the body's.

    The end is (x, z), in cells, the height of the feet y, in metres, and the search radius `reach`, in cells.
    """
    cell, best, nearest = ground.scale[3], (reach * ground.scale[3]) ** 2, island
    column = column_of(ground, x, z)
    if column >= 0:
        for i in range(ground.start[column], ground.start[column + 1]):
            off = max(abs(float(ground.height[i]) - y) - ground.scale[5], 0.0) ** 2
            if off < best and is_inside(ground, x, z, float(ground.height[i])):
                best, nearest = off, ground.island[i]
    for cz in range(max(int(np.floor(z - reach)), 0), min(int(np.floor(z + reach)), ground.size[1] - 1) + 1):
        for cx in range(max(int(np.floor(x - reach)), 0), min(int(np.floor(x + reach)), ground.size[0] - 1) + 1):
            slot = ground.slot[cz * ground.size[0] + cx]
            for k in range(ground.wall_start[slot], ground.wall_start[slot + 1]):
                px, pz, off = nearest_on(ground, ground.walls[k], x, z)
                level = wall_level(ground, ground.walls[k], px, pz)
                off = off * cell * cell + (level - y) ** 2
                if off < best:
                    best, nearest = off, _island(ground, px, pz, level)
    return nearest != island


@numba.njit(cache=True)
def advance(
    ground: View, x: float, z: float, y: float, dx: float, dz: float, sliding: bool
) -> tuple[float, float, float, bool]:
    """Move from a walkable position by (dx, dz), in cells; returns x, z, height and whether the move was shortened.

    As in habitat-sim, a body whose move would end on another island does not move at all.
    """
    share, wall, level = first_crossing(ground, x, z, y, x + dx, z + dz, True)
    if share > 1:
        end = floor_height(ground, x + dx, z + dz, level)
        if is_inside(ground, x + dx, z + dz, end):
            return x + dx, z + dz, end, False
        return x, z, y, True
    asked = dx * dx + dz * dz
    if _aims_elsewhere(ground, x + dx, z + dz, level, _island(ground, x, z, y), np.sqrt(asked)):
        return x, z, y, True
    ex, ez = x + share * dx, z + share * dz
    if sliding:
        ahead, ex, ez = _slide(ground, x, z, level, x + dx, z + dz)
        if ahead < 0 and is_inside(ground, ex, ez, level):
            return ex, ez, floor_height(ground, ex, ez, level), False
        wall = ahead if ahead >= 0 else wall
    found, ex, ez = step_inside(ground, wall, ex, ez, level)
    if not found:
        return x, z, y, True
    short = asked - (ex - x) ** 2 - (ez - z) ** 2 > _SHORTFALL / ground.scale[3] ** 2
    return ex, ez, floor_height(ground, ex, ez, level), short


@numba.njit(cache=True)
def walk(ground: View, position: np.ndarray, heading: float, distance: float, sliding: bool) -> tuple[np.ndarray, bool]:
    """Move a body one step; returns its position, (3,) metres, and whether the step was shortened."""
    x, z, y = locate(ground, position)
    if not sliding and is_stuck(ground, x, z, y):
        return position, True
    far = distance / ground.scale[3]
    x, z, y, collided = advance(ground, x, z, y, -np.sin(heading) * far, -np.cos(heading) * far, sliding)
    after = np.empty(3)
    after[0], after[1], after[2] = to_metres(ground, x, z, y)
    return after, collided


@numba.njit(cache=True)
def is_stuck(ground: View, x: float, z: float, y: float) -> bool:
    """Return whether a body touches a wall; without sliding it never leaves it, as recorded from habitat-sim."""
    return touched_wall(ground, x, z, y, 2.5 * SKIN) >= 0


@numba.njit(cache=True)
def _advance_each(
    rows: np.ndarray, positions: np.ndarray, headings: np.ndarray, lengths: np.ndarray, sliding: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Move each body one step."""
    result, collided = positions.copy(), np.zeros(len(positions), np.bool_)
    for i in range(len(positions)):
        if lengths[i] != 0:
            result[i], collided[i] = walk(view(rows[i]), positions[i], headings[i], lengths[i], sliding)
    return result, collided


def step(
    grounds: Sequence[Addressed],
    positions: np.ndarray,
    headings: np.ndarray,
    distance: float | np.ndarray,
    sliding: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Move bodies forward, each on its own ground, by one number of metres or (B,).

    Headings (B,) are radians about +y, 0 looks along -z. Bodies slide along walls, or stop at the first one on the
    straight line; those that move 0 keep their position. Returns positions (B, 3) on the floor, and whether each step
    was shortened, (B,) bool.
    """
    positions = np.asarray(positions, np.float64)
    headings = np.asarray(headings, np.float64)
    if not (np.isfinite(positions).all() and np.isfinite(headings).all()):
        raise ValueError("positions and headings must be finite")
    lengths = np.broadcast_to(np.asarray(distance, np.float64), headings.shape)
    return _advance_each(np.stack([ground.row for ground in grounds]), positions, headings, lengths, sliding)
