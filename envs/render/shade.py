"""The visibility buffer into images: depth, colours, object ids, categories.

A line is shaded in runs of pixels of one triangle. Along a run, texture coordinates and colours are linear in x, times
the depth. Runs are rounded up to whole vectors: what is too much is overwritten by the next run, or is beyond the line.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numba.np.numpy_support import carray

from envs.render.memory import constant, pointer, read, write
from envs.render.packed import COLOUR, GRADIENT, IMAGE, OBJECT, PLANE, TEXELS, TEXTURE, U, V
from envs.render.raster import HALF, ONE, ZERO, Lens, Number, Scratch, f32, i32
from envs.render.textures import HEADER

VECTOR = 8  # pixels
FIXED = 8  # bits after the point in texture coordinates
BYTE = np.uint32(0xFF)
RED_BLUE, GREEN = np.uint32(0xFF00FF), np.uint32(0x00FF00)
WHITE = f32(255)
u32 = np.uint32

Ray = tuple[Number, Number, Number]
Along = tuple[Number, Number, Number]  # a, b, c of (a + b x) z + c at pixel x and depth z


class Wanted(NamedTuple):
    """Images to draw besides colours and depth.

    Attributes:
        semantic: Object ids.
        category: Categories.
    """

    semantic: bool
    category: bool


class Looks(NamedTuple):
    """What the triangles of a scene look like: arrays of `PackedScene`.

    Attributes:
        surfaces: (T, 4) int32.
        mappings: (M, 16) float32.
        gradients: (G, 12) float32.
        textures: (textures, 4) int64.
        categories: (objects + 1,) uint8.
    """

    surfaces: np.ndarray
    mappings: np.ndarray
    gradients: np.ndarray
    textures: np.ndarray
    categories: np.ndarray


@njit(fastmath=True, nogil=True)
def shade(looks: Looks, view: np.ndarray, lens: Lens, scratch: Scratch, rgb: np.ndarray, depth: np.ndarray) -> None:
    """Colours and depth of one view from its visibility buffer.

    Args:
        looks: Of the scene.
        view: (12,) position, right, up, forward of the camera.
        lens: Of the camera.
        scratch: With `depths` and `numbers` of the view.
        rgb: (H, W, 3) uint8 is filled.
        depth: (H, W, 1) float32 is filled, metres.
    """
    width, pixel = lens.width, ONE / lens.focal
    across = (HALF - f32(width) * HALF) * pixel
    line = scratch.line
    for y in range(lens.height):
        seen = scratch.numbers[y * width : (y + 1) * width]
        _depths(scratch.depths[y * width : (y + 1) * width], scratch.line_depth, depth[y])
        up = (f32(lens.height) * HALF - f32(y) - HALF) * pixel
        ray = (  # at depth 1, of pixel 0 of the line
            view[9] + across * view[3] + up * view[6],
            view[10] + across * view[4] + up * view[7],
            view[11] + across * view[5] + up * view[8],
        )
        start = 0
        while start < width:
            triangle = seen[start]
            stop = start + 1
            while stop < width and seen[stop] == triangle:
                stop += 1
            if triangle < 0:
                _plain(line, start, stop, u32(0))
            else:
                _run(triangle, looks, view, pixel, ray, start, stop, line, scratch.line_depth)
            start = stop
        _unpack(line, rgb[y])


@njit(fastmath=True, nogil=True)
def _depths(inverse: np.ndarray, line_depth: np.ndarray, depth: np.ndarray) -> None:
    for x in range(len(inverse)):
        z = inverse[x]
        metres = ONE / z if z > ZERO else ZERO
        line_depth[x] = metres
        depth[x, 0] = metres


@njit(fastmath=True, nogil=True)
def _unpack(line: np.ndarray, rgb: np.ndarray) -> None:
    for x in range(len(rgb)):
        colour = line[x]
        rgb[x, 0] = np.uint8(colour & BYTE)
        rgb[x, 1] = np.uint8((colour >> u32(8)) & BYTE)
        rgb[x, 2] = np.uint8((colour >> u32(16)) & BYTE)


@njit(fastmath=True, nogil=True)
def _run(
    triangle: int, looks: Looks, view: np.ndarray, pixel: Number, ray: Ray, start: int, stop: int,
    line: np.ndarray, line_depth: np.ndarray,
) -> None:  # fmt: skip
    """Colours of a run of pixels of one triangle."""
    surface = looks.surfaces[triangle]
    packed, gradient, mapping = u32(surface[COLOUR]), surface[GRADIENT], surface[TEXTURE]
    if gradient < 0 and mapping < 0:
        _plain(line, start, stop, packed)
        return
    stop = start + ((stop - start + VECTOR - 1) & -VECTOR)
    red, green, blue = f32(packed & BYTE), f32((packed >> u32(8)) & BYTE), f32((packed >> u32(16)) & BYTE)
    colours = (ZERO, ZERO, red), (ZERO, ZERO, green), (ZERO, ZERO, blue)
    if gradient >= 0:
        row = looks.gradients[gradient]
        colours = _along(row, 0, view, pixel, ray), _along(row, 4, view, pixel, ray), _along(row, 8, view, pixel, ray)
    if mapping < 0:
        _graded(line, line_depth, start, stop, colours)
        return
    row = looks.mappings[mapping]
    plane = row[PLANE] * view[0] + row[PLANE + 1] * view[1] + row[PLANE + 2] * view[2] - row[PLANE + 3]
    # A pixel at depth z covers pixel^2 z^3 / (distance of the plane) square metres.
    texels = row[TEXELS] * pixel * pixel / max(abs(plane), f32(1e-6))
    _textured(
        line, line_depth, start, stop, colours, looks.textures[int(row[IMAGE])], texels,
        _along(row, U, view, pixel, ray), _along(row, V, view, pixel, ray),
    )  # fmt: skip


@njit(fastmath=True, nogil=True)
def _along(row: np.ndarray, column: int, view: np.ndarray, pixel: Number, ray: Ray) -> Along:
    """A function affine in the world along a line of pixels: (a + b x) z + c at pixel x and depth z."""
    x, y, z = row[column], row[column + 1], row[column + 2]
    at = x * ray[0] + y * ray[1] + z * ray[2]
    step = (x * view[3] + y * view[4] + z * view[5]) * pixel
    return at, step, x * view[0] + y * view[1] + z * view[2] + row[column + 3]


@njit(fastmath=True, nogil=True)
def _plain(line: np.ndarray, start: int, stop: int, colour: Number) -> None:
    for x in range(start, stop):
        line[x] = colour


@njit(fastmath=True, nogil=True)
def _shade_of(along: Along, x: Number, z: Number) -> Number:
    return min(max((along[0] + along[1] * x) * z + along[2], ZERO), WHITE)


@njit(fastmath=True, nogil=True)
def _packed(red: Number, green: Number, blue: Number) -> Number:
    return u32(i32(red + HALF)) | u32(u32(i32(green + HALF)) << u32(8)) | u32(u32(i32(blue + HALF)) << u32(16))


@njit(fastmath=True, nogil=True)
def _graded(
    line: np.ndarray, line_depth: np.ndarray, start: int, stop: int, colours: tuple[Along, Along, Along]
) -> None:
    for i in range(start, stop):
        x, z = f32(i32(i)), read(line_depth, i)
        write(
            line,
            i,
            u32(_packed(_shade_of(colours[0], x, z), _shade_of(colours[1], x, z), _shade_of(colours[2], x, z))),
        )


@njit(fastmath=True, nogil=True)
def _textured(
    line: np.ndarray, line_depth: np.ndarray, start: int, stop: int, colours: tuple[Along, Along, Along],
    texture: np.ndarray, texels: Number, along_u: Along, along_v: Along,
) -> None:  # fmt: skip
    """Colours times the bilinear mean of four texels of the mipmap whose texels are as large as the pixels."""
    words = carray(pointer(texture[0]), (texture[1],), np.uint32)
    width_bits, height_bits = i32(texture[2]), i32(texture[3])
    part = ONE / WHITE
    for i in range(start, stop):
        x, z = f32(i32(i)), read(line_depth, i)
        # Half the logarithm of the number of texels, rounded: from the exponent of the floating-point number.
        level = i32(i32(f32(texels * z * z * z).view(np.int32) >> i32(23)) - i32(126)) >> i32(1)
        level = min(max(i32(level), i32(0)), i32(HEADER - 1))
        wide, high = max(i32(width_bits - level), i32(0)), max(i32(height_bits - level), i32(0))
        u = ((along_u[0] + along_u[1] * x) * z + along_u[2]) * f32(i32(i32(1) << i32(wide + FIXED)))
        v = ((along_v[0] + along_v[1] * x) * z + along_v[2]) * f32(i32(i32(1) << i32(high + FIXED)))
        u, v = i32(i32(u) - i32(1 << (FIXED - 1))), i32(i32(v) - i32(1 << (FIXED - 1)))
        mask_x, mask_y = i32(i32(i32(1) << wide) - 1), i32(i32(i32(1) << high) - 1)
        column, row = i32(u >> i32(FIXED)), i32(v >> i32(FIXED))
        left, right = i32(column & mask_x), i32(i32(column + 1) & mask_x)
        first = i32(constant(words, level))
        top = i32(first + i32(i32(row & mask_y) << wide))
        bottom = i32(first + i32(i32(i32(row + 1) & mask_y) << wide))
        across, down = u32(u & i32(255)), u32(v & i32(255))
        upper = _between(constant(words, i32(top + left)), constant(words, i32(top + right)), across)
        lower = _between(constant(words, i32(bottom + left)), constant(words, i32(bottom + right)), across)
        mean = u32(_between(upper, lower, down))
        red, green, blue = i32(mean & BYTE), i32(u32(mean >> u32(8)) & BYTE), i32(u32(mean >> u32(16)) & BYTE)
        colour = _packed(
            f32(red) * part * _shade_of(colours[0], x, z),
            f32(green) * part * _shade_of(colours[1], x, z),
            f32(blue) * part * _shade_of(colours[2], x, z),
        )
        write(line, i, u32(colour))


@njit(fastmath=True, nogil=True)
def _between(first: Number, second: Number, share: Number) -> Number:
    """Mean of two packed colours, share / 256 of the second; red and blue are computed as one number."""
    rest = u32(u32(256) - share)
    odd = u32(u32(u32(first & RED_BLUE) * rest) + u32(u32(second & RED_BLUE) * share))
    even = u32(u32(u32(u32(first >> u32(8)) & BYTE) * rest) + u32(u32(u32(second >> u32(8)) & BYTE) * share))
    return u32(u32(odd >> u32(8)) & RED_BLUE) | u32(even & GREEN)


@njit(fastmath=True, nogil=True)
def label(looks: Looks, numbers: np.ndarray, semantic: np.ndarray, category: np.ndarray, wanted: Wanted) -> None:
    """Object ids (H, W) and categories (H, W) of one view, as wanted; pixels without a surface are 0."""
    height, width = semantic.shape
    for y in range(height):
        for x in range(width):
            triangle = numbers[y * width + x]
            item = looks.surfaces[triangle, OBJECT] if triangle >= 0 else i32(0)
            if wanted.semantic:
                semantic[y, x] = item
            if wanted.category:
                category[y, x] = looks.categories[item] if triangle >= 0 else np.uint8(0)
