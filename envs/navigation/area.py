"""Rasterising the simplified walkable area: the cells that it covers, and the height of the floor in each.

Simplified walls deviate by up to 1.3 cells from the traced cells, so cells near walls are tested again.
"""

import numba
import numpy as np

from envs.navigation.floors import Floors
from envs.navigation.view import View
from envs.navigation.walls import is_in_front, nearest_on, place_at, wall_level

_NEAR = 2  # cells from a wall within which the traced cells are tested again


@numba.njit(cache=True)
def near_walls(slot: np.ndarray, width: int, depth: int) -> np.ndarray:
    """Return 1 for columns within two cells of a wall, (columns,) int32."""
    result = np.zeros(len(slot), np.int32)
    for c in range(len(slot)):
        if slot[c]:
            x, z = c % width, c // width
            for other in range(max(z - _NEAR, 0), min(z + _NEAR, depth - 1) + 1):
                low, high = max(x - _NEAR, 0), min(x + _NEAR, width - 1) + 1
                result[other * width + low : other * width + high] = 1
    return result


@numba.njit(cache=True)
def island_near(ground: View, column: int, y: float) -> int:
    """Return the island of the nearest traced place on a floor, -1 if none is near."""
    x, z = column % ground.size[0], column // ground.size[0]
    nearest, result = 1 << 20, -1
    for oz in range(max(z - _NEAR, 0), min(z + _NEAR, ground.size[1] - 1) + 1):
        for ox in range(max(x - _NEAR, 0), min(x + _NEAR, ground.size[0] - 1) + 1):
            place = place_at(ground, oz * ground.size[0] + ox, y)
            off = (ox - x) ** 2 + (oz - z) ** 2
            if place >= 0 and off < nearest:
                nearest, result = off, ground.island[place]
    return result


@numba.njit(cache=True)
def _floor_heights(ground: View, floors: Floors, column: int, heights: np.ndarray) -> int:
    """Collect the heights at which a column near a wall may be covered; returns their number."""
    count = 0
    for i in range(floors.start[column], floors.start[column + 1]):
        heights[count] = floors.height[i]
        count += 1
    slot = ground.slot[column]
    x, z = column % ground.size[0], column // ground.size[0]
    for k in range(ground.wall_start[slot], ground.wall_start[slot + 1]):
        if count < len(heights):
            heights[count] = wall_level(ground, ground.walls[k], x + 0.5, z + 0.5)
            count += 1
    for dx, dz in ((-1, 0), (0, 1), (1, 0), (0, -1)):
        if 0 <= x + dx < ground.size[0] and 0 <= z + dz < ground.size[1]:
            other = column + dz * ground.size[0] + dx
            for i in range(ground.start[other], ground.start[other + 1]):
                if count < len(heights):
                    heights[count] = ground.height[i]
                    count += 1
    return count


@numba.njit(cache=True)
def _covers(ground: View, column: int, y: float) -> bool:
    """Return whether the walkable area at height `y` touches a column near walls."""
    x, z = column % ground.size[0] + 0.5, column // ground.size[0] + 0.5
    best, result = float(_NEAR * _NEAR), place_at(ground, column, y) >= 0
    for oz in range(max(int(z) - _NEAR, 0), min(int(z) + _NEAR, ground.size[1] - 1) + 1):
        for ox in range(max(int(x) - _NEAR, 0), min(int(x) + _NEAR, ground.size[0] - 1) + 1):
            slot = ground.slot[oz * ground.size[0] + ox]
            for k in range(ground.wall_start[slot], ground.wall_start[slot + 1]):
                wall = ground.walls[k]
                px, pz, off = nearest_on(ground, wall, x, z)
                if off >= best or abs(wall_level(ground, wall, px, pz) - y) > ground.scale[4]:
                    continue
                a, b = ground.corners[wall], ground.corners[ground.after[wall]]
                along = abs(b[0] - a[0]) > abs(b[1] - a[1])
                share = (px - a[0]) / (b[0] - a[0]) if along else (pz - a[1]) / (b[1] - a[1])
                best, result = off, is_in_front(ground, wall, share, x, z)
    if ground.slot[column]:
        for k in range(ground.wall_start[ground.slot[column]], ground.wall_start[ground.slot[column] + 1]):
            if abs(wall_level(ground, ground.walls[k], x, z) - y) <= ground.scale[4]:
                return True
    return result


@numba.njit(cache=True)
def cover(ground: View, floors: Floors) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the places that a walkable area touches: `start`, `height` and `island` of the final `View`.

    `ground` has the traced places and the simplified walls, `floors` all places to stand, those eroded included.
    """
    columns = len(ground.slot)
    unsettled = near_walls(ground.slot, ground.size[0], ground.size[1])
    start = np.zeros(columns + 1, np.int32)
    most = len(ground.height) + 4 * unsettled.sum()
    height, island = np.empty(most, np.float32), np.empty(most, np.int32)
    heights = np.empty(64, np.float64)
    used = 0
    for c in range(columns):
        first = used
        if not unsettled[c]:
            for i in range(ground.start[c], ground.start[c + 1]):
                height[used], island[used] = ground.height[i], ground.island[i]
                used += 1
        else:
            for n in range(_floor_heights(ground, floors, c, heights)):
                y = heights[n]
                known = used - first >= 4
                for k in range(first, used):
                    known = known or abs(height[k] - y) <= ground.scale[4]
                if known or not _covers(ground, c, y):
                    continue
                number = island_near(ground, c, y)
                if number >= 0:
                    height[used], island[used] = y, number
                    used += 1
        start[c + 1] = used
    return start, height[:used].copy(), island[:used].copy()
