"""Colours, fonts and sizes of the figures; lengths are in points (1/72 inch) unless said otherwise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text

from vln.replay.fonts import drawable, families

POINTS = 72  # an inch
DPI = 200  # of still figures

# Okabe & Ito 2008, "Color Universal Design": distinguishable with any colour vision.
AGENTS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
LETTERS = "BCDEFG"
DEMONSTRATION = "#a6a6a6"
GOAL = "#F0E442"
TARGET = "#f2b705"  # outline of the target object
ATTENTION = "#ff8c00"  # attention, in all figures, pages and terminals
WALL = "#4a4a4f"
INK = "#222222"
FAINT = "#6b6b6b"
RULE = "#d0d0d0"
EDGE = "#b9b9b9"
VIEWPOINT = "#a3a3a3"
ROOM_NAME = "#7d7d7d"

BAND = 6.5  # width of the demonstration
LINE = 2.0  # width of an executed path
PATH_SPACING = 2.6  # between neighbouring executed paths
FRAME = 0.25  # between a letter on a map and its frame, in sizes of the letter

CIRCLE: dict[str, Any] = {"fill": False, "ec": INK, "lw": 0.8, "ls": (0, (3.5, 2.5))}  # around the goal

CANDIDATE_ALPHA = 0.35
FLOOR_SPACE = "#f3f3f1"
_TINTS = {
    "#eceef4": "h s e",  # passing through
    "#dfeaf5": "b c",  # sleeping
    "#dcefec": "a t j S",  # water
    "#fbf0d6": "k d D B",  # eating
    "#f6e6e0": "f l n v r i",  # living
    "#e6e1f0": "o m C w",  # working
    "#e6efd9": "p x y",  # outdoors
}
ROOM_TINTS = {letter: tint for tint, letters in _TINTS.items() for letter in letters.split()}


_PURPOSES = {
    "h": "hallway|entryway|landing",
    "b": "bedroom|kids room|nursery",
    "a": "bathroom|laundry room",
    "k": "kitchen|dining room",
    "l": "living room|library|music room",
    "o": "office|gym|storage room|garage",
}
PURPOSE_TINTS = {name: ROOM_TINTS[letter] for letter, names in _PURPOSES.items() for name in names.split("|")}


def draw_text(axes: Axes, x: float, y: float, text: str, **look: Any) -> Text:
    """Write a line of text in fonts that have its letters; a dollar sign in an instruction starts no formula."""
    return axes.text(x, y, drawable(text), family=families(text), parse_math=False, **{"color": INK, **look})


@lru_cache(maxsize=8192)
def text_width(text: str, size: float, dpi: float = DPI, weight: str = "normal") -> float:
    """Return the width of a line of text in points at a resolution, which matters because of hinting."""
    width, _, _ = _renderer(dpi).get_text_width_height_descent(
        drawable(text), FontProperties(family=families(text), size=size, weight=weight), ismath=False
    )
    return float(width * POINTS / dpi)


@lru_cache
def _renderer(dpi: float) -> Any:
    make: Any = RendererAgg  # untyped in matplotlib
    return make(1, 1, dpi)


@dataclass(frozen=True, slots=True)
class Placed:
    """A word on its line: its distance from the left and its width, in points."""

    word: str
    x: float
    width: float


def wrap(words: Sequence[str], size: float, width: float, dpi: float) -> list[list[Placed]]:
    """Break words into lines that fit a width in points.

    Punctuation follows the word before it without a space, and stays on its line.
    """
    space = text_width("a a", size, dpi) - 2 * text_width("a", size, dpi)
    lines: list[list[Placed]] = [[]]
    x = 0.0
    for word in (shorten(word, size, width) for word in words):
        joined, length = follows_closely(word), text_width(word, size, dpi)
        start = x if joined or not lines[-1] else x + space
        if lines[-1] and not joined and start + length > width:
            lines.append([])
            start = 0.0
        lines[-1].append(Placed(word, start, length))
        x = start + length
    return lines


def follows_closely(word: str) -> bool:
    """Whether a word is punctuation that follows the word before it without a space."""
    return bool(word) and all(letter in ".,;:!?)" for letter in word)


def shorten(text: str, size: float, width: float, weight: str = "normal") -> str:
    """Return the text, or as much of its beginning as fits a width with an ellipsis."""
    if text_width(text, size, weight=weight) <= width:
        return text
    while text and text_width(text + "…", size, weight=weight) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def score_text(name: str, value: float) -> str:
    """Format a score of one episode; success is yes or no."""
    if name in ("SR", "OSR"):
        return "yes" if value else "no"
    if math.isinf(value):
        return "no way"
    return f"{value:.1f}" if name in ("NE", "TL") else f"{value:.2f}"


def distance_text(metres: float | None, to: str = " to goal") -> str:
    """Format the distance to the goal: empty if it is withheld, "no way" if the goal cannot be reached."""
    return "" if metres is None else f"{'no way' if math.isinf(metres) else f'{metres:.1f} m'}{to}"
