"""Textures for the renderer: one array of packed texels with all mipmap levels, shared between scenes."""

import hashlib
from dataclasses import dataclass
from weakref import WeakValueDictionary

import numpy as np

from vln.errors import InputError

HEADER = 16  # words before the texels: start of each level
SHIFTS = np.array([0, 8, 16, 24], np.uint32)  # bit positions of red, green, blue and alpha in a texel
LARGEST = 1 << (HEADER - 2)  # texels per side


@dataclass(frozen=True, eq=False)
class Texture:
    """A texture with mipmap levels down to one texel.

    `words`, (HEADER + texels of all levels,) uint32, begin with the start of each level; a texel is
    red + green << 8 + blue << 16 + alpha << 24. The bits are the binary logarithms of width and height in texels.
    """

    words: np.ndarray
    width_bits: int
    height_bits: int


_bank: WeakValueDictionary[bytes, Texture] = WeakValueDictionary()


def shared_texture(image: np.ndarray, source: str) -> Texture:
    """Return the texture of an image (h, w, 3 or 4) uint8, shared in the process as long as any scene holds it.

    Raises:
        InputError: If a side is not a power of two, or too large; it names `source`.
    """
    height, width = image.shape[:2]
    if any(side < 1 or side & (side - 1) or side > LARGEST for side in (width, height)):
        problem = f"a texture is {width} x {height} texels"
        raise InputError(source, problem, f"resize it to powers of two, at most {LARGEST}")
    pixels, alpha = np.ascontiguousarray(image), "a" if image.shape[2] == 4 else ""
    key = hashlib.blake2b(pixels.data, digest_size=16, salt=f"{width}x{height}{alpha}".encode()).digest()
    texture = _bank.get(key)
    if texture is None:
        texture = _bank[key] = Texture(_words(pixels), width.bit_length() - 1, height.bit_length() - 1)
    return texture


def _words(image: np.ndarray) -> np.ndarray:
    levels = [image.astype(np.float32)]
    while levels[-1].shape[:2] != (1, 1):
        levels.append(_halved(levels[-1]))
    starts = HEADER + np.cumsum([0] + [level.shape[0] * level.shape[1] for level in levels])
    words = np.zeros(starts[-1], np.uint32)
    words[:HEADER] = starts[-2]
    words[: len(levels)] = starts[:-1]
    for level, start in zip(levels, starts, strict=False):
        texels = np.rint(level).astype(np.uint32).reshape(-1, image.shape[2])
        words[start : start + len(texels)] = (texels << SHIFTS[: image.shape[2]]).sum(1, dtype=np.uint32)
    return words


def _halved(level: np.ndarray) -> np.ndarray:
    """Average blocks of 2 x 2 texels, or of 2 if one side is a single texel."""
    height, width = level.shape[:2]
    rows, columns = min(height, 2), min(width, 2)
    return level.reshape(height // rows, rows, width // columns, columns, level.shape[2]).mean((1, 3))
