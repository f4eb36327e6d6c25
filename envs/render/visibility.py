"""Visibility: frustum and occlusion culling of clusters, drawn from near to far."""

import numpy as np

from envs.render.memory import compiled, inlined, read, write
from envs.render.packed import IMAGE, TEXTURE, U, V
from envs.render.raster import (
    CROSSING,
    HALF,
    NEAR,
    ONE,
    WHOLE,
    ZERO,
    Buffer,
    Geometry,
    Projection,
    Scratch,
    clip,
    corner_of,
    fill,
    project,
)
from envs.render.sampling import AlphaTest, Number, f32
from envs.render.shade import Appearance, on_pixels

TILE = 8  # pixels, side of a tile of the depth buffer for occlusion culling
BUCKETS = 64  # buckets of distance, for sorting
PER_METRE = f32(4.0)  # buckets per metre
REFRESH = 32  # triangles drawn before the first update of the tiles; the interval then grows by 1 / SHARE each time
SHARE = 4
FAR = f32(1e9)


@compiled
def find_visible(shape: Geometry, looks: Appearance, view: np.ndarray, lens: Projection, scratch: Scratch) -> None:
    """Fill the visibility buffer in `scratch`: large triangles, then the rest, then alpha-tested triangles."""
    scratch.depths[:] = ZERO
    scratch.numbers[:] = -1
    scratch.tiles[:] = ZERO
    _draw_clusters(0, shape.large, shape, None, view, lens, scratch)
    _farthest(lens, scratch)
    _draw_clusters(shape.large, shape.whole, shape, None, view, lens, scratch)
    if shape.whole < len(shape.boxes):
        _draw_clusters(shape.whole, len(shape.boxes), shape, looks, view, lens, scratch)


@inlined
def _draw_clusters(
    start: int, stop: int, shape: Geometry, looks: Appearance | None, view: np.ndarray, lens: Projection,
    scratch: Scratch,
) -> None:  # fmt: skip
    """Draw the clusters of a range that are not occluded, near ones first; with `looks`, use the alpha test."""
    filled, patience = 0, REFRESH
    for i in range(_in_frustum(shape.boxes, start, stop, view, lens, scratch)):
        cluster = scratch.order[1, i]
        if not _behind(shape.boxes[cluster], view, lens, scratch.tiles):
            filled += _draw(cluster, shape, looks, view, lens, scratch)
            if filled >= patience:
                _farthest(lens, scratch)
                filled, patience = 0, patience + patience // SHARE


@inlined
def _draw(
    cluster: int, shape: Geometry, looks: Appearance | None, view: np.ndarray, lens: Projection, scratch: Scratch
) -> int:
    """Draw the triangles of a cluster that are not occluded; returns their number."""
    start, stop = shape.spans[cluster, 0], shape.spans[cluster, 1]
    project(shape, start, stop, view, lens, scratch)
    screen, filled = scratch.screen, 0
    buffer = Buffer(scratch.depths, scratch.numbers)
    for i in range(stop - start):
        if scratch.states[i] == WHOLE:
            a, b, c = corner_of(screen, 0, i), corner_of(screen, 1, i), corner_of(screen, 2, i)
            left, right = min(a.x, b.x, c.x), max(a.x, b.x, c.x)
            top, bottom = min(a.y, b.y, c.y), max(a.y, b.y, c.y)
            if not _covered(left, right, top, bottom, max(a.z, b.z, c.z), lens, scratch.tiles):
                fill(a, b, c, start + i, lens, buffer, _cut(start + i, looks, view, lens, scratch))
                filled += 1
        elif scratch.states[i] == CROSSING:
            clip(shape, start + i, view, lens, buffer, _cut(start + i, looks, view, lens, scratch))
            filled += 1
    return filled


@inlined
def _cut(
    triangle: int, looks: Appearance | None, view: np.ndarray, lens: Projection, scratch: Scratch
) -> AlphaTest | None:
    """Return the inputs of a triangle's alpha test; they use the first setup, which shading overwrites later."""
    if looks is None:
        return None
    row, setup = looks.mappings[looks.surfaces[triangle, TEXTURE]], scratch.setups[0]
    on_pixels(row, U, view, lens, setup, U)
    on_pixels(row, V, view, lens, setup, V)
    return AlphaTest(setup, looks.textures[int(row[IMAGE])])


@inlined
def _in_frustum(boxes: np.ndarray, start: int, stop: int, view: np.ndarray, lens: Projection, scratch: Scratch) -> int:
    """Put the clusters of a range that intersect the frustum into order[1], near ones first; returns their number."""
    sides = _sides(view, lens)
    counts, order = scratch.counts, scratch.order
    buckets, found = order[0], order[2]
    counts[:] = 0
    number = 0
    for cluster in range(start, stop):
        box = boxes[cluster]
        x, y, z = (
            (box[0] + box[3]) * HALF - view[0],
            (box[1] + box[4]) * HALF - view[1],
            (box[2] + box[5]) * HALF - view[2],
        )
        wide, high, deep = (box[3] - box[0]) * HALF, (box[4] - box[1]) * HALF, (box[5] - box[2]) * HALF
        middle = view[9] * x + view[10] * y + view[11] * z
        reach = abs(view[9]) * wide + abs(view[10]) * high + abs(view[11]) * deep
        outside = middle + reach < NEAR
        for side in sides:
            distance = side[0] * x + side[1] * y + side[2] * z
            outside |= distance > abs(side[0]) * wide + abs(side[1]) * high + abs(side[2]) * deep
        if not outside:
            bucket = int(min(max(middle - reach, ZERO) * PER_METRE, f32(BUCKETS - 1)))
            buckets[number], found[number] = bucket, cluster
            counts[bucket + 1] += 1
            number += 1
    for bucket in range(BUCKETS):
        counts[bucket + 1] += counts[bucket]
    for i in range(number):
        order[1, counts[buckets[i]]] = found[i]
        counts[buckets[i]] += 1
    return number


@inlined
def _sides(view: np.ndarray, lens: Projection) -> tuple[tuple[Number, Number, Number], ...]:
    """Return the outward normals of the right, left, upper and lower side of the frustum."""
    wide, high = f32(lens.width) * HALF / lens.focal, f32(lens.height) * HALF / lens.focal
    right, up = (view[3], view[4], view[5]), (view[6], view[7], view[8])
    ahead_wide = (view[9] * wide, view[10] * wide, view[11] * wide)
    ahead_high = (view[9] * high, view[10] * high, view[11] * high)
    return (
        (right[0] - ahead_wide[0], right[1] - ahead_wide[1], right[2] - ahead_wide[2]),
        (-right[0] - ahead_wide[0], -right[1] - ahead_wide[1], -right[2] - ahead_wide[2]),
        (up[0] - ahead_high[0], up[1] - ahead_high[1], up[2] - ahead_high[2]),
        (-up[0] - ahead_high[0], -up[1] - ahead_high[1], -up[2] - ahead_high[2]),
    )


@compiled
def _farthest(lens: Projection, scratch: Scratch) -> None:
    """Fill `tiles` with the smallest inverse depth of each; `least` holds intermediate results of columns."""
    width, least = lens.width, scratch.least
    columns = (width + TILE - 1) // TILE
    for top in range(0, lens.height, TILE):
        least[:] = FAR
        for y in range(top, min(lens.height, top + TILE)):
            base = y * width
            for x in range(width):
                here, there = read(least, x), read(scratch.depths, base + x)
                write(least, x, min(there, here))
        for column in range(columns):
            smallest = FAR
            for x in range(column * TILE, column * TILE + TILE):
                smallest = min(smallest, least[x])
            scratch.tiles[top // TILE * columns + column] = smallest


@inlined
def _behind(box: np.ndarray, view: np.ndarray, lens: Projection, tiles: np.ndarray) -> bool:
    """Return whether a box is occluded: all tiles that it touches are nearer."""
    middle_x, middle_y = f32(lens.width) * HALF, f32(lens.height) * HALF
    left = top = nearest = FAR
    right = bottom = -FAR
    for corner in range(8):
        x = (box[3] if corner & 1 else box[0]) - view[0]
        y = (box[4] if corner & 2 else box[1]) - view[1]
        z = (box[5] if corner & 4 else box[2]) - view[2]
        ahead = view[9] * x + view[10] * y + view[11] * z
        nearest = min(nearest, ahead)
        scale = lens.focal / max(ahead, NEAR)
        across = middle_x + (view[3] * x + view[4] * y + view[5] * z) * scale
        down = middle_y - (view[6] * x + view[7] * y + view[8] * z) * scale
        left, right, top, bottom = min(left, across), max(right, across), min(top, down), max(bottom, down)
    if nearest <= NEAR:
        return False
    return _covered(left, right, top, bottom, ONE / nearest, lens, tiles)


@inlined
def _covered(
    left: Number, right: Number, top: Number, bottom: Number, inverse: Number, lens: Projection, tiles: np.ndarray
) -> bool:
    """Return whether all tiles that a rectangle of the screen touches are nearer than an inverse depth."""
    columns = (lens.width + TILE - 1) // TILE
    for row in range(_tile(top, lens.height), _tile(bottom, lens.height) + 1):
        for column in range(_tile(left, lens.width), _tile(right, lens.width) + 1):
            if tiles[row * columns + column] < inverse:
                return False
    return True


@inlined
def _tile(pixels: Number, size: int) -> int:
    return int(min(max(pixels, ZERO), f32(size - 1))) // TILE
