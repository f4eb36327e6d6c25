"""Triangles into a visibility buffer: for every pixel the inverse depth and the number of the nearest triangle.

Screen coordinates are in pixels, x to the right and y down; a pixel is covered where its centre is. Inverse depth is linear on
the screen, 0 where nothing is seen. Triangles that share an edge compute it alike, so no gap opens between them.
"""

import numpy as np
from numba import njit

f32 = np.float32
HALF, ONE, ZERO = f32(0.5), f32(1.0), f32(0.0)
SLIVER = f32(1e-3)  # square pixels: below, depth is taken from a corner rather than from slopes of rounding errors
NEAR = f32(0.02)  # metres: nothing nearer is drawn
HIDDEN, WHOLE, CROSSING = 0, 1, 2  # what `project` says of a triangle


@njit(fastmath=True, nogil=True)
def fill(x0, y0, z0, x1, y1, z1, x2, y2, z2, number, width, height, depths, numbers):  # type: ignore[no-untyped-def]  # noqa: C901
    """Fill one triangle of corners (x, y, inverse depth) line by line, where it is nearer than what is there."""
    left = max(0, int(np.ceil(max(min(x0, min(x1, x2)), -ONE) - HALF)))
    right = min(width - 1, int(np.floor(min(max(x0, max(x1, x2)), f32(width + 1)) - HALF)))
    top = max(0, int(np.ceil(max(min(y0, min(y1, y2)), -ONE) - HALF)))
    bottom = min(height - 1, int(np.floor(min(max(y0, max(y1, y2)), f32(height + 1)) - HALF)))
    if left > right or top > bottom:
        return
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    if abs(area) < SLIVER:
        across, down, corner = ZERO, ZERO, min(z0, min(z1, z2))
    else:
        inverse = ONE / area
        across = ((z1 - z0) * (y2 - y0) - (z2 - z0) * (y1 - y0)) * inverse
        down = ((z2 - z0) * (x1 - x0) - (z1 - z0) * (x2 - x0)) * inverse
        corner = z0 - across * (x0 - HALF) - down * y0
    # From here on the corners are in order of y.
    if y1 < y0:
        x0, y0, x1, y1 = x1, y1, x0, y0
    if y2 < y0:
        x0, y0, x2, y2 = x2, y2, x0, y0
    if y2 < y1:
        x1, y1, x2, y2 = x2, y2, x1, y1
    if y2 <= y0:
        return
    long_slope = (x2 - x0) / (y2 - y0)
    upper_slope = (x1 - x0) / (y1 - y0) if y1 > y0 else ZERO
    lower_slope = (x2 - x1) / (y2 - y1) if y2 > y1 else ZERO
    for y in range(top, bottom + 1):
        centre = f32(y) + HALF
        first = x0 + (centre - y0) * long_slope
        last = x0 + (centre - y0) * upper_slope if centre < y1 else x1 + (centre - y1) * lower_slope
        if first > last:
            first, last = last, first
        start = max(left, int(np.ceil(first - HALF)))
        stop = min(right, int(np.floor(last - HALF)))
        line = corner + down * centre
        base = y * width
        for x in range(start, stop + 1):
            z = line + across * f32(x)
            if z > depths[base + x]:
                depths[base + x] = z
                numbers[base + x] = number


@njit(fastmath=True, nogil=True)
def project(corners, start, stop, view, focal, width, height, cull, screen, states):  # type: ignore[no-untyped-def]
    """Project the triangles of a cluster and tell which may cover a pixel.

    Args:
        corners: (9, T) of the scene.
        start: First triangle.
        stop: The first after the last.
        view: (12,) position, right, up, forward of the camera.
        focal: Pixels.
        width: Pixels.
        height: Pixels.
        cull: Whether triangles seen from behind are hidden.
        screen: (9, CLUSTER) is filled with x, y, inverse depth of the three corners.
        states: (CLUSTER,) is filled with HIDDEN, WHOLE or CROSSING the near plane.
    """
    px, py, pz = view[0], view[1], view[2]
    rx, ry, rz, ux, uy, uz, fx, fy, fz = view[3], view[4], view[5], view[6], view[7], view[8], view[9], view[10], view[11]
    middle_x, middle_y = f32(width) * HALF, f32(height) * HALF
    count = stop - start
    for corner in range(3):
        xs, ys, zs = corners[3 * corner, start:stop], corners[3 * corner + 1, start:stop], corners[3 * corner + 2, start:stop]
        out_x, out_y, out_z = screen[3 * corner], screen[3 * corner + 1], screen[3 * corner + 2]
        for i in range(count):
            x, y, z = xs[i] - px, ys[i] - py, zs[i] - pz
            ahead = fx * x + fy * y + fz * z
            inverse = ONE / ahead if ahead > NEAR else ZERO
            out_x[i] = middle_x + focal * (rx * x + ry * y + rz * z) * inverse
            out_y[i] = middle_y - focal * (ux * x + uy * y + uz * z) * inverse
            out_z[i] = inverse
    x0, y0, z0, x1, y1, z1, x2, y2, z2 = (
        screen[0], screen[1], screen[2], screen[3], screen[4], screen[5], screen[6], screen[7], screen[8],
    )  # fmt: skip
    last_x, last_y = f32(width) - HALF, f32(height) - HALF
    for i in range(count):
        left, right = min(x0[i], min(x1[i], x2[i])), max(x0[i], max(x1[i], x2[i]))
        top, bottom = min(y0[i], min(y1[i], y2[i])), max(y0[i], max(y1[i], y2[i]))
        farthest, nearest = min(z0[i], min(z1[i], z2[i])), max(z0[i], max(z1[i], z2[i]))
        area = (x1[i] - x0[i]) * (y2[i] - y0[i]) - (x2[i] - x0[i]) * (y1[i] - y0[i])
        shown = (right >= HALF) & (left <= last_x) & (bottom >= HALF) & (top <= last_y)
        shown &= (np.ceil(left - HALF) <= np.floor(right - HALF)) & (np.ceil(top - HALF) <= np.floor(bottom - HALF))
        if cull:
            shown &= area < ZERO
        state = WHOLE if shown else HIDDEN
        if farthest <= ZERO:
            state = CROSSING if nearest > ZERO else HIDDEN
        states[i] = state


@njit(fastmath=True, nogil=True)
def clip(corners, triangle, view, focal, width, height, cull, depths, numbers):  # type: ignore[no-untyped-def]  # noqa: C901
    """Fill what lies beyond the near plane of a triangle that crosses it: a fan of one or two triangles."""
    middle_x, middle_y = f32(width) * HALF, f32(height) * HALF
    first_x = first_y = first_z = last_x = last_y = last_z = ZERO
    found = 0
    for corner in range(3):
        ax, ay, az = _seen(corners, triangle, corner, view)
        bx, by, bz = _seen(corners, triangle, (corner + 1) % 3, view)
        for part in range(2):  # the corner itself, then where its edge meets the plane
            if part == 0:
                if az <= NEAR:
                    continue
                x, y, z = ax, ay, az
            else:
                if (az > NEAR) == (bz > NEAR):
                    continue
                share = (NEAR - az) / (bz - az)
                x, y, z = ax + share * (bx - ax), ay + share * (by - ay), NEAR
            inverse = ONE / z
            x, y = middle_x + focal * x * inverse, middle_y - focal * y * inverse
            if found == 0:
                first_x, first_y, first_z = x, y, inverse
            elif found >= 2:
                area = (last_x - first_x) * (y - first_y) - (x - first_x) * (last_y - first_y)
                if not cull or area < ZERO:
                    fill(
                        first_x, first_y, first_z, last_x, last_y, last_z, x, y, inverse,
                        triangle, width, height, depths, numbers,
                    )  # fmt: skip
            last_x, last_y, last_z = x, y, inverse
            found += 1


@njit(fastmath=True, nogil=True)
def _seen(corners, triangle, corner, view):  # type: ignore[no-untyped-def]
    """A corner in the camera's frame: right, up, forward."""
    x = corners[3 * corner, triangle] - view[0]
    y = corners[3 * corner + 1, triangle] - view[1]
    z = corners[3 * corner + 2, triangle] - view[2]
    return (
        view[3] * x + view[4] * y + view[5] * z,
        view[6] * x + view[7] * y + view[8] * z,
        view[9] * x + view[10] * y + view[11] * z,
    )
