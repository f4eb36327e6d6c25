"""Rasterising triangles into a visibility buffer: inverse depth and index of the nearest triangle of every pixel.

Screen coordinates are in pixels, x to the right and y down. A pixel is covered if its centre is. Inverse depth is
linear on the screen, 0 where there is no surface. Triangles compute a shared edge identically, so there are no gaps.
"""

from typing import NamedTuple

import numpy as np

from envs.render.memory import compiled, constant, inlined, noalias, read, write
from envs.render.packed import CLUSTER
from envs.render.sampling import AlphaTest, Number, f32, i32, is_drawn

HALF, ONE, ZERO = f32(0.5), f32(1.0), f32(0.0)
SLIVER = f32(1e-3)  # square pixels; smaller triangles take depth from a corner, since slopes would be rounding errors
NEAR = f32(0.02)  # metres, near plane
VECTOR = 8  # pixels processed at a time
HIDDEN, WHOLE, CROSSING = 0, 1, 2  # states of projected triangles; a crossing one intersects the near plane


class Projection(NamedTuple):
    """The projection of a view; the focal length is in pixels, float32."""

    focal: Number
    width: int
    height: int


class Geometry(NamedTuple):
    """The geometry of a scene: arrays of `PackedScene`."""

    triangles: int  # T
    corners: np.ndarray  # (9 T,) float32
    boxes: np.ndarray  # (C, 6) float32
    spans: np.ndarray  # (C, 2) int32
    large: int  # number of clusters of large triangles
    whole: int  # number of clusters without alpha test; the others come last
    cull: bool  # whether back faces are culled


class Scratch(NamedTuple):
    """Working memory of a worker for one view, allocated once. Those of a band of lines are (BAND W + VECTOR,)."""

    depths: np.ndarray  # (H * W + VECTOR,) float32, inverse depths, 0 for no surface
    numbers: np.ndarray  # (H * W + VECTOR,) int32, indices of triangles, -1 for no surface
    tiles: np.ndarray  # (tiles,) float32, smallest inverse depth of each tile
    order: np.ndarray  # (3, clusters) int32, arrays for sorting clusters; the sorted ones are in row 1
    counts: np.ndarray  # (BUCKETS + 1,) int32, number of clusters by distance
    screen: np.ndarray  # (9 CLUSTER,) float32, x, y, inverse depth of the three corners of a cluster's triangles
    states: np.ndarray  # (CLUSTER,) int32, HIDDEN, WHOLE or CROSSING
    least: np.ndarray  # (W + VECTOR,) float32, smallest inverse depth of each column
    runs: np.ndarray  # (BAND W + 1,) int32, first pixels of the runs of one triangle in a band
    colours: np.ndarray  # uint32, packed colours of a band
    metres: np.ndarray  # float32, depths of a band
    red: np.ndarray  # float32, factors of the texels of a band
    green: np.ndarray
    blue: np.ndarray
    u: np.ndarray  # int32, texture coordinates of a band in fixed-point texels of the mipmap level
    v: np.ndarray
    masks: np.ndarray  # int32, width - 1 and height - 1 of the mipmap levels
    texels: np.ndarray  # int64, addresses of the mipmap levels
    one: int  # address of the texel (1, 1, 1), for pixels without a texture
    setups: np.ndarray  # (SETUPS, 24) float32, cache of triangle setups, see `shade`
    owners: np.ndarray  # (SETUPS, 4) int32, triangle of each setup, its colour and its texture


class Buffer(NamedTuple):
    """The visibility buffer: two arrays of `Scratch`."""

    depths: np.ndarray
    numbers: np.ndarray


class Corner(NamedTuple):
    """A point on the screen: pixels and inverse depth, float32."""

    x: Number
    y: Number
    z: Number


@compiled
def fill(a: Corner, b: Corner, c: Corner, number: int, lens: Projection, buffer: Buffer, cut: AlphaTest | None) -> None:
    """Rasterise one triangle line by line, with depth test and optional alpha test."""
    left = max(0, int(np.ceil(max(min(a.x, b.x, c.x), -ONE) - HALF)))
    right = min(lens.width - 1, int(np.floor(min(max(a.x, b.x, c.x), f32(lens.width + 1)) - HALF)))
    top = max(0, int(np.ceil(max(min(a.y, b.y, c.y), -ONE) - HALF)))
    bottom = min(lens.height - 1, int(np.floor(min(max(a.y, b.y, c.y), f32(lens.height + 1)) - HALF)))
    if left > right or top > bottom:
        return
    across, down, corner = _slopes(a, b, c)
    if b.y < a.y:
        a, b = b, a
    if c.y < a.y:
        a, c = c, a
    if c.y < b.y:
        b, c = c, b
    long_slope = _slope(a, c)
    upper_slope = _slope(a, b)
    lower_slope = _slope(b, c)
    for y in range(top, bottom + 1):
        centre = f32(i32(y)) + HALF
        first = a.x + (centre - a.y) * long_slope
        last = a.x + (centre - a.y) * upper_slope if centre < b.y else b.x + (centre - b.y) * lower_slope
        if first > last:
            first, last = last, first
        start = max(left, int(np.ceil(first - HALF)))
        stop = min(right, int(np.floor(last - HALF)))
        base = y * lens.width
        if cut is None:
            _fill_line(base, start, stop + 1, corner + down * centre, across, number, buffer.depths, buffer.numbers)
        else:
            _fill_cut_line(y, base, start, stop + 1, corner + down * centre, across, number, buffer, cut)


@inlined
def _slopes(a: Corner, b: Corner, c: Corner) -> tuple[Number, Number, Number]:
    """Return the slopes of a triangle's inverse depth to the right and downwards, and its value at pixel (0, 0)."""
    area = (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y)
    if abs(area) < SLIVER:
        return ZERO, ZERO, min(a.z, b.z, c.z)
    inverse = ONE / area
    across = ((b.z - a.z) * (c.y - a.y) - (c.z - a.z) * (b.y - a.y)) * inverse
    down = ((c.z - a.z) * (b.x - a.x) - (b.z - a.z) * (c.x - a.x)) * inverse
    return across, down, a.z - across * (a.x - HALF) - down * a.y


@inlined
def _slope(upper: Corner, lower: Corner) -> Number:
    return (lower.x - upper.x) / (lower.y - upper.y) if lower.y > upper.y else ZERO


@noalias
def _fill_line(
    base: int, start: int, stop: int, z: Number, across: Number, number: int, depths: np.ndarray, numbers: np.ndarray
) -> None:
    """Fill pixels start to stop of the line that starts at `base`.

    Pixels that fail the depth test are rewritten unchanged, in whole vectors, so that the loop has no branches and no
    remainder.
    """
    for x in range(start, start + ((stop - start + VECTOR - 1) & -VECTOR)):
        inverse, there = z + across * f32(i32(x)), read(depths, base + x)
        nearer = (inverse > there) & (i32(x) < i32(stop))
        write(numbers, base + x, i32(number if nearer else read(numbers, base + x)))
        write(depths, base + x, inverse if nearer else there)


@inlined
def _fill_cut_line(
    y: int, base: int, start: int, stop: int, z: Number, across: Number, number: int, buffer: Buffer, cut: AlphaTest
) -> None:
    """Fill pixels start to stop of line y, which starts at `base`, with alpha test."""
    for x in range(start, stop):
        inverse = z + across * f32(i32(x))
        if inverse > buffer.depths[base + x] and is_drawn(cut, f32(i32(x)), f32(i32(y)), ONE / inverse):
            buffer.depths[base + x] = inverse
            buffer.numbers[base + x] = number


@inlined
def project(shape: Geometry, start: int, stop: int, view: np.ndarray, lens: Projection, scratch: Scratch) -> None:
    """Project the triangles of a cluster, start to stop, into `screen`, and classify them in `states`."""
    count, triangles, screen = stop - start, shape.triangles, scratch.screen
    for corner in range(3):
        _project_corners(
            shape.corners, 3 * corner * triangles + start, triangles, count, view, lens, screen, 3 * corner
        )
    last_x, last_y = f32(lens.width) - HALF, f32(lens.height) - HALF
    for i in range(count):
        x0, y0, z0 = _at(screen, 0, i), _at(screen, 1, i), _at(screen, 2, i)
        x1, y1, z1 = _at(screen, 3, i), _at(screen, 4, i), _at(screen, 5, i)
        x2, y2, z2 = _at(screen, 6, i), _at(screen, 7, i), _at(screen, 8, i)
        left, right = min(x0, x1, x2), max(x0, x1, x2)
        top, bottom = min(y0, y1, y2), max(y0, y1, y2)
        farthest, nearest = min(z0, z1, z2), max(z0, z1, z2)
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        shown = (right >= HALF) & (left <= last_x) & (bottom >= HALF) & (top <= last_y)
        shown &= (np.ceil(left - HALF) <= np.floor(right - HALF)) & (np.ceil(top - HALF) <= np.floor(bottom - HALF))
        if shape.cull:
            shown &= area < ZERO
        state = WHOLE if shown else HIDDEN
        if farthest <= ZERO:
            state = CROSSING if nearest > ZERO else HIDDEN
        write(scratch.states, i, i32(state))


@inlined
def _at(screen: np.ndarray, row: int, i: int) -> Number:
    return read(screen, row * CLUSTER + i)


@inlined
def corner_of(screen: np.ndarray, corner: int, i: int) -> Corner:
    """Return a corner, 0 to 2, of a projected triangle of a cluster."""
    return Corner(_at(screen, 3 * corner, i), _at(screen, 3 * corner + 1, i), _at(screen, 3 * corner + 2, i))


@inlined
def _project_corners(
    corners: np.ndarray, base: int, step: int, count: int, view: np.ndarray, lens: Projection, screen: np.ndarray,
    row: int,
) -> None:  # fmt: skip
    """Project points to x, y and inverse depth, which is 0 for points not beyond the near plane.

    The first x is `corners[base]`; y and z follow after `step` and 2 `step`. The results are in three rows of `screen`.
    """
    px, py, pz = view[0], view[1], view[2]
    rx, ry, rz, ux, uy, uz = view[3], view[4], view[5], view[6], view[7], view[8]
    fx, fy, fz = view[9], view[10], view[11]
    middle_x, middle_y, focal = f32(lens.width) * HALF, f32(lens.height) * HALF, lens.focal
    for i in range(count):
        x = constant(corners, base + i) - px
        y = constant(corners, base + step + i) - py
        z = constant(corners, base + 2 * step + i) - pz
        ahead = fx * x + fy * y + fz * z
        inverse = ONE / ahead if ahead > NEAR else ZERO
        write(screen, row * CLUSTER + i, middle_x + focal * (rx * x + ry * y + rz * z) * inverse)
        write(screen, (row + 1) * CLUSTER + i, middle_y - focal * (ux * x + uy * y + uz * z) * inverse)
        write(screen, (row + 2) * CLUSTER + i, inverse)


@compiled
def clip(
    shape: Geometry, triangle: int, view: np.ndarray, lens: Projection, buffer: Buffer, cut: AlphaTest | None
) -> None:
    """Clip a triangle at the near plane and rasterise the rest: a fan of one or two triangles."""
    first = last = Corner(ZERO, ZERO, ZERO)
    found = 0
    for corner in range(3):
        ax, ay, az = _seen(shape, triangle, corner, view)
        bx, by, bz = _seen(shape, triangle, (corner + 1) % 3, view)
        if az > NEAR:
            point = _on_screen(ax, ay, az, lens)
            _fan(found, first, last, point, shape.cull, triangle, lens, buffer, cut)
            first, last = point if found == 0 else first, point
            found += 1
        if (az > NEAR) != (bz > NEAR):  # the edge to the next corner meets the plane
            share = (NEAR - az) / (bz - az)
            point = _on_screen(ax + share * (bx - ax), ay + share * (by - ay), NEAR, lens)
            _fan(found, first, last, point, shape.cull, triangle, lens, buffer, cut)
            first, last = point if found == 0 else first, point
            found += 1


@compiled
def _fan(
    found: int, first: Corner, last: Corner, point: Corner, cull: bool, triangle: int, lens: Projection, buffer: Buffer,
    cut: AlphaTest | None,
) -> None:  # fmt: skip
    """Rasterise the triangle of the first, the last and a new point, if there are three."""
    area = (last.x - first.x) * (point.y - first.y) - (point.x - first.x) * (last.y - first.y)
    if found >= 2 and (not cull or area < ZERO):
        fill(first, last, point, triangle, lens, buffer, cut)


@inlined
def _on_screen(x: Number, y: Number, z: Number, lens: Projection) -> Corner:
    inverse = ONE / z
    return Corner(
        f32(lens.width) * HALF + lens.focal * x * inverse, f32(lens.height) * HALF - lens.focal * y * inverse, inverse
    )


@inlined
def _seen(shape: Geometry, triangle: int, corner: int, view: np.ndarray) -> tuple[Number, Number, Number]:
    """Return a corner in camera coordinates: right, up, forward."""
    place, step = 3 * corner * shape.triangles + triangle, shape.triangles
    x = shape.corners[place] - view[0]
    y = shape.corners[place + step] - view[1]
    z = shape.corners[place + 2 * step] - view[2]
    return (
        view[3] * x + view[4] * y + view[5] * z,
        view[6] * x + view[7] * y + view[8] * z,
        view[9] * x + view[10] * y + view[11] * z,
    )
