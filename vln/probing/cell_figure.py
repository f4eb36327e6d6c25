"""The figure of cells: coloured text, and a histogram of activations where the predicate holds and elsewhere."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from vln.figures import DPI
from vln.probing.cell_text import Line, ShownCell, shade
from vln.replay import style

WIDTH, EDGE = 620.0, 14.0  # points
TEXT = 430.0  # width of the coloured text
SIDE = 110.0  # width of the histogram
SIZE, LEADING = 8.0, 12.5
TITLE, GAP = 15.0, 12.0
MIN_HEIGHT = 44.0  # of a histogram
BINS = 24


def draw_cells(title: str, cells: Sequence[ShownCell]) -> Figure:
    """Draw one block per cell below the title."""
    heights = [_height(cell) for cell in cells]
    height = 2 * EDGE + 2 * TITLE + sum(heights) + GAP * len(cells)
    figure = Figure(figsize=(WIDTH / style.POINTS, height / style.POINTS), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    axes.axis("off")
    style.draw_text(axes, EDGE, EDGE + 8, title, size=11, weight="bold")
    y = EDGE + 2 * TITLE
    for cell, tall in zip(cells, heights, strict=True):
        _draw_text(axes, cell, y)
        box = (WIDTH - EDGE - SIDE) / WIDTH, 1 - (y + tall) / height, SIDE / WIDTH, (tall - 4) / height
        _draw_values(figure.add_axes(box), cell)
        y += tall + GAP
    return figure


def _height(cell: ShownCell) -> float:
    rows = sum(len(_wrapped(line)) for line in cell.lines)
    return max(TITLE + LEADING * rows + 4 * len(cell.lines), MIN_HEIGHT)


def _wrapped(line: Line) -> list[list[style.Placed]]:
    return style.wrap(line.tokens, SIZE, TEXT, DPI)


def _draw_text(axes: Axes, cell: ShownCell, y: float) -> None:
    style.draw_text(axes, EDGE, y + 8, cell.title, size=8.5, weight="bold")
    y += TITLE
    for line in cell.lines:
        place = 0
        for row in _wrapped(line):
            for placed in row:
                share = float(line.values[place]) / cell.scale
                _word(axes, placed, y, share, bool(line.holds[place]))
                place += 1
            y += LEADING
        y += 4


def _word(axes: Axes, placed: style.Placed, y: float, share: float, holds: bool) -> None:
    left, width = EDGE + placed.x - 1, placed.width + 2
    colour = tuple(part / 255 for part in shade(share))
    axes.add_patch(Rectangle((left, y), width, SIZE + 2.5, fc=colour, ec="none"))
    if holds:
        axes.add_patch(Rectangle((left, y + SIZE + 2.5), width, 1.2, fc=style.INK, ec="none"))
    style.draw_text(axes, EDGE + placed.x, y + SIZE, placed.word, size=SIZE)


def _draw_values(axes: Axes, cell: ShownCell) -> None:
    """Draw the histogram of the activations where the predicate is above its mean, and elsewhere."""
    holds = cell.predicate > cell.predicate.mean()
    bins = np.linspace(cell.values.min(), cell.values.max() + 1e-6, BINS).tolist()
    for mask, colour, label in ((~holds, style.DEMONSTRATION, "elsewhere"), (holds, style.AGENTS[1], "holds")):
        if mask.any():
            look: dict[str, Any] = {"color": colour, "alpha": 0.7, "label": label, "density": True}
            axes.hist(cell.values[mask], bins, **look)
    axes.set_yticks([])
    axes.tick_params(labelsize=5.5, length=2, colors=style.FAINT)
    for name, spine in axes.spines.items():
        spine.set(visible=name == "bottom", color=style.RULE)
    axes.legend(fontsize=5.5, frameon=False, loc="upper left", borderpad=0, handlelength=0.8)
