"""Parts shared by many pieces of furniture."""

from envs.houses.palette import METAL, Palette
from envs.houses.parts import Paint, Parts
from envs.houses.textures import TEXTURE

BOOKS = Paint(255, 255, 255, TEXTURE["books"], 0.5)
SCREEN = Paint(255, 255, 255, TEXTURE["screen"])
Span = tuple[float, float]


def legs(parts: Parts, width: float, depth: float, height: float, thick: float, paint: Paint, z: float = 0.0) -> None:
    """Add four tapered square legs at the corners of a piece whose back is at z."""
    for x in (-width / 2, width / 2 - thick):
        for back in (z, z + depth - thick):
            middle_x, middle_z, foot = x + thick / 2, back + thick / 2, thick * 0.35
            bottom = (middle_x - foot, middle_z - foot, middle_x + foot, middle_z + foot)
            parts.taper(bottom, (x, back, x + thick, back + thick), (0.0, height), paint)


def fronts(parts: Parts, x: Span, y: Span, z: float, columns: int, rows: int, paint: Paint) -> None:
    """Add drawers or doors with handles that protrude 1.5 cm from the front of a chest."""
    wide, high = (x[1] - x[0]) / columns, (y[1] - y[0]) / rows
    for column in range(columns):
        for row in range(rows):
            left, low = x[0] + column * wide, y[0] + row * high
            parts.box((left + 0.01, low + 0.01, z), (left + wide - 0.01, low + high - 0.01, z + 0.015), paint)
            middle_x, middle_y = left + wide / 2, low + high / 2
            if high > 0.6:  # a door has a vertical handle near its edge
                edge = left + wide - 0.06 if column % 2 == 0 else left + 0.04
                parts.box((edge, middle_y - 0.08, z), (edge + 0.02, middle_y + 0.08, z + 0.035), METAL)
            else:
                parts.box((middle_x - 0.06, middle_y - 0.01, z), (middle_x + 0.06, middle_y + 0.01, z + 0.035), METAL)


def shelves(parts: Parts, width: float, depth: float, y: Span, count: int, paint: Paint) -> list[float]:
    """Add an open case of `count` shelves with a back; returns the height of the top of each shelf."""
    thick = 0.025
    half = width / 2
    for left in (-half, half - thick):
        parts.box((left, y[0], 0), (left + thick, y[1], depth), paint)
    parts.box((-half + thick, y[0], 0), (half - thick, y[1], 0.015), paint.shaded(0.85))
    step = (y[1] - y[0] - thick) / count
    tops = []
    for index in range(count + 1):
        low = y[0] + index * step
        parts.box((-half + thick, low, 0.015), (half - thick, low + thick, depth), paint)
        tops.append(low + thick)
    return tops[:-1]


def book_row(palette: Palette, parts: Parts, x: Span, y: float, depth: float, high: float) -> None:
    """Add a row of books to a shelf."""
    if x[1] - x[0] < 0.12:
        return
    end = x[0] + (x[1] - x[0]) * (0.6 + 0.4 * palette.rng.random())
    parts.front_panel((x[0], end), (y, y + high), depth, BOOKS)
    parts.box((x[0], y, 0.03), (end, y + high * 0.85, depth - 0.005), Paint(200, 190, 170))
