"""Layout of maps: the part of a building that is shown, and its place on the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MARGIN = 2.5  # metres around the paths
MIN_EXTENT = 9.0  # metres: a smaller map shows too little context
MAX_SCALE = 0.55  # inches per metre
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
    """Panels of one size in rows and columns; `scale` is in inches per metre, the size of all together in inches."""

    columns: int
    rows: int
    scale: float
    width: float
    height: float


def frame(points: np.ndarray, limits: np.ndarray) -> Window:
    """Return the window around points (N, 2), at least `MIN_EXTENT` wide and otherwise within the building's (V, 2)."""
    low, high = points.min(axis=0) - MARGIN, points.max(axis=0) + MARGIN
    outer_low, outer_high = limits.min(axis=0) - MARGIN, limits.max(axis=0) + MARGIN
    low = np.minimum(np.maximum(low, outer_low), points.min(axis=0) - 0.5)
    high = np.maximum(np.minimum(high, outer_high), points.max(axis=0) + 0.5)
    missing = np.maximum(MIN_EXTENT - (high - low), 0) / 2
    (left, bottom), (right, top) = low - missing, high + missing
    return Window(float(left), float(bottom), float(right), float(top))


def arrange(panels: int, window: Window) -> Grid:
    """Return the arrangement that shows the panels largest."""
    return max((_grid(panels, columns, window) for columns in range(1, panels + 1)), key=lambda grid: grid.scale)


def _grid(panels: int, columns: int, window: Window) -> Grid:
    rows = math.ceil(panels / columns)
    across = (MAP_WIDTH - (columns - 1) * GUTTER) / columns / window.width
    up = (MAP_HEIGHT - rows * TITLE) / rows / window.height
    scale = min(across, up, MAX_SCALE)
    width = columns * window.width * scale + (columns - 1) * GUTTER
    return Grid(columns, rows, scale, width, rows * (window.height * scale + TITLE))


def scale_bar(window: Window) -> float:
    """Return a round length in metres of about a fifth of the window."""
    lengths: Sequence[float] = (1, 2, 5, 10, 20)
    return min(lengths, key=lambda length: abs(math.log(length / (window.width / 5))))
