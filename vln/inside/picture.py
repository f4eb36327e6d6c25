"""Figures as small pictures, which a page or a repository can carry."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from vln.files import replacing

DPI = 140
COLOURS = 128


def save_small(figure: Figure, path: Path) -> None:
    """Write a figure as PNG of few colours, whole or not at all.

    Raises:
        InputError: If the folder cannot be written.
    """
    figure.set_dpi(DPI)
    canvas: Any = figure.canvas
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    with replacing(path) as temporary:
        picture.quantize(COLOURS).save(temporary, "PNG", optimize=True)
