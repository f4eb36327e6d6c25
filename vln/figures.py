"""Saving figures as small PNG files, which a page or a repository can carry."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from vln.files import replacing

DPI = 140
COLOURS = 128


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG of few colours, completely or not at all; `$` in texts starts no formula."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    figure.set_dpi(DPI)
    canvas: Any = FigureCanvasAgg(figure)  # matplotlib leaves its canvases untyped
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    with replacing(path) as temporary:
        image.quantize(COLOURS).save(temporary, "PNG", optimize=True)
