"""The visibility buffer into images: depth, colours, object ids, categories.

A line is shaded in runs of pixels of one triangle. Over a run, texture coordinates and colours times inverse depth are linear.
"""

import numpy as np
from numba import carray, njit

from envs.render.memory import pointer
from envs.render.packed import COLOUR, GRADIENT, IMAGE, OBJECT, PLANE, TEXELS, TEXTURE, U, V
from envs.render.raster import HALF, ONE, ZERO, f32
from envs.render.textures import HEADER

FIXED = 8  # bits after the point in texture coordinates
WHITE = 0xFFFFFF
LAST_LEVEL = HEADER - 1


@njit(fastmath=True, nogil=True)
def texel(words, width_bits, height_bits, level, u, v):  # type: ignore[no-untyped-def]
    """Bilinear mean of four texels of a mipmap at (u, v), packed; u and v at least 1."""
    width_bits, height_bits = max(width_bits - level, 0), max(height_bits - level, 0)
    x = np.int32(u * f32(1 << (width_bits + FIXED))) - np.int32(1 << (FIXED - 1))
    y = np.int32(v * f32(1 << (height_bits + FIXED))) - np.int32(1 << (FIXED - 1))
    mask_x, mask_y = (1 << width_bits) - 1, (1 << height_bits) - 1
    start = np.int64(words[level])
    left, right = (x >> FIXED) & mask_x, ((x >> FIXED) + 1) & mask_x
    top, bottom = start + (((y >> FIXED) & mask_y) << width_bits), start + ((((y >> FIXED) + 1) & mask_y) << width_bits)
    across, down = np.uint32(x & 255), np.uint32(y & 255)
    upper = _between(words[top + left], words[top + right], across)
    lower = _between(words[bottom + left], words[bottom + right], across)
    return _between(upper, lower, down)


@njit(fastmath=True, nogil=True)
def _between(first, second, share):  # type: ignore[no-untyped-def]
    """Mean of two packed colours, share / 256 of the second; red and blue are computed as one number."""
    rest = np.uint32(256) - share
    red_blue = np.uint32(0xFF00FF)
    green = np.uint32(0x00FF00)
    odd = (((first & red_blue) * rest + (second & red_blue) * share) >> np.uint32(8)) & red_blue
    even = (((first & green) >> np.uint32(8)) * rest + ((second & green) >> np.uint32(8)) * share) & green
    return odd | even


@njit(fastmath=True, nogil=True)
def mip_level(texels):  # type: ignore[no-untyped-def]
    """Level of the mipmap whose texels are as large as a pixel that covers this many at level 0."""
    level = 0
    while texels > f32(2.0) and level < LAST_LEVEL:
        texels *= f32(0.25)
        level += 1
    return level


@njit(fastmath=True, nogil=True)
def byte(value):  # type: ignore[no-untyped-def]
    """A colour as the nearest of 0 to 255."""
    return np.uint32(min(max(value + HALF, ZERO), f32(255.0)))


@njit(fastmath=True, nogil=True)
def shade(  # type: ignore[no-untyped-def]
    surfaces, mappings, gradients, textures, view, focal, depths, numbers, rgb, depth
):
    """Colours and depth of one view from its visibility buffer.

    Args:
        surfaces: (T, 4) of the scene.
        mappings: (M, 16) of the scene.
        gradients: (G, 12) of the scene.
        textures: (textures, 4) of the scene.
        view: (12,) position, right, up, forward of the camera.
        focal: Pixels.
        depths: (H * W,) inverse depths.
        numbers: (H * W,) triangles.
        rgb: (H, W, 3) uint8 is filled.
        depth: (H, W, 1) float32 is filled, metres.
    """
    height, width = rgb.shape[0], rgb.shape[1]
    pixel = ONE / focal
    for y in range(height):
        base = y * width
        start = 0
        while start < width:
            triangle = numbers[base + start]
            stop = start + 1
            while stop < width and numbers[base + stop] == triangle:
                stop += 1
            if triangle < 0:
                for x in range(start, stop):
                    depth[y, x, 0] = ZERO
                    rgb[y, x, 0] = rgb[y, x, 1] = rgb[y, x, 2] = np.uint8(0)
            else:
                for x in range(start, stop):
                    depth[y, x, 0] = ONE / depths[base + x]
                # The ray of pixel 0 of this line, at depth 1.
                across = (HALF - f32(width) * HALF) * pixel
                up = (f32(height) * HALF - f32(y) - HALF) * pixel
                ray_x = view[9] + across * view[3] + up * view[6]
                ray_y = view[10] + across * view[4] + up * view[7]
                ray_z = view[11] + across * view[5] + up * view[8]
                _colour(
                    surfaces[triangle], mappings, gradients, textures, view, pixel, ray_x, ray_y, ray_z,
                    y, start, stop, depth, rgb,
                )  # fmt: skip
            start = stop


@njit(fastmath=True, nogil=True)
def _colour(  # type: ignore[no-untyped-def]
    surface, mappings, gradients, textures, view, pixel, ray_x, ray_y, ray_z, y, start, stop, depth, rgb
):
    """Colours of a run of pixels of one triangle."""
    packed, gradient, mapping = np.uint32(surface[COLOUR]), surface[GRADIENT], surface[TEXTURE]
    red, green, blue = packed & np.uint32(255), (packed >> np.uint32(8)) & np.uint32(255), packed >> np.uint32(16)
    if gradient < 0:
        for x in range(start, stop):
            rgb[y, x, 0], rgb[y, x, 1], rgb[y, x, 2] = np.uint8(red), np.uint8(green), np.uint8(blue)
    else:
        row = gradients[gradient]
        for channel in range(3):
            at, step, value = _line(row, 4 * channel, view, pixel, ray_x, ray_y, ray_z)
            for x in range(start, stop):
                rgb[y, x, channel] = np.uint8(byte((at + step * f32(x)) * depth[y, x, 0] + value))
    if mapping >= 0:
        row = mappings[mapping]
        u, step_u, value_u = _line(row, U, view, pixel, ray_x, ray_y, ray_z)
        v, step_v, value_v = _line(row, V, view, pixel, ray_x, ray_y, ray_z)
        texture = textures[int(row[IMAGE])]
        plane = row[PLANE] * view[0] + row[PLANE + 1] * view[1] + row[PLANE + 2] * view[2] - row[PLANE + 3]
        words = carray(pointer(texture[0]), (texture[1],), np.uint32)
        # A pixel at depth z covers pixel^2 z^3 / (distance of the plane) square metres.
        area = row[TEXELS] * pixel * pixel / max(abs(plane), f32(1e-6))
        for x in range(start, stop):
            z = depth[y, x, 0]
            level = mip_level(area * z * z * z)
            at = texel(
                words, texture[2], texture[3], level,
                (u + step_u * f32(x)) * z + value_u, (v + step_v * f32(x)) * z + value_v,
            )  # fmt: skip
            for channel in range(3):
                part = (at >> np.uint32(8 * channel)) & np.uint32(255)
                rgb[y, x, channel] = np.uint8((part * (np.uint32(rgb[y, x, channel]) + np.uint32(1))) >> np.uint32(8))


@njit(fastmath=True, nogil=True)
def _line(row, column, view, pixel, ray_x, ray_y, ray_z):  # type: ignore[no-untyped-def]
    """A function affine in the world along a line of pixels: (a + b x) z + c at pixel x and depth z; returns a, b, c."""
    gx, gy, gz = row[column], row[column + 1], row[column + 2]
    at = gx * ray_x + gy * ray_y + gz * ray_z
    step = (gx * view[3] + gy * view[4] + gz * view[5]) * pixel
    return at, step, gx * view[0] + gy * view[1] + gz * view[2] + row[column + 3]


@njit(fastmath=True, nogil=True)
def label(surfaces, categories, numbers, semantic, category, with_semantic, with_category):  # type: ignore[no-untyped-def]
    """Object ids (H, W) and categories (H, W) of one view; pixels without a surface are 0."""
    height, width = semantic.shape if with_semantic else category.shape
    for y in range(height):
        for x in range(width):
            triangle = numbers[y * width + x]
            item = surfaces[triangle, OBJECT] if triangle >= 0 else np.int32(0)
            if with_semantic:
                semantic[y, x] = item
            if with_category:
                category[y, x] = categories[item] if triangle >= 0 else np.uint8(0)
