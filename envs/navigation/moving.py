"""How bodies move: forward steps that slide along walls or stop at them."""

from collections.abc import Sequence
from typing import Protocol

import numba
import numpy as np

from envs.navigation.fields import locate
from envs.navigation.queries import floor_height, step_inside, to_metres
from envs.navigation.view import View, view
from envs.navigation.walls import NOWHERE, crossing, first_crossing, is_inside, nearest_on

_SHORTFALL = 1e-5  # square metres by which a step must fall short to count as a collision; habitat-sim's value
_REACH = 0.02  # cells added to the circle in which a body slides
_MOST = 64  # walls looked at in one step


class Standing(Protocol):
    """Anything with a row for compiled code: a ground."""

    @property
    def row(self) -> np.ndarray:
        """Addresses of its arrays."""


@numba.njit(cache=True)
def _all_crossings(ground: View, x0: float, z0: float, y: float, x1: float, z1: float, walls: np.ndarray) -> int:
    """Numbers of the walls that a short line crosses, in order; returns how many."""
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
                if share == NOWHERE or count == len(walls) or (walls[:count] == wall).any():
                    continue
                if abs(float(ground.wall_height[wall]) - y) > 2 * ground.scale[4]:
                    continue
                at = count
                while at > 0 and shares[at - 1] > share:
                    shares[at], walls[at] = shares[at - 1], walls[at - 1]
                    at -= 1
                shares[at], walls[at] = share, wall
                count += 1
    return count


@numba.njit(cache=True)
def _slide(  # noqa: C901 - one search along walls
    ground: View, x0: float, z0: float, y: float, x1: float, z1: float
) -> tuple[int, float, float]:
    """Where a body that wants to go past a wall ends up: the reachable point nearest to where it wants to go.

    Reachable is what hangs together within the circle over the line from start to end. Its edge is found by walking
    along walls, from the one that is hit: a wall that crosses the line again opens what is behind it.

    Returns:
        The wall it ends at and the point on it; -1 and the end where that can be reached.
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
            while nearest_on(ground, wall, mx, mz)[2] <= radius and n_walked < _MOST:
                if not (walked[:n_walked] == wall).any():
                    walked[n_walked] = wall
                    n_walked += 1
                    px, pz, off = nearest_on(ground, wall, x1, z1)
                    if off < best:
                        best, best_wall, bx, bz = off, wall, px, pz
                    for other in range(count):
                        if crossed[other] == wall and not reached[other]:
                            open_crossings.append(other)
                wall = ground.after[wall] if forwards else ground.before[wall]
                if wall == crossed[k]:
                    break
    return best_wall, bx, bz


@numba.njit(cache=True)
def advance(  # noqa: PLR0913 - positions are three numbers
    ground: View, x: float, z: float, y: float, dx: float, dz: float, sliding: bool
) -> tuple[float, float, float, bool]:
    """Move from a walkable position by (dx, dz), in cells; returns x, z, height and whether it fell short."""
    share, wall, level = first_crossing(ground, x, z, y, x + dx, z + dz, True)
    if share > 1:
        end = floor_height(ground, x + dx, z + dz, level)
        if is_inside(ground, x + dx, z + dz, end):
            return x + dx, z + dz, end, False
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
    moved = ((ex - x) ** 2 + (ez - z) ** 2) * ground.scale[3] ** 2
    asked = (dx * dx + dz * dz) * ground.scale[3] ** 2
    return ex, ez, floor_height(ground, ex, ez, level), moved + _SHORTFALL < asked


@numba.njit(cache=True)
def _advance_each(
    rows: np.ndarray, positions: np.ndarray, headings: np.ndarray, lengths: np.ndarray, sliding: bool
) -> tuple[np.ndarray, np.ndarray]:
    """A step of each body."""
    result, collided = positions.copy(), np.zeros(len(positions), np.bool_)
    for i in range(len(positions)):
        if lengths[i] == 0:
            continue
        ground = view(rows[i])
        x, z, y = locate(ground, positions[i])
        far = lengths[i] / ground.scale[3]
        x, z, y, collided[i] = advance(ground, x, z, y, -np.sin(headings[i]) * far, -np.cos(headings[i]) * far, sliding)
        result[i, 0], result[i, 1], result[i, 2] = to_metres(ground, x, z, y)
    return result, collided


def step(
    grounds: Sequence[Standing], positions: np.ndarray, headings: np.ndarray, distance: float | np.ndarray, sliding: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Move bodies forward, each on its own ground.

    Args:
        grounds: B grounds.
        positions: (B, 3) metres.
        headings: (B,) radians about +y, 0 looks along -z.
        distance: Metres to move, one number or (B,); bodies that move 0 stay where they are.
        sliding: Slide along walls; otherwise stop where the straight line meets the first.

    Returns:
        (B, 3) float64 positions on the floor, and (B,) bool, whether the body moved less far than asked.
    """
    positions = np.asarray(positions, np.float64)
    headings = np.asarray(headings, np.float64)
    if not (np.isfinite(positions).all() and np.isfinite(headings).all()):
        raise ValueError("positions and headings must be finite")
    lengths = np.broadcast_to(np.asarray(distance, np.float64), headings.shape)
    return _advance_each(np.stack([ground.row for ground in grounds]), positions, headings, lengths, sliding)
