"""Shading: from the visibility buffer to depth, colours, object ids and categories.

Bands of lines are shaded in two passes. The first pass iterates over runs of pixels of one triangle, along which
texture coordinates and colours are linear in x, times the depth. It computes the texels of each pixel and their
factors. Runs are rounded up to whole vectors; the surplus is overwritten by the next run or lies beyond the band. The
second pass fetches the texels of whole bands, since most runs are shorter than a vector.
"""

from typing import NamedTuple

import numpy as np

from envs.render.memory import compiled, inlined, noalias, prefetch, read, texel, write
from envs.render.packed import COLOUR, GRADIENT, IMAGE, OBJECT, PLANE, TEXELS, TEXTURE, U, V
from envs.render.raster import HALF, ONE, VECTOR, ZERO, Projection, Scratch
from envs.render.sampling import ACROSS, DOWN, FIXED, REPEAT, Number, f32, i32, place
from envs.render.textures import HEADER

SETUPS = 256  # size of the cache of triangle setups
RED, GREEN, BLUE, AREA = 8, 12, 16, 20  # columns of a setup, after U and V
OWNER, PLAIN, PICTURE = 0, 1, 2  # columns of an owner: triangle, uniform colour or -1, texture or -1
MIP_SPAN = 16  # pixels with a common mipmap level
BYTE = np.uint32(0xFF)
RED_AND_BLUE, GREEN_ALONE = np.uint32(0xFF00FF), np.uint32(0x00FF00)
WHITE = f32(255)
OF_WHITE = f32(1 / 255)
BAND = 16  # lines shaded together, few enough for the cache
AHEAD = 12  # prefetch distance in runs
u32 = np.uint32

Along = tuple[Number, Number, Number]  # a, b, c of (a + b x) z + c at pixel x and depth z
Colours = tuple[Along, Along, Along]


class LabelChannels(NamedTuple):
    """Images to draw besides colours and depth."""

    semantic: bool
    category: bool


class Appearance(NamedTuple):
    """Colours, textures and labels of the triangles of a scene: arrays of `PackedScene`."""

    surfaces: np.ndarray  # (T, 4) int32
    mappings: np.ndarray  # (M, 16) float32
    gradients: np.ndarray  # (G, 12) float32
    textures: np.ndarray  # (textures, 6) int64
    categories: np.ndarray  # (objects + 1,) uint8


@compiled
def shade(
    looks: Appearance, view: np.ndarray, lens: Projection, scratch: Scratch, rgb: np.ndarray, depth: np.ndarray
) -> None:
    """Compute colours (H, W, 3) and depth (H, W, 1) in metres of one view from the visibility buffer in `scratch`."""
    width, runs = lens.width, scratch.runs
    scratch.owners[:, OWNER] = -1
    for top in range(0, lens.height, BAND):
        bottom = min(top + BAND, lens.height)
        numbers = scratch.numbers[top * width : bottom * width]
        _depths(scratch.depths[top * width : bottom * width], scratch.metres, depth[top:bottom])
        count = _find_runs(numbers, runs, width)
        for i in range(count):
            start, stop = runs[i], runs[i + 1]
            _send_for(looks, numbers[runs[min(i + AHEAD, count - 1)]], numbers[runs[min(i + 2 * AHEAD, count - 1)]])
            _run(numbers[start], looks, view, lens, scratch, top, start, stop)
        _colour(scratch, len(numbers))
        _unpack(scratch.colours, rgb[top:bottom])


@inlined
def _send_for(looks: Appearance, soon: Number, later: Number) -> None:
    """Prefetch the inputs of the setups of two triangles; waiting for them would double the time."""
    prefetch(looks.surfaces, max(later, i32(0)))
    surface = looks.surfaces[max(soon, i32(0))]
    prefetch(looks.gradients, max(surface[GRADIENT], i32(0)))
    prefetch(looks.mappings, max(surface[TEXTURE], i32(0)))


@inlined
def _find_runs(numbers: np.ndarray, runs: np.ndarray, width: int) -> int:
    """Fill `runs` with the first pixel of each run and the first after the last, without branches; returns how many."""
    count = 0
    for first in range(0, len(numbers), width):
        runs[count] = first
        count += 1
        for pixel in range(first + 1, first + width):
            runs[count] = pixel
            count += numbers[pixel] != numbers[pixel - 1]
    runs[count] = len(numbers)
    return count


@noalias
def _depths(inverse: np.ndarray, metres: np.ndarray, depth: np.ndarray) -> None:
    flat = depth.reshape(-1)
    for i in range(len(flat)):
        z = inverse[i]
        far = ONE / z if z > ZERO else ZERO
        metres[i] = far
        flat[i] = far


@noalias
def _unpack(colours: np.ndarray, rgb: np.ndarray) -> None:
    flat = rgb.reshape(-1, 3)
    for i in range(len(flat)):
        colour = colours[i]
        flat[i, 0] = np.uint8(colour & BYTE)
        flat[i, 1] = np.uint8((colour >> u32(8)) & BYTE)
        flat[i, 2] = np.uint8((colour >> u32(16)) & BYTE)


@inlined
def _run(
    triangle: int, looks: Appearance, view: np.ndarray, lens: Projection, scratch: Scratch, top: int, start: int,
    stop: int,
) -> None:  # fmt: skip
    """Compute texel addresses and factors of a run of pixels of one triangle, in the band of lines from `top` on."""
    end = start + ((stop - start + VECTOR - 1) & -VECTOR)
    if triangle < 0:
        _plain(scratch, start, end, u32(0))
        return
    place = triangle & (SETUPS - 1)
    setup, owner = scratch.setups[place], scratch.owners[place]
    if owner[OWNER] != triangle:
        _set_up(triangle, looks, view, lens, setup, owner)
    if owner[PLAIN] >= 0:
        _plain(scratch, start, end, u32(owner[PLAIN]))
        return
    y = start // lens.width
    down, base = f32(i32(top + y)), y * lens.width
    colours = _along(setup, RED, down), _along(setup, GREEN, down), _along(setup, BLUE, down)
    if owner[PICTURE] < 0:
        _tint(scratch, base, start, end, colours, WHITE)
        _untextured(scratch, start, end)
        return
    _tint(scratch, base, start, end, colours, ONE)
    texture, along_u, along_v = looks.textures[owner[PICTURE]], _along(setup, U, down), _along(setup, V, down)
    repeats = texture[ACROSS] == REPEAT and texture[DOWN] == REPEAT
    while start < stop:
        part = min(start + MIP_SPAN, end)
        middle = scratch.metres[min((start + part) // 2, stop - 1)]
        texels = setup[AREA] * middle * middle * middle
        if repeats:
            _map(scratch, base, start, part, texture, texels, along_u, along_v)
        else:
            _map_wrapped(scratch, base, start, part, texture, texels, along_u, along_v)
        start = part


@inlined
def _set_up(
    triangle: int, looks: Appearance, view: np.ndarray, lens: Projection, setup: np.ndarray, owner: np.ndarray
) -> None:
    """Fill the setup (24,) of a triangle of a view, which all its runs share, and its owner (4,).

    Texture coordinates and colours are (a + b x + c y) z + d at pixel (x, y) and depth z, four numbers from a column.
    Colours are 0 to 255, or 0 to 1 if they are multiplied by texels.
    """
    surface = looks.surfaces[triangle]
    packed, gradient, mapping = u32(surface[COLOUR]), surface[GRADIENT], surface[TEXTURE]
    owner[OWNER], owner[PLAIN], owner[PICTURE] = triangle, -1, -1
    if gradient < 0 and mapping < 0:
        owner[PLAIN] = surface[COLOUR]
        return
    for channel in range(3):
        column = RED + 4 * channel
        if gradient >= 0:
            on_pixels(looks.gradients[gradient], 4 * channel, view, lens, setup, column)
        else:
            setup[column] = setup[column + 1] = setup[column + 2] = ZERO
            setup[column + 3] = f32((packed >> u32(8 * channel)) & BYTE)
    if mapping >= 0:
        row = looks.mappings[mapping]
        for column in range(RED, RED + 12):
            setup[column] *= OF_WHITE
        on_pixels(row, U, view, lens, setup, U)
        on_pixels(row, V, view, lens, setup, V)
        plane = row[PLANE] * view[0] + row[PLANE + 1] * view[1] + row[PLANE + 2] * view[2] - row[PLANE + 3]
        # A pixel at depth z covers z^3 / (focal^2 * distance of the plane) square metres.
        setup[AREA] = row[TEXELS] / (lens.focal * lens.focal * max(abs(plane), f32(1e-6)))
        owner[PICTURE] = int(row[IMAGE])


@inlined
def on_pixels(row: np.ndarray, source: int, view: np.ndarray, lens: Projection, setup: np.ndarray, target: int) -> None:
    """Transform an affine function of world coordinates to pixels of a view; four numbers from column `target`."""
    x, y, z, pixel = row[source], row[source + 1], row[source + 2], ONE / lens.focal
    right = (x * view[3] + y * view[4] + z * view[5]) * pixel
    up = (x * view[6] + y * view[7] + z * view[8]) * pixel
    ahead = x * view[9] + y * view[10] + z * view[11]
    setup[target] = ahead - right * (f32(lens.width) * HALF - HALF) + up * (f32(lens.height) * HALF - HALF)
    setup[target + 1] = right
    setup[target + 2] = -up
    setup[target + 3] = x * view[0] + y * view[1] + z * view[2] + row[source + 3]


@inlined
def _along(setup: np.ndarray, column: int, y: Number) -> Along:
    """Restrict one of the functions of a setup to a line of pixels."""
    return setup[column] + setup[column + 2] * y, setup[column + 1], setup[column + 3]


@noalias
def _plain(scratch: Scratch, start: int, stop: int, colour: Number) -> None:
    red, green, blue = i32(colour & BYTE), i32((colour >> u32(8)) & BYTE), i32((colour >> u32(16)) & BYTE)
    for i in range(start, stop):
        write(scratch.red, i, f32(red))
        write(scratch.green, i, f32(green))
        write(scratch.blue, i, f32(blue))
    _untextured(scratch, start, stop)


@noalias
def _untextured(scratch: Scratch, start: int, stop: int) -> None:
    for i in range(start, stop):
        write(scratch.u, i, i32(0))
        write(scratch.v, i, i32(0))
        write(scratch.masks, i, i32(0))
        write(scratch.texels, i, scratch.one)


@inlined
def _shade_of(along: Along, x: Number, z: Number, most: Number) -> Number:
    return min(max((along[0] + along[1] * x) * z + along[2], ZERO), most)


@inlined
def _packed(red: Number, green: Number, blue: Number) -> Number:
    return u32(i32(red + HALF)) | u32(u32(i32(green + HALF)) << u32(8)) | u32(u32(i32(blue + HALF)) << u32(16))


@noalias
def _tint(scratch: Scratch, base: int, start: int, stop: int, colours: Colours, most: Number) -> None:
    for i in range(start, stop):
        x, z = f32(i32(i - base)), read(scratch.metres, i)
        write(scratch.red, i, _shade_of(colours[0], x, z, most))
        write(scratch.green, i, _shade_of(colours[1], x, z, most))
        write(scratch.blue, i, _shade_of(colours[2], x, z, most))


@noalias
def _map(
    scratch: Scratch, base: int, start: int, stop: int,
    texture: np.ndarray, texels: Number, along_u: Along, along_v: Along,
) -> None:  # fmt: skip
    """Compute texture coordinates in the mipmap level whose texels have the size of the pixels."""
    level = _level(texels)
    wide, high = i32(max(texture[1] - level, 0)), i32(max(texture[2] - level, 0))
    address = texture[0] + 4 * np.int64(texel(texture[0], i32(level)))
    masks = i32(i32((1 << wide) - 1) | i32(((1 << high) - 1) << 16))
    scale_u, scale_v = f32(i32(1 << (wide + FIXED))), f32(i32(1 << (high + FIXED)))
    u0, u1, u2 = along_u[0] * scale_u, along_u[1] * scale_u, along_u[2] * scale_u - f32(1 << (FIXED - 1))
    v0, v1, v2 = along_v[0] * scale_v, along_v[1] * scale_v, along_v[2] * scale_v - f32(1 << (FIXED - 1))
    for i in range(start, stop):
        x, z = f32(i32(i - base)), read(scratch.metres, i)
        write(scratch.u, i, i32((u0 + u1 * x) * z + u2))
        write(scratch.v, i, i32((v0 + v1 * x) * z + v2))
        write(scratch.masks, i, masks)
        write(scratch.texels, i, address)


@noalias
def _map_wrapped(
    scratch: Scratch, base: int, start: int, stop: int,
    texture: np.ndarray, texels: Number, along_u: Along, along_v: Along,
) -> None:  # fmt: skip
    """Do the same as `_map` for textures that do not repeat in both directions."""
    level = _level(texels)
    wide, high = i32(max(texture[1] - level, 0)), i32(max(texture[2] - level, 0))
    address = texture[0] + 4 * np.int64(texel(texture[0], i32(level)))
    masks = i32(i32((1 << wide) - 1) | i32(((1 << high) - 1) << 16))
    for i in range(start, stop):
        x, z = f32(i32(i - base)), read(scratch.metres, i)
        write(scratch.u, i, i32(place((along_u[0] + along_u[1] * x) * z + along_u[2], wide, texture[ACROSS])))
        write(scratch.v, i, i32(place((along_v[0] + along_v[1] * x) * z + along_v[2], high, texture[DOWN])))
        write(scratch.masks, i, masks)
        write(scratch.texels, i, address)


@inlined
def _level(texels: Number) -> int:
    """Return the mipmap level for pixels of a number of texels: half its logarithm, rounded, from its exponent."""
    doubled = int(f32(texels).view(np.int32) >> 23) - 126
    return min(max(doubled, 0) >> 1, HEADER - 1)


@noalias
def _colour(scratch: Scratch, count: int) -> None:
    """Multiply the factors by the bilinear mean of four texels."""
    for i in range(count):
        u, v, masks = read(scratch.u, i), read(scratch.v, i), u32(read(scratch.masks, i))
        address = read(scratch.texels, i)
        mask_x, mask_y = i32(masks & u32(0xFFFF)), i32(masks >> u32(16))
        column, row, step = i32(u >> i32(FIXED)), i32(v >> i32(FIXED)), i32(mask_x + i32(1))
        left, right = i32(column & mask_x), i32(i32(column + i32(1)) & mask_x)
        top, bottom = i32(i32(row & mask_y) * step), i32(i32(i32(row + i32(1)) & mask_y) * step)
        across, down = u32(u & i32(255)), u32(v & i32(255))
        upper = _between(texel(address, i32(top + left)), texel(address, i32(top + right)), across)
        lower = _between(texel(address, i32(bottom + left)), texel(address, i32(bottom + right)), across)
        mean = u32(_between(upper, lower, down))
        red, green, blue = i32(mean & BYTE), i32(u32(mean >> u32(8)) & BYTE), i32(u32(mean >> u32(16)) & BYTE)
        colour = _packed(
            f32(red) * read(scratch.red, i), f32(green) * read(scratch.green, i), f32(blue) * read(scratch.blue, i)
        )
        write(scratch.colours, i, u32(colour))


@inlined
def _between(first: Number, second: Number, share: Number) -> Number:
    """Interpolate two packed colours, with weight share / 256 of the second; red and blue share one number."""
    rest = u32(u32(256) - share)
    odd = u32(u32(u32(first & RED_AND_BLUE) * rest) + u32(u32(second & RED_AND_BLUE) * share))
    even = u32(u32(u32(u32(first >> u32(8)) & BYTE) * rest) + u32(u32(u32(second >> u32(8)) & BYTE) * share))
    return u32(u32(odd >> u32(8)) & RED_AND_BLUE) | u32(even & GREEN_ALONE)


@inlined
def label(
    looks: Appearance, numbers: np.ndarray, semantic: np.ndarray, category: np.ndarray, wanted: LabelChannels
) -> None:
    """Draw object ids (H, W) and categories (H, W) of one view, as wanted; pixels without a surface are 0."""
    height, width = semantic.shape
    for y in range(height):
        for x in range(width):
            triangle = numbers[y * width + x]
            item = looks.surfaces[triangle, OBJECT] if triangle >= 0 else i32(0)
            if wanted.semantic:
                semantic[y, x] = item
            if wanted.category:
                category[y, x] = looks.categories[item] if triangle >= 0 else np.uint8(0)
