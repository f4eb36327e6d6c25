"""Which part of a building a figure shows, and where on the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MARGIN = 2.5  # metres around what happened
SMALLEST = 9.0  # metres: less context than this is hard to place
LARGEST_SCALE = 0.55  # inches a metre
MAP_WIDTH = 5.6  # inches
MAP_HEIGHT = 5.8
TITLE = 0.22  # above each panel
GUTTER = 0.1


@dataclass(frozen=True)
class Window:
    """A rectangle on the map, in metres."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def width(self) -> float:
        """Extent along x."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Extent along y."""
        return self.top - self.bottom


@dataclass(frozen=True)
class Grid:
    """Panels of one size in rows and columns.

    Attributes:
        columns: Panels beside one another.
        rows: Panels above one another.
        scale: Inches a metre.
        width: Of all panels, inches.
        height: Of all panels and their titles, inches.
    """

    columns: int
    rows: int
    scale: float
    width: float
    height: float


def frame(points: np.ndarray, limits: np.ndarray) -> Window:
    """The window around points, no larger than a building asks for and no smaller than the eye does.

    Args:
        points: (N, 2) positions in metres that must be seen.
        limits: (V, 2) positions of the whole building.
    """
    low, high = points.min(axis=0) - MARGIN, points.max(axis=0) + MARGIN
    outer_low, outer_high = limits.min(axis=0) - MARGIN, limits.max(axis=0) + MARGIN
    low = np.minimum(np.maximum(low, outer_low), points.min(axis=0) - 0.5)
    high = np.maximum(np.minimum(high, outer_high), points.max(axis=0) + 0.5)
    missing = np.maximum(SMALLEST - (high - low), 0) / 2
    (left, bottom), (right, top) = low - missing, high + missing
    return Window(float(left), float(bottom), float(right), float(top))


def arrange(panels: int, window: Window) -> Grid:
    """The arrangement of panels that shows them largest."""
    return max((_grid(panels, columns, window) for columns in range(1, panels + 1)), key=lambda grid: grid.scale)


def _grid(panels: int, columns: int, window: Window) -> Grid:
    rows = math.ceil(panels / columns)
    across = (MAP_WIDTH - (columns - 1) * GUTTER) / columns / window.width
    up = (MAP_HEIGHT - rows * TITLE) / rows / window.height
    scale = min(across, up, LARGEST_SCALE)
    width = columns * window.width * scale + (columns - 1) * GUTTER
    return Grid(columns, rows, scale, width, rows * (window.height * scale + TITLE))


def scale_bar(window: Window) -> float:
    """A round length in metres of about a fifth of the window."""
    lengths: Sequence[float] = (1, 2, 5, 10, 20)
    return min(lengths, key=lambda length: abs(math.log(length / (window.width / 5))))
