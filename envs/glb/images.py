"""Decoding images of a glTF file as textures: 8 bits per channel, sides powers of two, bounded memory."""

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

from envs.glb.container import EXPORT_AGAIN, Container
from vln.errors import InputError

MAX_TEXTURE = 1024  # pixels per side
TEXTURE_BYTES = 48 << 20  # all textures of a scene; scans have hundreds of images of 4096 x 4096
MAX_PIXELS = 1 << 26  # pixels of a decoded image, 4 bytes each: 8192 x 8192
# The formats of glTF by their first bytes. Untrusted files must not reach pillow's other decoders.
_READERS: dict[bytes, Callable[[io.BytesIO], ImageFile]] = {
    b"\x89PNG\r\n\x1a\n": PngImageFile,
    b"\xff\xd8\xff": JpegImageFile,
    b"RIFF": WebPImageFile,
}
_BROKEN = (OSError, ValueError, SyntaxError, LookupError, TypeError, struct.error, Image.DecompressionBombError)


class DecodedImage(NamedTuple):
    """Colours (h, w, 3) uint8 and alpha (h, w) uint8, if the image is not opaque; sides are powers of two."""

    colours: np.ndarray
    alpha: np.ndarray | None


def read_textures(container: Container, images: Sequence[int]) -> list[DecodedImage]:
    """Decode images of the file; they are scaled down until their colours fit into `TEXTURE_BYTES`.

    An InputError is raised for one that is not PNG, JPEG or WebP, is damaged, or has more than `MAX_PIXELS`.
    """
    sizes = [_open(container, index).size for index in images]
    side = MAX_TEXTURE
    while side > 1 and sum(3 * np.prod(_fitting(size, side)) for size in sizes) > TEXTURE_BYTES:
        side //= 2
    return [_pixels(container, index, _fitting(size, side)) for index, size in zip(images, sizes, strict=True)]


def _open(container: Container, index: int) -> Image.Image:
    """Open an image without decoding its pixels.

    `Image.open` is not used because it checks the number of pixels before a JPEG is scaled down.
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
    """Round width and height to powers of two, at most `side`."""
    width, height = (min(side, 1 << round(np.log2(length))) for length in size)
    return width, height


def _pixels(container: Container, index: int, size: tuple[int, int]) -> DecodedImage:
    """Decode an image. Colours and alpha are resized separately, so transparent pixels keep their colour."""
    picture = _open(container, index)
    picture.draft("RGB", size)  # decodes a JPEG at a half, a quarter or an eighth of its size
    width, height = picture.size
    if width * height > MAX_PIXELS:
        problem = f"texture {container.image_name(index)} has {width:,} x {height:,} pixels, more than {MAX_PIXELS:,}"
        raise InputError(container.path, problem, "make it smaller, or write it as JPEG")
    try:
        colours, alpha = _channels(picture)
    except _BROKEN as error:
        problem = f"texture {container.image_name(index)} is damaged ({error})"
        raise InputError(container.path, problem, EXPORT_AGAIN) from None
    return DecodedImage(_resized(colours, size), None if alpha is None else _resized(alpha, size))


def _channels(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return colours and alpha of an image of any mode; alpha is None if the image is opaque."""
    picture.load()
    if picture.mode == "RGB" and not picture.has_transparency_data:
        return picture, None  # avoids the copy of a conversion
    if picture.mode.startswith("I"):  # grey of 16 bits, which pillow would clip at 255 instead of scaling
        values: Any = np.asarray(picture)
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB"), None
    if not picture.has_transparency_data:
        return picture.convert("RGB"), None
    alpha = picture.convert("RGBA").getchannel("A")
    return picture.convert("RGB"), None if alpha.getextrema()[0] == 255 else alpha


def _resized(picture: Image.Image, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(picture if picture.size == size else picture.resize(size, Image.Resampling.BOX))
