"""Colours, fonts and sizes of the figures; lengths are in points (1/72 inch) unless said otherwise."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

POINTS = 72  # an inch
FONT = "DejaVu Sans"  # ships with matplotlib, so that figures look the same everywhere

# Okabe & Ito 2008, "Color Universal Design": told apart with any colour vision.
AGENTS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
LETTERS = "BCDEFG"
DEMONSTRATION = "#8f8f8f"
GOAL = "#F0E442"
INK = "#222222"
FAINT = "#6b6b6b"
RULE = "#d0d0d0"
EDGE = "#b9b9b9"
VIEWPOINT = "#a3a3a3"
ROOM_NAME = "#7d7d7d"

BAND = 6.5  # width of the demonstration
LINE = 2.0  # width of an executed path
LANE = 2.6  # between neighbouring executed paths

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


@lru_cache(maxsize=8192)
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Width of a line of text in points."""
    properties = FontProperties(family=FONT, size=size, weight=weight)
    return float(TextToPath().get_text_width_height_descent(text, properties, ismath=False)[0])


def wrap(words: Sequence[str], size: float, width: float) -> list[list[tuple[float, str]]]:
    """Lines of words that fit a width, each word with its distance in points from the left.

    Punctuation follows the word before it without a space, and stays on its line.
    """
    space = text_width("a a", size) - 2 * text_width("a", size)
    lines: list[list[tuple[float, str]]] = [[]]
    x = 0.0
    for word in words:
        clings = _clings(word)
        start = x if clings or not lines[-1] else x + space
        if lines[-1] and not clings and start + text_width(word, size) > width:
            lines.append([])
            start = 0.0
        lines[-1].append((start, word))
        x = start + text_width(word, size)
    return lines


def _clings(word: str) -> bool:
    return bool(word) and all(letter in ".,;:!?)" for letter in word)


def shorten(text: str, size: float, width: float) -> str:
    """The text, or as much of its beginning as fits a width, with an ellipsis."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def letters(count: int) -> Iterable[tuple[str, str]]:
    """Letter and colour of each of so many agents."""
    return zip(LETTERS[:count], AGENTS[:count], strict=True)
