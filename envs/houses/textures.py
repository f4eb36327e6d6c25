"""Textures of all houses, painted once per process from a fixed seed. Most are grey, so that paints tint them.

Every house uses the same arrays and indices, so a thousand houses store them once.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

VERSION = 1
SIZE = 128


def _noise(rng: np.random.Generator, cells: int, size: int = SIZE) -> np.ndarray:
    """Return smooth noise in 0..1 that tiles without a seam, (size, size)."""
    lattice = rng.random((cells, cells))
    place = np.arange(size) * (cells / size)
    low = place.astype(np.int64)
    part = place - low
    part = part * part * (3 - 2 * part)
    high = (low + 1) % cells
    rows = lattice[low] * (1 - part)[:, None] + lattice[high] * part[:, None]
    return rows[:, low] * (1 - part) + rows[:, high] * part


def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Return column and row of every texel, (size, size) each."""
    x, y = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    return x, y


def _plaster(rng: np.random.Generator) -> np.ndarray:
    return 0.93 + 0.04 * _noise(rng, 16) + 0.03 * _noise(rng, 64)


def _wood(rng: np.random.Generator) -> np.ndarray:
    """Wood with the grain along u."""
    x, y = _grid()
    bend = _noise(rng, 4) * 6
    lines = np.sin((y + bend * 2) * (2 * np.pi * 9 / SIZE)) * 0.5 + 0.5
    fine = np.repeat(rng.random((SIZE, 1)), SIZE, 1)
    return 0.76 + 0.12 * lines + 0.08 * fine + 0.04 * _noise(rng, 32) + 0 * x


def _planks(rng: np.random.Generator) -> np.ndarray:
    """Six boards along u with staggered joints."""
    x, y = _grid()
    board = y * 6 // SIZE
    joint = np.array([10, 74, 34, 98, 54, 118])[board]
    piece = ((x - joint) % SIZE) // (SIZE // 2) + 2 * board
    tone = rng.random(12)[piece]
    fine = np.repeat(rng.random((SIZE, 1)), SIZE, 1)
    seam = ((y * 6) % SIZE < 6) | ((x - joint) % (SIZE // 2) == 0)
    return np.where(seam, 0.58, 0.74 + 0.18 * tone + 0.05 * fine + 0.03 * _noise(rng, 32))


def _parquet(rng: np.random.Generator) -> np.ndarray:
    """Squares of four strips in alternating directions."""
    x, y = _grid()
    half = SIZE // 2
    across = ((x // half) + (y // half)) % 2 == 0
    along = np.where(across, x, y)
    strip = (along % half) * 4 // half
    index = strip + 4 * (x // half) + 8 * (y // half)
    tone = rng.random(16)[index]
    seam = ((along % (half // 4)) == 0) | (x % half == 0) | (y % half == 0)
    return np.where(seam, 0.62, 0.76 + 0.2 * tone + 0.03 * _noise(rng, 32))


def _tiles(rng: np.random.Generator) -> np.ndarray:
    """Two by two square tiles with joints."""
    x, y = _grid()
    half = SIZE // 2
    tone = rng.random(4)[(x // half) + 2 * (y // half)]
    joint = (x % half < 3) | (y % half < 3)
    return np.where(joint, 0.68, 0.92 + 0.05 * tone + 0.03 * _noise(rng, 16))


def _checker(rng: np.random.Generator) -> np.ndarray:
    x, y = _grid()
    half = SIZE // 2
    dark = ((x // half) + (y // half)) % 2
    return np.where(dark == 1, 0.62, 0.97) + 0.03 * _noise(rng, 32)


def _subway(rng: np.random.Generator) -> np.ndarray:
    """Oblong wall tiles in a running bond."""
    x, y = _grid()
    row = y // (SIZE // 4)
    joint = (y % (SIZE // 4) < 2) | ((x + row % 2 * (SIZE // 4)) % (SIZE // 2) < 2)
    return np.where(joint, 0.76, 0.95 + 0.04 * _noise(rng, 8))


def _brick(rng: np.random.Generator) -> np.ndarray:
    x, y = _grid()
    row = y // (SIZE // 8)
    shift = x + row % 2 * (SIZE // 8)
    tone = rng.random((8, 4))[row, shift % SIZE // (SIZE // 4)]
    joint = (y % (SIZE // 8) < 3) | (shift % (SIZE // 4) < 3)
    return np.where(joint, 0.98, 0.62 + 0.2 * tone + 0.06 * _noise(rng, 32))


def _carpet(rng: np.random.Generator) -> np.ndarray:
    return 0.8 + 0.14 * rng.random((SIZE, SIZE)) + 0.06 * _noise(rng, 8)


def _fabric(rng: np.random.Generator) -> np.ndarray:
    x, y = _grid()
    weave = ((x // 2 + y // 2) % 2) * 0.06
    return 0.84 + weave + 0.05 * rng.random((SIZE, SIZE)) + 0.05 * _noise(rng, 8)


def _leather(rng: np.random.Generator) -> np.ndarray:
    return 0.82 + 0.1 * _noise(rng, 32) + 0.08 * _noise(rng, 64)


def _marble(rng: np.random.Generator) -> np.ndarray:
    vein = np.abs(_noise(rng, 4) + 0.5 * _noise(rng, 8) + 0.25 * _noise(rng, 16) - 0.9)
    return 0.72 + 0.28 * np.clip(vein * 5, 0, 1) ** 0.5


def _granite(rng: np.random.Generator) -> np.ndarray:
    return 0.7 + 0.2 * _noise(rng, 64) + 0.1 * rng.random((SIZE, SIZE))


def _concrete(rng: np.random.Generator) -> np.ndarray:
    return 0.78 + 0.12 * _noise(rng, 4) + 0.06 * _noise(rng, 16) + 0.04 * rng.random((SIZE, SIZE))


def _stripes(rng: np.random.Generator) -> np.ndarray:
    """Wallpaper with vertical stripes."""
    x, _ = _grid()
    return np.where(x * 8 // SIZE % 2 == 0, 0.97, 0.9) + 0.02 * _noise(rng, 32)


def _dots(rng: np.random.Generator) -> np.ndarray:
    x, y = _grid()
    row = y // (SIZE // 8)
    across = (x + row % 2 * (SIZE // 16)) % (SIZE // 8) - SIZE // 16
    down = y % (SIZE // 8) - SIZE // 16
    return np.where(across**2 + down**2 < 10, 0.86, 0.96) + 0.02 * _noise(rng, 32)


def _damask(rng: np.random.Generator) -> np.ndarray:
    """Wallpaper with diamonds."""
    x, y = _grid()
    step = SIZE // 4
    diamond = np.abs(x % step - step / 2) + np.abs(y % step - step / 2)
    return np.where(np.abs(diamond - step / 3) < 2.0, 0.88, 0.95) + 0.03 * _noise(rng, 32)


def _rug_bands(rng: np.random.Generator) -> np.ndarray:
    """Nested borders around a plain field."""
    x, y = _grid()
    edge = np.minimum(np.minimum(x, SIZE - 1 - x), np.minimum(y, SIZE - 1 - y))
    tone = np.select([edge < 5, edge < 10, edge < 18, edge < 22], [0.75, 0.98, 0.6, 0.98], 0.84)
    return tone - 0.08 * rng.random((SIZE, SIZE))


def _rug_diamonds(rng: np.random.Generator) -> np.ndarray:
    x, y = _grid()
    edge = np.minimum(np.minimum(x, SIZE - 1 - x), np.minimum(y, SIZE - 1 - y))
    diamond = (np.abs(x - SIZE / 2) + np.abs(y - SIZE / 2)) // 12 % 2
    return np.where(edge < 8, 0.65, np.where(diamond == 0, 0.98, 0.74)) - 0.08 * rng.random((SIZE, SIZE))


def _rug_stripes(rng: np.random.Generator) -> np.ndarray:
    x, _ = _grid()
    return np.where(x // 11 % 2 == 0, 0.98, 0.72) - 0.08 * rng.random((SIZE, SIZE))


def _clock(rng: np.random.Generator) -> np.ndarray:
    """A dial with twelve marks and two hands, at ten past ten."""
    x, y = _grid()
    across, down = x - SIZE / 2 + 0.5, y - SIZE / 2 + 0.5
    radius = np.hypot(across, down)
    angle = np.arctan2(across, -down)
    mark = (np.abs((angle + np.pi / 12) % (np.pi / 6) - np.pi / 12) < 0.06) & (radius > 46) & (radius < 58)
    dial = np.where(mark, 0.1, 1.0)
    for turn, length, width in ((-1.05, 30.0, 3.5), (1.05, 44.0, 2.5)):
        along = across * np.sin(turn) - down * np.cos(turn)
        beside = np.abs(across * np.cos(turn) + down * np.sin(turn))
        dial = np.where((along > -6) & (along < length) & (beside < width), 0.1, dial)
    return dial - 0.02 * rng.random((SIZE, SIZE))


def _books(rng: np.random.Generator) -> np.ndarray:
    """One shelf of book spines in colours."""
    image = np.full((SIZE, SIZE, 3), 0.12)
    x = 0
    while x < SIZE:
        width = int(rng.integers(5, 11))
        top = int(rng.integers(4, 40))
        colour = rng.random(3) * 0.65 + 0.2
        image[top:, x : x + width] = colour
        image[top:, x] = colour * 0.5
        image[top + 10 : top + 16, x + 1 : x + width - 1] = colour * 0.4 + 0.55
        x += width
    return image


def _landscape(rng: np.random.Generator) -> np.ndarray:
    """A painting of hills under a sky."""
    x, y = _grid()
    image = np.empty((SIZE, SIZE, 3))
    image[:] = np.array([0.55, 0.75, 0.95]) + (y / SIZE)[..., None] * 0.35
    for hill in range(3):
        ridge = 56 + 22 * hill + 10 * np.sin(x * (2 * np.pi * (1 + hill) / SIZE) + 6.28 * rng.random())
        image[y > ridge] = np.array([0.3 + 0.12 * rng.random(), 0.5 - 0.1 * hill, 0.25]) * (1 - 0.15 * hill)
    sun = (x - 30 - 60 * rng.random()) ** 2 + (y - 24) ** 2 < 110
    image[sun] = (1.0, 0.9, 0.5)
    return image


def _abstract(rng: np.random.Generator) -> np.ndarray:
    """A painting of blocks of colour."""
    image = np.full((SIZE, SIZE, 3), 0.93)
    for _ in range(9):
        x, y = rng.integers(0, SIZE - 24, 2)
        width, height = rng.integers(18, 64, 2)
        image[y : y + height, x : x + width] = rng.random(3) * 0.85 + 0.1
    image[::32, :] = 0.1
    image[:, ::42] = 0.1
    return image


def _portrait(rng: np.random.Generator) -> np.ndarray:
    """A painting of a head and shoulders."""
    x, y = _grid()
    image = np.full((SIZE, SIZE, 3), 0.0)
    image[:] = rng.random(3) * 0.4 + 0.15
    image[((x - 64) / 46) ** 2 + ((y - 128) / 48) ** 2 < 1] = rng.random(3) * 0.7
    image[((x - 64) / 25) ** 2 + ((y - 46) / 31) ** 2 < 1] = (0.35, 0.22, 0.12)
    image[((x - 64) / 20) ** 2 + ((y - 54) / 27) ** 2 < 1] = (0.92, 0.74, 0.6)
    return image


def _outside(rng: np.random.Generator) -> np.ndarray:
    """The view from a window: sky, clouds, trees, grass."""
    x, y = _grid()
    image = np.empty((SIZE, SIZE, 3))
    image[:] = np.array([0.62, 0.82, 1.0])
    cloud = np.clip((_noise(rng, 8) + 0.5 * _noise(rng, 16) - 0.8) * 3, 0, 1)[..., None]
    image = image * (1 - cloud) + cloud * 0.99
    trees = 78 - 16 * _noise(rng, 8)[0][x] - 6 * _noise(rng, 32)[0][x]
    image[y > trees] = (0.3, 0.5, 0.28)
    image[y > 96] = (0.52, 0.72, 0.38)
    return image


def _screen(rng: np.random.Generator) -> np.ndarray:
    """A computer screen with windows on a dark blue background."""
    x, y = _grid()
    image = np.empty((SIZE, SIZE, 3))
    image[:] = (0.1, 0.14, 0.24)
    image += (y / SIZE)[..., None] * 0.1
    image[20:100, 14:80] = (0.85, 0.88, 0.9)
    image[20:28, 14:80] = (0.25, 0.45, 0.8)
    for line in range(36, 94, 8):
        image[line : line + 3, 20 : 30 + int(rng.integers(10, 44))] = 0.45
    image[48:112, 70:116] = (0.2, 0.24, 0.3)
    image[(x > 74) & (x < 112) & (y > 60) & (y < 62 + x % 13 * 3)] = (0.4, 0.8, 0.5)
    return image


PAINTERS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    painter.__name__[1:].replace("_", " "): painter
    for painter in (
        _plaster, _wood, _planks, _parquet, _tiles, _checker, _subway, _brick, _carpet, _fabric, _leather, _marble,
        _granite, _concrete, _stripes, _dots, _damask, _rug_bands, _rug_diamonds, _rug_stripes, _clock, _books,
        _landscape, _abstract, _portrait, _outside, _screen,
    )
}  # fmt: skip
TEXTURE = {name: index for index, name in enumerate(PAINTERS)}
"""Index of every texture by name."""


@lru_cache(maxsize=1)
def textures() -> tuple[np.ndarray, ...]:
    """Return the images of all houses, (128, 128, 3) uint8; the same read-only arrays at every call."""
    images = []
    for index, paint in enumerate(PAINTERS.values()):
        image = paint(np.random.default_rng([VERSION, index]))
        image = np.clip(image, 0.0, 1.0)
        image = image if image.ndim == 3 else np.repeat(image[..., None], 3, 2)
        image = np.ascontiguousarray(np.rint(image * 255).astype(np.uint8))
        image.setflags(write=False)
        images.append(image)
    return tuple(images)
