"""Pictures in terminals: each character shows two pixels, one above the other, in 24-bit colours."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.style import Style
from rich.text import Text

UPPER = "▀"


@dataclass(frozen=True)
class Pictures:
    """Pictures (H, W, 3) uint8 side by side under their captions; nothing on a terminal without colours."""

    shown: Sequence[tuple[str, np.ndarray]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the parts for rich to print."""
        if console.color_system is not None:
            yield ""
            parts = [Group(Text(caption, style="dim"), picture_text(image)) for caption, image in self.shown]
            yield Columns(parts, padding=(0, 2))


def picture_text(image: np.ndarray) -> Text:
    """Convert a picture (H, W, 3) uint8 to text, one pixel per column and two per line; an odd last row is dropped."""
    text = Text(no_wrap=True, end="")
    for upper, lower in zip(image[:-1:2].tolist(), image[1::2].tolist(), strict=True):
        if text:
            text.append("\n")
        for above, below in zip(upper, lower, strict=True):
            text.append(UPPER, _style(tuple(above), tuple(below)))
    return text


def _style(above: tuple[int, ...], below: tuple[int, ...]) -> Style:
    return Style(color="#{:02x}{:02x}{:02x}".format(*above), bgcolor="#{:02x}{:02x}{:02x}".format(*below))


def shrink(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Scale a picture (H, W, 3) uint8 down to at most so many columns and rows, with its aspect ratio kept."""
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(2, round(image.shape[0] * scale))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
