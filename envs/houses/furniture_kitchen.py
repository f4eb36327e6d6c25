"""Furniture of kitchens, bathrooms and laundry rooms."""

from envs.houses.furniture_common import fronts
from envs.houses.furniture_living import stool
from envs.houses.palette import VIVID, NamedPaint, Palette
from envs.houses.parts import Paint, Parts
from envs.houses.piece import Piece
from envs.houses.textures import TEXTURE

COUNTER_DEPTH = 0.62
COUNTER_HEIGHT = 0.9
CERAMIC = Paint(250, 250, 248)


def fridge(palette: Palette) -> Piece:
    """A tall refrigerator with two doors, one above the other."""
    name, paint = palette.colour("white", "grey", "black", "red", "grey", "white", "blue", "turquoise")
    width, depth, height = palette.size(0.62, 0.75), 0.66, palette.size(1.7, 1.85)
    parts, half, front = Parts(), width / 2, depth - 0.05
    parts.box((-half, 0.03, 0), (half, height, front - 0.02), paint)
    split = height * 0.64
    for low, high in ((0.06, split - 0.01), (split + 0.01, height - 0.01)):
        parts.box((-half + 0.005, low, front - 0.02), (half - 0.005, high, front + 0.02), paint.shaded(1.03))
        middle = high - 0.12 if low < 1 else low + 0.28
        parts.box((-half + 0.04, middle - 0.2, front + 0.02), (-half + 0.065, middle, front + 0.05), palette.metal)
    return Piece("fridge", name, parts, width, depth, height, access=0.6)


def _base(parts: Parts, width: float, paint: Paint, top: Paint, columns: int) -> None:
    """Add a base cabinet with a worktop."""
    half, front = width / 2, COUNTER_DEPTH - 0.05
    parts.box((-half, 0.1, 0), (half, COUNTER_HEIGHT - 0.04, front), paint)
    parts.box((-half, 0, 0), (half, 0.1, front - 0.06), paint.shaded(0.5))
    parts.box((-half, COUNTER_HEIGHT - 0.04, 0), (half, COUNTER_HEIGHT, COUNTER_DEPTH), top)
    for low, high in ((0.12, 0.68), (0.69, 0.85)):
        fronts(parts, (-half + 0.005, half - 0.005), (low, high), front, columns, 1, paint.shaded(0.96))


def worktop(palette: Palette) -> Paint:
    """Choose the material of kitchen worktops."""
    paint = palette.colour("grey", "black", "beige", "white", "brown")[1]
    return paint.textured(TEXTURE[palette.one("granite", "marble", "wood")], 0.6)


def counter(palette: Palette, width: float, named: NamedPaint, top: Paint) -> Piece:
    """A section of kitchen counter, sometimes with an appliance or a pot on it."""
    parts = Parts()
    _base(parts, width, named[1], top, max(1, round(width / 0.55)))
    piece = Piece("kitchen counter", named[0], parts, width, COUNTER_DEPTH, COUNTER_HEIGHT)
    thing = palette.index(3)
    if thing == 0:
        paint = palette.colour("red", "grey", "black")[1]
        parts.box((-0.14, COUNTER_HEIGHT, 0.12), (0.14, COUNTER_HEIGHT + 0.2, 0.32), paint)
        parts.box((-0.1, COUNTER_HEIGHT + 0.2, 0.17), (0.1, COUNTER_HEIGHT + 0.21, 0.2), palette.dark)
    elif thing == 1:
        parts.tube((0, COUNTER_HEIGHT, 0.25), 0.2, 0.09, palette.metal, top=0.07)
        parts.tube((0, COUNTER_HEIGHT + 0.2, 0.25), 0.04, 0.02, palette.dark)
    return piece


def kitchen_sink(palette: Palette, width: float, named: NamedPaint, top: Paint) -> Piece:
    """A counter with a basin and a tap."""
    parts = Parts()
    _base(parts, width, named[1], top, 2)
    basin = Paint(196, 198, 202)
    parts.box((-0.26, COUNTER_HEIGHT, 0.1), (0.26, COUNTER_HEIGHT + 0.012, 0.54), basin)
    parts.top_panel((-0.22, 0.22), (0.16, 0.5), COUNTER_HEIGHT + 0.014, basin.shaded(0.55))
    parts.tube((0, COUNTER_HEIGHT, 0.09), 0.26, 0.018, palette.metal.shaded(1.1))
    parts.tube((0, COUNTER_HEIGHT + 0.25, 0.08), 0.2, 0.015, palette.metal.shaded(1.1), axis=2)
    return Piece("kitchen sink", named[0], parts, width, COUNTER_DEPTH, COUNTER_HEIGHT + 0.27)


def stove(palette: Palette) -> Piece:
    """A cooker with four plates, an oven and a hood above."""
    name, paint = palette.colour("white", "grey", "black", "red", "grey")
    half, front = 0.3, COUNTER_DEPTH - 0.05
    parts = Parts()
    parts.box((-half, 0.05, 0), (half, COUNTER_HEIGHT, front), paint)
    parts.box((-half, COUNTER_HEIGHT, 0), (half, COUNTER_HEIGHT + 0.012, front), palette.dark)
    for x in (-0.14, 0.14):
        for z, size in ((0.17, 0.09), (0.42, 0.07)):
            parts.tube((x, COUNTER_HEIGHT + 0.012, z), 0.01, size, Paint(96, 30, 26), sides=12)
    parts.box((-half + 0.04, 0.2, front), (half - 0.04, 0.66, front + 0.02), Paint(28, 28, 30))
    parts.box((-half + 0.04, 0.68, front), (half - 0.04, 0.71, front + 0.05), palette.metal)
    for index in range(4):
        parts.tube((-0.2 + index * 0.13, 0.8, front), 0.03, 0.025, palette.dark, axis=2)
    parts.taper((-half, 0, half, 0.46), (-0.14, 0, 0.14, 0.28), (1.62, 1.82), palette.metal)
    parts.box((-0.14, 1.82, 0), (0.14, 2.4, 0.28), palette.metal.shaded(0.95))
    return Piece("stove", name, parts, 0.6, COUNTER_DEPTH, 2.4)


def wall_cabinet(width: float, named: NamedPaint) -> Piece:
    """A wall cabinet above a counter; the underside is at y = 0."""
    name, paint = named
    parts, half = Parts(), width / 2
    parts.box((-half, 0.0, 0), (half, 0.62, 0.31), paint)
    fronts(parts, (-half, half), (0.01, 0.61), 0.31, max(1, round(width / 0.5)), 1, paint.shaded(0.96))
    return Piece("kitchen cabinet", name, parts, width, 0.345, 0.62)


def island(palette: Palette, named: NamedPaint, top: Paint) -> Piece:
    """A kitchen island with stools in front."""
    width = palette.size(1.2, 1.7)
    piece = counter(palette, width, named, top)
    for x in (-width / 2 + width * 0.25, -width / 2 + width * 0.75):
        piece.put(stool(palette, 0.65), x, 0, COUNTER_DEPTH + 0.08)
    piece.depth = COUNTER_DEPTH + 0.44
    return piece


def toilet(palette: Palette) -> Piece:
    """A toilet with its cistern."""
    parts = Parts()
    parts.box((-0.2, 0.38, 0), (0.2, 0.8, 0.18), CERAMIC)
    parts.box((-0.21, 0.8, 0), (0.21, 0.83, 0.2), CERAMIC.shaded(0.95))
    parts.tube((0, 0, 0.4), 0.36, 0.13, CERAMIC.shaded(0.95), top=0.19, flat=1.25, sides=12)
    seat = palette.colour("white", "white", "black", "brown", "blue", "pink")[1]
    parts.tube((0, 0.36, 0.42), 0.05, 0.2, seat, flat=1.25, sides=12)
    parts.box((-0.15, 0.0, 0.05), (0.15, 0.38, 0.3), CERAMIC)
    parts.box((-0.04, 0.83, 0.08), (0.04, 0.845, 0.13), palette.metal)
    return Piece("toilet", "white", parts, 0.42, 0.68, 0.85)


def bathtub(palette: Palette) -> Piece:
    """A bathtub full of water."""
    name, paint = palette.colour("white", "white", "white", "pink", "turquoise", "black", "beige")
    width, depth, rim = palette.size(1.55, 1.75), 0.75, 0.56
    parts, half = Parts(), width / 2
    parts.box((-half, 0, 0), (half, rim - 0.04, depth), paint.shaded(0.97))
    for low, high in (
        ((-half, 0.0), (half, 0.08)),
        ((-half, depth - 0.08), (half, depth)),
        ((-half, 0.08), (-half + 0.1, depth - 0.08)),
        ((half - 0.1, 0.08), (half, depth - 0.08)),
    ):
        parts.box((low[0], rim - 0.04, low[1]), (high[0], rim + 0.02, high[1]), paint)
    parts.top_panel((-half + 0.1, half - 0.1), (0.08, depth - 0.08), rim - 0.035, Paint(150, 205, 225))
    parts.tube((half - 0.16, rim, 0.05), 0.22, 0.02, palette.metal)
    parts.tube((half - 0.16, rim + 0.2, 0.05), 0.16, 0.015, palette.metal, axis=2)
    return Piece("bathtub", name, parts, width, depth, rim + 0.22)


def shower(palette: Palette) -> Piece:
    """A shower cabin with blue glass, open at the front."""
    side, high = palette.size(0.85, 0.95), 2.0
    half = side / 2
    glass = Paint(168, 206, 220)
    parts = Parts()
    parts.box((-half, 0, 0), (half, 0.1, side), CERAMIC)
    parts.box((-half, 0.1, 0), (half, high, 0.02), Paint(214, 226, 232, TEXTURE["subway"], 0.5))
    for left in (-half, half - 0.02):
        parts.box((left, 0.1, 0.02), (left + 0.02, high, side), glass)
        parts.box((left - 0.0, 0.1, side - 0.03), (left + 0.02, high, side), palette.metal)
    parts.box((-half, high, 0), (half, high + 0.03, side), palette.metal)
    parts.tube((0, 1.0, 0.04), 0.95, 0.015, palette.metal)
    parts.tube((0, 1.9, 0.12), 0.03, 0.1, palette.metal, sides=12)
    return Piece("shower", "blue", parts, side, side, high + 0.03)


def sink(palette: Palette) -> Piece:
    """A washbasin on a cabinet, with a mirror above."""
    name, paint = palette.painted_wood()
    width, depth = palette.size(0.6, 1.0), 0.48
    parts, half = Parts(), width / 2
    parts.box((-half, 0.12, 0), (half, 0.76, depth - 0.06), paint)
    fronts(parts, (-half, half), (0.14, 0.75), depth - 0.06, 2, 1, paint.shaded(0.93))
    parts.box((-half, 0.76, 0), (half, 0.84, depth), CERAMIC)
    parts.top_panel((-half * 0.6, half * 0.6), (0.12, depth - 0.06), 0.842, Paint(205, 212, 216))
    parts.tube((0, 0.84, 0.07), 0.14, 0.018, palette.metal)
    parts.tube((0, 0.97, 0.06), 0.13, 0.014, palette.metal, axis=2)
    piece = Piece("sink", name, parts, width, depth, 1.0)
    piece.put(mirror(palette, width * 0.8, 0.75), 0, 1.15, 0.0)
    return piece


def mirror(palette: Palette, width: float | None = None, height: float | None = None) -> Piece:
    """A wall mirror; the lower edge is at y = 0."""
    name, paint = palette.wood() if palette.chance(0.5) else palette.colour("yellow", "white", "black", "brown", "red")
    wide, high = width or palette.size(0.5, 0.8), height or palette.size(0.8, 1.1)
    parts, half = Parts(), wide / 2
    parts.box((-half, 0, 0), (half, high, 0.02), paint)
    glass = Paint(196, 218, 230, TEXTURE["plaster"], 1.0)
    parts.front_panel((-half + 0.05, half - 0.05), (0.05, high - 0.05), 0.022, glass)
    for low, top in ((0.0, 0.04), (high - 0.04, high)):
        parts.box((-half, low, 0.02), (half, top, 0.035), paint)
    for left in (-half, half - 0.04):
        parts.box((left, 0.04, 0.02), (left + 0.04, high - 0.04, 0.035), paint)
    return Piece("mirror", name, parts, wide, 0.035, high)


def _washer(palette: Palette, category: str, inside: Paint) -> Piece:
    name, paint = palette.colour("white", "white", "grey", "black")
    half, depth, front = 0.3, 0.62, 0.58
    parts = Parts()
    parts.box((-half, 0.02, 0), (half, 0.86, front), paint)
    parts.box((-half + 0.03, 0.73, front), (half - 0.03, 0.83, front + 0.01), paint.shaded(0.75))
    parts.tube((0, 0.42, front), 0.03, 0.2, palette.metal, axis=2, sides=12)
    parts.tube((0, 0.42, front + 0.03), 0.01, 0.15, inside, axis=2, sides=12)
    parts.tube((0.16, 0.78, front + 0.01), 0.02, 0.035, palette.dark, axis=2)
    parts.box((-0.24, 0.75, front + 0.01), (-0.1, 0.81, front + 0.015), palette.dark)
    return Piece(category, name, parts, 0.6, depth, 0.86)


def washing_machine(palette: Palette) -> Piece:
    """A washing machine with a round door that shows water."""
    return _washer(palette, "washing machine", Paint(70, 120, 160))


def dryer(palette: Palette) -> Piece:
    """A dryer with a round dark door."""
    return _washer(palette, "dryer", Paint(40, 40, 44))


def laundry_basket(palette: Palette) -> Piece:
    """A basket of clothes."""
    name, paint = palette.colour(*VIVID, "white", "beige", "brown")
    parts = Parts()
    parts.tube((0, 0, 0.25), 0.5, 0.19, paint.textured(TEXTURE["fabric"], 0.3), top=0.24, sides=12)
    for x, z in ((-0.08, 0.22), (0.08, 0.28), (0.0, 0.2)):
        parts.ball((x, 0.5, z), (0.12, 0.06, 0.1), palette.colour()[1])
    return Piece("laundry basket", name, parts, 0.48, 0.49, 0.56)


def towel(palette: Palette) -> Piece:
    """A towel on a rail; the lower edge is at y = 0."""
    name, paint = palette.fabric()
    parts = Parts()
    parts.tube((-0.3, 0.62, 0.06), 0.6, 0.012, palette.metal, axis=0)
    for x in (-0.3, 0.28):
        parts.box((x, 0.6, 0), (x + 0.02, 0.64, 0.06), palette.metal)
    parts.box((-0.22, 0.0, 0.045), (0.22, 0.64, 0.08), paint)
    return Piece("towel", name, parts, 0.6, 0.08, 0.64)
