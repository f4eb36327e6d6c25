"""Pictures of a glTF file as textures: 8 bits a channel, sides powers of two, in bounded memory."""

import io
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from envs.glb.container import AGAIN, Container
from vln.errors import InputError

MAX_TEXTURE = 1024  # pixels a side
TEXTURE_BYTES = 48 << 20  # of a scene together; scans come with hundreds of images of 4096 x 4096
MAX_PIXELS = 1 << 26  # of a picture as it is decoded, 4 bytes each: 8192 x 8192
# What glTF allows, by the first bytes; pillow's other decoders are not for files of strangers.
_READERS: dict[bytes, Callable[[io.BytesIO], ImageFile]] = {
    b"\x89PNG\r\n\x1a\n": PngImageFile,
    b"\xff\xd8\xff": JpegImageFile,
    b"RIFF": WebPImageFile,
}
_BROKEN = (OSError, ValueError, SyntaxError, LookupError, TypeError, struct.error, Image.DecompressionBombError)


class Picture(NamedTuple):
    """A picture whose sides are powers of two.

    Attributes:
        colours: (h, w, 3) uint8.
        alpha: (h, w) uint8; None where all is opaque.
    """

    colours: np.ndarray
    alpha: np.ndarray | None


def read_textures(container: Container, images: Sequence[int]) -> list[Picture]:
    """Images of the file, their colours together no more than `TEXTURE_BYTES`.

    Raises:
        InputError: If one is no PNG, JPEG or WebP, is damaged, or has more pixels than can be decoded.
    """
    sizes = [_open(container, index).size for index in images]
    side = MAX_TEXTURE
    while side > 1 and sum(3 * np.prod(_fitting(size, side)) for size in sizes) > TEXTURE_BYTES:
        side //= 2
    return [_pixels(container, index, _fitting(size, side)) for index, size in zip(images, sizes, strict=True)]


def _open(container: Container, index: int) -> Image.Image:
    """A picture whose pixels are not decoded yet.

    Not by `Image.open`, whose limit on pixels would be asked before a JPEG is scaled down.
    """
    content = container.image(index)
    reader = next((reader for start, reader in _READERS.items() if content.startswith(start)), None)
    try:
        if reader is not None:
            return reader(io.BytesIO(content))
    except _BROKEN:
        pass
    problem = f"texture {container.image_name(index)} is no picture"
    raise InputError(container.path, problem, "write it as PNG or JPEG")


def _fitting(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Width and height as powers of two, at most `side`."""
    width, height = (min(side, 1 << round(np.log2(length))) for length in size)
    return width, height


def _pixels(container: Container, index: int, size: tuple[int, int]) -> Picture:
    """Colours and alpha are resized apart: the colour of what is transparent counts as any other."""
    picture = _open(container, index)
    picture.draft("RGB", size)  # lets JPEG decode at a half, a quarter or an eighth
    width, height = picture.size
    if width * height > MAX_PIXELS:
        problem = f"texture {container.image_name(index)} has {width:,} x {height:,} pixels, more than {MAX_PIXELS:,}"
        raise InputError(container.path, problem, "make it smaller, or write it as JPEG")
    try:
        colours, alpha = _channels(picture)
    except _BROKEN as error:
        problem = f"texture {container.image_name(index)} is damaged ({error})"
        raise InputError(container.path, problem, AGAIN) from None
    return Picture(_resized(colours, size), None if alpha is None else _resized(alpha, size))


def _channels(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colours and alpha of a picture of any mode; alpha is None where all is opaque."""
    picture.load()
    if picture.mode == "RGB" and not picture.has_transparency_data:
        return picture, None  # without the copy that a conversion makes
    if picture.mode.startswith("I"):  # grey of 16 bits, which pillow would cut off at 255 rather than scale
        values: Any = np.asarray(picture)
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB"), None
    if not picture.has_transparency_data:
        return picture.convert("RGB"), None
    alpha = picture.convert("RGBA").getchannel("A")
    return picture.convert("RGB"), None if alpha.getextrema()[0] == 255 else alpha


def _resized(picture: Image.Image, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(picture if picture.size == size else picture.resize(size, Image.Resampling.BOX))
