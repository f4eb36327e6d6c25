"""Compiled queries on points of a ground: conversion, snapping, containment."""

import numba
import numpy as np

from envs.navigation.view import View, view
from envs.navigation.walls import column_of, inward, is_inside, nearest_on, place_at, wall_level

SKIN = 2e-3  # cells: distance kept from a touched wall (0.1 mm), so that rounding cannot put a body outside


@numba.njit(cache=True)
def to_cells(ground: View, point: np.ndarray) -> tuple[float, float, float]:
    """Convert x, y, z in metres to x, z in cells and y in metres above the lowest point."""
    scale = ground.scale
    return (point[0] - scale[0]) / scale[3], (point[2] - scale[2]) / scale[3], point[1] - scale[1]


@numba.njit(cache=True)
def to_metres(ground: View, x: float, z: float, y: float) -> tuple[float, float, float]:
    """Convert back to x, y, z in metres; the inverse of `to_cells`."""
    scale = ground.scale
    return x * scale[3] + scale[0], y + scale[1], z * scale[3] + scale[2]


@numba.njit(cache=True)
def floor_height(ground: View, x: float, z: float, y: float) -> float:
    """Return the height of the floor under a position of the walkable area; `y` itself if it is unknown."""
    column = column_of(ground, x, z)
    place = place_at(ground, column, y) if column >= 0 else -1
    return float(ground.height[place]) if place >= 0 else y


@numba.njit(cache=True)
def touched_wall(ground: View, x: float, z: float, y: float, within: float) -> int:
    """Return the nearest wall of the same floor within some cells (less than one) of a position, -1 if none."""
    best, result = within * within, -1
    for cz in range(max(int(np.floor(z - within)), 0), min(int(np.floor(z + within)), ground.size[1] - 1) + 1):
        for cx in range(max(int(np.floor(x - within)), 0), min(int(np.floor(x + within)), ground.size[0] - 1) + 1):
            slot = ground.slot[cz * ground.size[0] + cx]
            for k in range(ground.wall_start[slot], ground.wall_start[slot + 1]):
                wall = ground.walls[k]
                _, _, off = nearest_on(ground, wall, x, z)
                if off < best and abs(wall_level(ground, wall, x, z) - y) <= ground.scale[4]:
                    best, result = off, wall
    return result


@numba.njit(cache=True)
def step_inside(ground: View, wall: int, x: float, z: float, y: float) -> tuple[bool, float, float]:
    """Move a point on a wall into the walkable area by the skin; the first value is False if there is no space."""
    nx, nz = inward(ground, wall)
    straight_x, straight_z = x + nx * SKIN, z + nz * SKIN
    fits = is_inside(ground, straight_x, straight_z, y)
    if fits and touched_wall(ground, straight_x, straight_z, y, SKIN / 2) < 0:
        return True, straight_x, straight_z
    for k in range(2):
        second = wall if k == 0 else ground.after[wall]
        corner = ground.corners[second]
        if (corner[0] - x) ** 2 + (corner[1] - z) ** 2 > (20 * SKIN) ** 2:
            continue
        ax, az = inward(ground, ground.before[second])
        bx, bz = inward(ground, second)
        size = max(np.sqrt((ax + bx) ** 2 + (az + bz) ** 2), 1e-6)
        cx, cz = corner[0] + (ax + bx) / size * 1.5 * SKIN, corner[1] + (az + bz) / size * 1.5 * SKIN
        if is_inside(ground, cx, cz, y):
            return True, cx, cz
    return fits, straight_x, straight_z


@numba.njit(cache=True)
def snap_one(ground: View, x: float, z: float, y: float) -> tuple[float, float, float]:
    """Return the walkable position nearest to a position, in cells and metres of height."""
    cell = ground.scale[3]
    best, bx, bz, by = np.inf, x, z, y
    column = column_of(ground, x, z)
    if column >= 0:
        for i in range(ground.start[column], ground.start[column + 1]):
            level = float(ground.height[i])
            if (level - y) ** 2 < best and is_inside(ground, x, z, level):
                best, by = (level - y) ** 2, level
    if best <= ground.scale[4] ** 2:
        return bx, bz, by
    for wall in range(len(ground.after)):
        px, pz, off = nearest_on(ground, wall, x, z)
        level = wall_level(ground, wall, px, pz)
        off = off * cell * cell + (level - y) ** 2
        if off < best:
            found, ix, iz = step_inside(ground, wall, px, pz, level)
            if found:
                best, bx, bz, by = off, ix, iz, floor_height(ground, ix, iz, level)
    return bx, bz, by


@numba.njit(cache=True)
def locate(ground: View, point: np.ndarray) -> tuple[float, float, float]:
    """Convert a point in metres to a walkable position in cells, on the floor and not on a wall."""
    x, z, y = to_cells(ground, point)
    if not is_inside(ground, x, z, y):
        return snap_one(ground, x, z, y)
    wall = touched_wall(ground, x, z, y, SKIN / 2)
    if wall >= 0:
        px, pz, _ = nearest_on(ground, wall, x, z)
        found, px, pz = step_inside(ground, wall, px, pz, y)
        if found:
            x, z = px, pz
    return x, z, floor_height(ground, x, z, y)


@numba.njit(cache=True)
def snap_points(row: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Snap points (n, 3) to the walkable area; returns (n, 3) positions and (n,) metres moved."""
    ground = view(row)
    result, moved = np.empty_like(points), np.empty(len(points))
    for i in range(len(points)):
        x, z, y = to_cells(ground, points[i])
        sx, sz, sy = snap_one(ground, x, z, y)
        tx, ty, tz = to_metres(ground, sx, sz, sy)
        if sx == x and sz == z:
            tx, tz = points[i, 0], points[i, 2]
        result[i, 0], result[i, 1], result[i, 2] = tx, ty, tz
        moved[i] = np.sqrt(((result[i] - points[i]) ** 2).sum())
    return result, moved


@numba.njit(cache=True)
def contain_points(row: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return whether points (n, 3) are in the walkable area, (n,) bool."""
    ground = view(row)
    result = np.empty(len(points), np.bool_)
    for i in range(len(points)):
        x, z, y = to_cells(ground, points[i])
        result[i] = is_inside(ground, x, z, y)
    return result


@numba.njit(cache=True)
def island_of_points(row: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the islands of points (n, 3), (n,) int32, -1 outside."""
    ground = view(row)
    result = np.full(len(points), -1, np.int32)
    for i in range(len(points)):
        x, z, y = to_cells(ground, points[i])
        if is_inside(ground, x, z, y):
            place = place_at(ground, column_of(ground, x, z), y)
            result[i] = ground.island[place] if place >= 0 else -1
    return result


@numba.njit(cache=True)
def place_points(row: np.ndarray, places: np.ndarray, within: np.ndarray) -> np.ndarray:
    """Return points (n, 3) in the cells of `places`, at fractions `within` (n, 2) of their sides."""
    ground = view(row)
    result = np.empty((len(places), 3))
    for i in range(len(places)):
        column = np.searchsorted(ground.start, places[i], side="right") - 1
        x, z = column % ground.size[0] + within[i, 0], column // ground.size[0] + within[i, 1]
        result[i, 0], result[i, 1], result[i, 2] = to_metres(ground, x, z, float(ground.height[places[i]]))
    return result


@numba.njit(cache=True)
def top_view(row: np.ndarray, island: int, height: float) -> np.ndarray:
    """Return the cells whose centre is walkable at a height, or on an island if that is NaN, (depth, width) bool."""
    ground = view(row)
    width, depth = ground.size[0], ground.size[1]
    result = np.zeros((depth, width), np.bool_)
    for column in range(width * depth):
        x, z = column % width, column // width
        for i in range(ground.start[column], ground.start[column + 1]):
            level = float(ground.height[i])
            wanted = (
                ground.island[i] == island
                if np.isnan(height)
                else abs(level + ground.scale[1] - height) <= ground.scale[4]
            )
            if wanted and is_inside(ground, x + 0.5, z + 0.5, level):
                result[z, x] = True
    return result
