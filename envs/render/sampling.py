"""Texture wrapping and the alpha test."""

from typing import Any, NamedTuple

import numpy as np

from envs.render.memory import inlined, texel
from envs.render.textures import HEADER
from envs.scene import Wrap

f32, i32 = np.float32, np.int32
Number = Any  # a number of one of the types above in compiled code; exact type hints would require conversions
# Columns of `PackedScene.texture_table`.
WORDS, WIDTH_BITS, HEIGHT_BITS, ACROSS, DOWN, CUTOFF = range(6)
REPEAT, MIRROR = int(Wrap.REPEAT), int(Wrap.MIRROR)
FIXED = 8  # fractional bits of texture coordinates
HALF_TEXEL = f32(1 << (FIXED - 1))


class AlphaTest(NamedTuple):
    """The inputs of the alpha test of a triangle."""

    setup: np.ndarray  # (24,) float32, see `shade`; gives u and v of a view's pixels
    texture: np.ndarray  # (6,) int64, row of the texture table


@inlined
def place(repetitions: Number, bits: Number, wrap: Number) -> Number:
    """Convert a texture coordinate to fixed-point texels, half a texel to the left, on a side of 2^bits texels."""
    side = f32(i32(1 << (bits + FIXED)))
    if wrap == REPEAT:
        return i32(repetitions * side - HALF_TEXEL)
    last = side - f32(1 << FIXED)
    if wrap == MIRROR:
        repetitions = abs(repetitions - f32(2) * np.floor(repetitions * f32(0.5) + f32(0.5)))
    return i32(min(max(repetitions * side - HALF_TEXEL, f32(0)), last))


@inlined
def is_drawn(cut: AlphaTest, x: Number, y: Number, z: Number) -> bool:
    """Return whether the bilinearly filtered alpha reaches the cutoff at pixel (x, y) and depth z.

    It uses mipmap level 0: in smaller levels alpha is averaged, so that fine structures would vanish at a distance.
    """
    setup, texture = cut.setup, cut.texture
    wide, high = i32(texture[WIDTH_BITS]), i32(texture[HEIGHT_BITS])
    u = place((setup[0] + setup[1] * x + setup[2] * y) * z + setup[3], wide, texture[ACROSS])
    v = place((setup[4] + setup[5] * x + setup[6] * y) * z + setup[7], high, texture[DOWN])
    address = texture[WORDS] + 4 * HEADER
    mask_x, mask_y = (1 << wide) - 1, (1 << high) - 1
    column, row = u >> FIXED, v >> FIXED
    across, down = u & 255, v & 255
    left, right = column & mask_x, (column + 1) & mask_x
    top, bottom = (row & mask_y) << wide, ((row + 1) & mask_y) << wide
    upper = _alpha(address, top + left) * (256 - across) + _alpha(address, top + right) * across
    lower = _alpha(address, bottom + left) * (256 - across) + _alpha(address, bottom + right) * across
    return upper * (256 - down) + lower * down >= texture[CUTOFF] << (2 * FIXED)


@inlined
def _alpha(address: int, index: int) -> int:
    return int(texel(address, i32(index)) >> np.uint32(24))
