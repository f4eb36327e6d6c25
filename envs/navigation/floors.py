"""Finding floors in columns of solid spans: the places where the body can stand, and the steps between them."""

from typing import NamedTuple

import numba
import numpy as np

from envs.navigation.voxels import Columns

STEPS = np.array([[-1, 0], [0, 1], [1, 0], [0, -1]])  # x, z of the four neighbours, a quarter turn apart
_NO_CEILING = 1 << 20  # height of the ceiling, in cells, where there is none


class Floors(NamedTuple):
    """Places to stand, sorted by column and upwards within a column; an open heightfield."""

    start: np.ndarray  # (width * depth + 1,) int32, first place of each column
    column: np.ndarray  # (N,) int32, column of each place
    level: np.ndarray  # (N,) int32, height in cells
    height: np.ndarray  # (N,) float32, height in metres above the scene's lowest point
    covered: np.ndarray  # (N,) bool, whether there is a ceiling above
    links: np.ndarray  # (N, 4) int32, neighbours that can be stepped to, in the order of `STEPS`; -1 for none
    walkable: np.ndarray  # (N,) bool, whether the body's axis may be there


@numba.njit(cache=True)
def _bridge_low_obstacles(columns: Columns, climb: int) -> None:
    """Mark steep spans close above flat ones as flat, since they can be stepped on: kerbs, edges of steps."""
    for column in range(len(columns.start) - 1):
        below = False
        for i in range(columns.start[column], columns.start[column + 1]):
            flat = columns.flat[i]
            if not flat and below and columns.high[i] - columns.high[i - 1] <= climb:
                columns.flat[i] = True
            below = flat


@numba.njit(cache=True)
def _ceiling(columns: Columns, i: int, column: int) -> int:
    """Return the upper end of the free space above span `i` of a column."""
    return columns.low[i + 1] if i + 1 < columns.start[column + 1] else _NO_CEILING


@numba.njit(cache=True)
def _is_ledge(columns: Columns, i: int, column: int, size: tuple[int, int], tall: int, climb: int) -> bool:
    """Return whether a span drops by more than a step to a neighbour, or lies on too steep a slope."""
    width, depth = size
    floor, ceiling = columns.high[i], _ceiling(columns, i, column)
    drop, lowest, highest = _NO_CEILING, floor, floor
    for d in range(4):
        x, z = column % width + STEPS[d, 0], column // width + STEPS[d, 1]
        if not (0 <= x < width and 0 <= z < depth):
            return True
        other = z * width + x
        first, last = columns.start[other], columns.start[other + 1]
        open_above = columns.low[first] if first < last else _NO_CEILING
        if min(ceiling, open_above) - max(floor, -climb) > tall:
            drop = min(drop, -climb - floor)
        for k in range(first, last):
            level = columns.high[k]
            if min(ceiling, _ceiling(columns, k, other)) - max(floor, level) > tall:
                drop = min(drop, level - floor)
                if abs(level - floor) <= climb:
                    lowest, highest = min(lowest, level), max(highest, level)
    return drop < -climb or highest - lowest > climb


@numba.njit(cache=True)
def _standing_places(columns: Columns, size: tuple[int, int], tall: int, climb: int) -> np.ndarray:
    """Return the spans on which the body can stand, (N,) bool."""
    result = columns.flat.copy()
    for column in range(len(columns.start) - 1):
        for i in range(columns.start[column], columns.start[column + 1]):
            if not columns.flat[i]:
                continue
            if _ceiling(columns, i, column) - columns.high[i] <= tall or _is_ledge(
                columns, i, column, size, tall, climb
            ):
                result[i] = False
    return result


@numba.njit(cache=True)
def _link(floors: Floors, ceilings: np.ndarray, size: tuple[int, int], tall: int, climb: int) -> None:
    """Fill `links`: the neighbours that can be stepped to."""
    width, depth = size
    for i in range(len(floors.level)):
        for d in range(4):
            x, z = floors.column[i] % width + STEPS[d, 0], floors.column[i] // width + STEPS[d, 1]
            if not (0 <= x < width and 0 <= z < depth):
                continue
            for k in range(floors.start[z * width + x], floors.start[z * width + x + 1]):
                room = min(ceilings[i], ceilings[k]) - max(floors.level[i], floors.level[k])
                if room >= tall and abs(floors.level[i] - floors.level[k]) <= climb:
                    floors.links[i, d] = k
                    break


@numba.njit(cache=True)
def find_floors(columns: Columns, size: tuple[int, int], tall: int, climb: int) -> Floors:
    """Find the places to stand in columns of solid spans, before erosion; all measures are in cells.

    Low obstacles are marked as flat in place.
    """
    _bridge_low_obstacles(columns, climb)
    standing = _standing_places(columns, size, tall, climb)
    count = standing.sum()
    start, column = np.zeros(len(columns.start), np.int32), np.empty(count, np.int32)
    level, ceilings, height = np.empty(count, np.int32), np.empty(count, np.int32), np.empty(count, np.float32)
    k = 0
    for c in range(len(columns.start) - 1):
        for i in range(columns.start[c], columns.start[c + 1]):
            if standing[i]:
                column[k], level[k], height[k] = c, columns.high[i], columns.top[i]
                ceilings[k] = _ceiling(columns, i, c)
                k += 1
        start[c + 1] = k
    links = np.full((count, 4), -1, np.int32)
    floors = Floors(start, column, level, height, ceilings < _NO_CEILING, links, np.ones(count, np.bool_))
    _link(floors, ceilings, size, tall, climb)
    return floors


@numba.njit(cache=True)
def chamfer(links: np.ndarray, walkable: np.ndarray) -> np.ndarray:
    """Return chamfer distances to the edge of the walkable area, (N,) int32: 2 a straight cell, 3 a diagonal one."""
    far = np.full(len(links), 1 << 20, np.int32)
    for i in range(len(links)):
        inner = walkable[i]
        for d in range(4):
            inner = inner and links[i, d] >= 0 and walkable[links[i, d]]
        if not inner:
            far[i] = 0
    for forwards in (True, False):
        for n in range(len(links)):
            i = n if forwards else len(links) - 1 - n
            for side in range(2):
                d, turned = ((0, 3), (3, 2))[side] if forwards else ((2, 1), (1, 0))[side]
                k = links[i, d]
                if k < 0:
                    continue
                far[i] = min(far[i], far[k] + 2)
                diagonal = links[k, turned]
                if diagonal >= 0:
                    far[i] = min(far[i], far[diagonal] + 3)
    return far


@numba.njit(cache=True)
def erode(floors: Floors, radius: int) -> None:
    """Erode the walkable area by `radius` cells, and remove links to places that are no longer walkable."""
    far = chamfer(floors.links, floors.walkable)
    for i in range(len(far)):
        if far[i] < 2 * radius:
            floors.walkable[i] = False
    for i in range(len(far)):
        for d in range(4):
            if floors.links[i, d] >= 0 and not floors.walkable[floors.links[i, d]]:
                floors.links[i, d] = -1
        if not floors.walkable[i]:
            floors.links[i] = -1


@numba.njit(cache=True)
def find_islands(floors: Floors, smallest: int) -> np.ndarray:
    """Number connected areas, (N,) int32, -1 where not walkable; areas below `smallest` cells are removed."""
    island = np.full(len(floors.level), -1, np.int32)
    queue = np.empty(len(island), np.int32)
    count = 0
    for seed in range(len(island)):
        if not floors.walkable[seed] or island[seed] != -1:
            continue
        queue[0], first, last = seed, 0, 1
        island[seed] = count
        while first < last:
            i = queue[first]
            first += 1
            for d in range(4):
                k = floors.links[i, d]
                if k >= 0 and island[k] == -1:
                    island[k] = count
                    queue[last] = k
                    last += 1
        if last >= smallest:
            count += 1
            continue
        for n in range(last):
            island[queue[n]] = -2
    for i in range(len(island)):
        if island[i] == -2:
            island[i] = -1
            floors.walkable[i] = False
            floors.links[i] = -1
    return island
