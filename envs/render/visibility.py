"""Which clusters of a scene a view needs, in which order: in the frustum, not hidden, near ones first."""

import numpy as np
from numba import njit

from envs.render.raster import CROSSING, HALF, HIDDEN, NEAR, ONE, WHOLE, ZERO, clip, f32, fill, project

TILE = 8  # pixels a side: what hides is asked of tiles
BUCKETS = 64  # of distance, for sorting
PER_METRE = f32(4.0)  # buckets
REFRESH = 16  # clusters drawn between two looks at the tiles
FAR = f32(1e9)


@njit(fastmath=True, nogil=True)
def find_visible(  # type: ignore[no-untyped-def]
    boxes, spans, corners, large, cull, view, focal, width, height, depths, numbers, tiles, order, screen, states
):
    """Fill the visibility buffer of one view.

    Args:
        boxes: (C, 6) of the scene.
        spans: (C, 2) of the scene.
        corners: (9, T) of the scene.
        large: How many clusters are of large triangles.
        cull: Whether triangles seen from behind are hidden.
        view: (12,) position, right, up, forward of the camera.
        focal: Pixels.
        width: Pixels.
        height: Pixels.
        depths: (H * W,) is filled with inverse depths, 0 where nothing is.
        numbers: (H * W,) is filled with triangles, -1 where nothing is.
        tiles: (tiles,) scratch.
        order: (3, at least C) int32 scratch.
        screen: (9, CLUSTER) scratch.
        states: (CLUSTER,) scratch.
    """
    depths[:] = ZERO
    numbers[:] = -1
    ahead = _in_frustum(boxes, 0, large, view, focal, width, height, order)
    for i in range(ahead):
        cluster = order[1, i]
        _draw(cluster, spans, corners, cull, view, focal, width, height, depths, numbers, screen, states)
    ahead = _in_frustum(boxes, large, len(boxes), view, focal, width, height, order)
    drawn = REFRESH
    for i in range(ahead):
        cluster = order[1, i]
        if drawn >= REFRESH:
            _farthest(depths, tiles, width, height)
            drawn = 0
        if _behind(boxes, cluster, view, focal, width, height, tiles):
            continue
        drawn += 1
        _draw(cluster, spans, corners, cull, view, focal, width, height, depths, numbers, screen, states)


@njit(fastmath=True, nogil=True)
def _draw(cluster, spans, corners, cull, view, focal, width, height, depths, numbers, screen, states):  # type: ignore[no-untyped-def]
    start, stop = spans[cluster, 0], spans[cluster, 1]
    project(corners, start, stop, view, focal, width, height, cull, screen, states)
    for i in range(stop - start):
        if states[i] == HIDDEN:
            continue
        if states[i] == WHOLE:
            fill(
                screen[0, i], screen[1, i], screen[2, i], screen[3, i], screen[4, i], screen[5, i],
                screen[6, i], screen[7, i], screen[8, i], start + i, width, height, depths, numbers,
            )  # fmt: skip
        elif states[i] == CROSSING:
            clip(corners, start + i, view, focal, width, height, cull, depths, numbers)


@njit(fastmath=True, nogil=True)
def _in_frustum(boxes, start, stop, view, focal, width, height, order):  # type: ignore[no-untyped-def]
    """Number of clusters of a range whose box meets the view's pyramid; they stand in order[1], near ones first."""
    wide, high = f32(width) * HALF / focal, f32(height) * HALF / focal
    rx, ry, rz, ux, uy, uz, fx, fy, fz = view[3], view[4], view[5], view[6], view[7], view[8], view[9], view[10], view[11]
    # Normals of the sides, outwards.
    ax, ay, az, bx, by, bz = rx - wide * fx, ry - wide * fy, rz - wide * fz, -rx - wide * fx, -ry - wide * fy, -rz - wide * fz
    cx, cy, cz, dx, dy, dz = ux - high * fx, uy - high * fy, uz - high * fz, -ux - high * fx, -uy - high * fy, -uz - high * fz
    counts = np.zeros(BUCKETS + 1, np.int32)
    buckets, found = order[0], order[2]
    number = 0
    for cluster in range(start, stop):
        box = boxes[cluster]
        x, y, z = (box[0] + box[3]) * HALF - view[0], (box[1] + box[4]) * HALF - view[1], (box[2] + box[5]) * HALF - view[2]
        ex, ey, ez = (box[3] - box[0]) * HALF, (box[4] - box[1]) * HALF, (box[5] - box[2]) * HALF
        middle, reach = fx * x + fy * y + fz * z, abs(fx) * ex + abs(fy) * ey + abs(fz) * ez
        if (
            middle + reach < NEAR
            or ax * x + ay * y + az * z > abs(ax) * ex + abs(ay) * ey + abs(az) * ez
            or bx * x + by * y + bz * z > abs(bx) * ex + abs(by) * ey + abs(bz) * ez
            or cx * x + cy * y + cz * z > abs(cx) * ex + abs(cy) * ey + abs(cz) * ez
            or dx * x + dy * y + dz * z > abs(dx) * ex + abs(dy) * ey + abs(dz) * ez
        ):
            continue
        bucket = int(min(max(middle - reach, ZERO) * PER_METRE, f32(BUCKETS - 1)))
        buckets[number], found[number] = bucket, cluster
        counts[bucket + 1] += 1
        number += 1
    for bucket in range(BUCKETS):
        counts[bucket + 1] += counts[bucket]
    for i in range(number):
        bucket = buckets[i]
        order[1, counts[bucket]] = found[i]
        counts[bucket] += 1
    return number


@njit(fastmath=True, nogil=True)
def _farthest(depths, tiles, width, height):  # type: ignore[no-untyped-def]
    """Fill tiles with the smallest inverse depth in each."""
    columns = (width + TILE - 1) // TILE
    for row in range((height + TILE - 1) // TILE):
        for column in range(columns):
            least = FAR
            for y in range(row * TILE, min(height, row * TILE + TILE)):
                for x in range(column * TILE, min(width, column * TILE + TILE)):
                    least = min(least, depths[y * width + x])
            tiles[row * columns + column] = least


@njit(fastmath=True, nogil=True)
def _behind(boxes, cluster, view, focal, width, height, tiles):  # type: ignore[no-untyped-def]
    """Whether all tiles that a cluster's box touches are nearer than it."""
    box = boxes[cluster]
    middle_x, middle_y = f32(width) * HALF, f32(height) * HALF
    left = top = nearest = FAR
    right = bottom = -FAR
    for corner in range(8):
        x = (box[3] if corner & 1 else box[0]) - view[0]
        y = (box[4] if corner & 2 else box[1]) - view[1]
        z = (box[5] if corner & 4 else box[2]) - view[2]
        ahead = view[9] * x + view[10] * y + view[11] * z
        nearest = min(nearest, ahead)
        scale = focal / max(ahead, NEAR)
        across = middle_x + (view[3] * x + view[4] * y + view[5] * z) * scale
        down = middle_y - (view[6] * x + view[7] * y + view[8] * z) * scale
        left, right, top, bottom = min(left, across), max(right, across), min(top, down), max(bottom, down)
    if nearest <= NEAR:
        return False
    last_x, last_y = f32(width - 1), f32(height - 1)
    first_column, last_column = int(min(max(left, ZERO), last_x)) // TILE, int(min(max(right, ZERO), last_x)) // TILE
    first_row, last_row = int(min(max(top, ZERO), last_y)) // TILE, int(min(max(bottom, ZERO), last_y)) // TILE
    columns = (width + TILE - 1) // TILE
    inverse = ONE / nearest
    for row in range(first_row, last_row + 1):
        for column in range(first_column, last_column + 1):
            if tiles[row * columns + column] < inverse:
                return False
    return True
