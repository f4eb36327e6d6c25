"""Furniture of gyms, garages and entrances, and objects on walls and ceilings."""

import math

from envs.houses.furniture_common import fronts, legs, shelves
from envs.houses.palette import VIVID, NamedPaint, Palette
from envs.houses.parts import Paint, Parts
from envs.houses.piece import Piece
from envs.houses.textures import TEXTURE


def treadmill(palette: Palette) -> Piece:
    """A treadmill with its screen at the back."""
    name, paint = palette.colour("black", "grey", "red", "blue", "white")
    parts = Parts()
    width, depth = 0.8, 1.7
    parts.box((-0.4, 0, 0.1), (0.4, 0.3, depth), paint)
    parts.box((-0.28, 0.3, 0.3), (0.28, 0.31, depth - 0.02), Paint(34, 34, 36))
    for x in (-0.38, 0.32):
        parts.taper((x, 0.22, x + 0.06, 0.34), (x, 0.06, x + 0.06, 0.16), (0.3, 1.2), paint.shaded(0.85))
        parts.box((x, 0.95, 0.14), (x + 0.06, 1.0, 0.7), palette.metal)
    parts.box((-0.32, 1.05, 0.06), (0.32, 1.35, 0.14), palette.dark)
    parts.front_panel((-0.2, 0.2), (1.09, 1.31), 0.142, Paint(90, 190, 220, TEXTURE["screen"]))
    return Piece("treadmill", name, parts, width, depth, 1.35)


def exercise_bike(palette: Palette) -> Piece:
    """An exercise bike."""
    name, paint = palette.colour("red", "blue", "black", "white", "green", "orange")
    parts = Parts()
    parts.box((-0.24, 0, 0), (0.24, 0.06, 0.08), palette.dark)
    parts.box((-0.24, 0, 1.0), (0.24, 0.06, 1.08), palette.dark)
    parts.box((-0.04, 0.06, 0.02), (0.04, 0.14, 1.06), paint)
    parts.tube((-0.05, 0.42, 0.78), 0.1, 0.28, paint, axis=0, sides=12)
    parts.taper((-0.03, 0.3, 0.03, 0.38), (-0.03, 0.16, 0.03, 0.24), (0.1, 0.85), paint)
    parts.cushion((-0.12, 0.84, 0.06), (0.12, 0.92, 0.34), palette.dark, 0.03)
    parts.taper((-0.03, 0.74, 0.03, 0.82), (-0.03, 0.86, 0.03, 0.94), (0.4, 1.1), paint)
    parts.box((-0.24, 1.08, 0.74), (0.24, 1.12, 0.94), palette.dark)
    return Piece("exercise bike", name, parts, 0.48, 1.08, 1.12)


def weight_bench(palette: Palette) -> Piece:
    """A padded bench under a barbell."""
    name, paint = palette.fabric("red", "blue", "black", "green", "orange")
    parts = Parts()
    parts.cushion((-0.16, 0.38, 0.1), (0.16, 0.48, 1.3), paint, 0.03)
    for z in (0.2, 1.12):
        parts.box((-0.14, 0, z), (0.14, 0.38, z + 0.06), palette.dark)
    for x in (-0.4, 0.35):
        parts.box((x, 0, 0.24), (x + 0.05, 1.0, 0.3), palette.metal)
    parts.tube((-0.75, 1.02, 0.27), 1.5, 0.018, palette.metal, axis=0)
    for x in (-0.7, 0.6):
        parts.tube((x, 1.02, 0.27), 0.1, 0.2, Paint(44, 44, 48), axis=0, sides=12)
    return Piece("weight bench", name, parts, 1.5, 1.3, 1.22)


def bench(palette: Palette) -> Piece:
    """A plain bench with a cushion."""
    name, paint = palette.wood()
    width, depth = palette.size(1.0, 1.3), 0.38
    parts, half = Parts(), width / 2
    parts.box((-half, 0.38, 0), (half, 0.43, depth), paint)
    for x in (-half + 0.05, half - 0.12):
        parts.box((x, 0, 0.03), (x + 0.07, 0.38, depth - 0.03), paint.shaded(0.9))
    parts.cushion((-half + 0.02, 0.43, 0.02), (half - 0.02, 0.5, depth - 0.02), palette.fabric()[1], 0.03)
    return Piece("bench", name, parts, width, depth, 0.5)


def coat_rack(palette: Palette) -> Piece:
    """A coat stand with coats."""
    name, paint = palette.wood()
    parts = Parts()
    parts.tube((0, 0, 0.24), 0.05, 0.2, paint, sides=12)
    parts.tube((0, 0.05, 0.24), 1.7, 0.025, paint)
    for index in range(4):
        angle = index * math.pi / 2 + 0.5
        x, z = math.cos(angle) * 0.13, math.sin(angle) * 0.13
        foot = (x * 0.1 - 0.015, 0.24 + z * 0.1 - 0.015, x * 0.1 + 0.015, 0.24 + z * 0.1 + 0.015)
        parts.taper(foot, (x - 0.015, 0.24 + z - 0.015, x + 0.015, 0.24 + z + 0.015), (1.55, 1.72), paint)
    for side in (-1, 1):
        coat = palette.colour(*VIVID, "grey", "black")[1].textured(TEXTURE["fabric"], 0.5)
        x = side * 0.12
        parts.taper((x - 0.1, 0.15, x + 0.1, 0.33), (x - 0.06, 0.2, x + 0.06, 0.28), (0.75, 1.6), coat)
    return Piece("coat rack", name, parts, 0.48, 0.48, 1.75)


def shoe_cabinet(palette: Palette) -> Piece:
    """A low narrow cabinet with a pair of shoes on it."""
    name, paint = palette.painted_wood()
    width, depth, height = palette.size(0.7, 1.0), 0.3, palette.size(0.75, 0.95)
    parts, half = Parts(), width / 2
    parts.box((-half, 0, 0), (half, height, depth - 0.035), paint)
    fronts(parts, (-half, half), (0.05, height - 0.03), depth - 0.035, 2, 2, paint.shaded(0.92))
    shoe = palette.colour("red", "black", "brown", "white", "blue")[1]
    for x in (-0.12, 0.0):
        parts.taper((x, 0.04, x + 0.09, 0.24), (x + 0.01, 0.04, x + 0.08, 0.12), (height, height + 0.1), shoe)
    return Piece("shoe cabinet", name, parts, width, depth, height + 0.1)


def workbench(palette: Palette) -> Piece:
    """A sturdy bench with a board of tools above."""
    name, paint = palette.wood()
    width, depth = palette.size(1.4, 1.8), 0.6
    parts, half = Parts(), width / 2
    parts.box((-half, 0.82, 0), (half, 0.9, depth), paint)
    legs(parts, width, depth, 0.82, 0.1, paint.shaded(0.85))
    parts.box((-half + 0.05, 0.2, 0.05), (half - 0.05, 0.24, depth - 0.05), paint.shaded(0.8))
    board = palette.colour("grey", "white", "beige", "blue")[1]
    parts.box((-half, 1.1, 0), (half, 1.8, 0.03), board)
    for index in range(6):
        x = -half + 0.15 + index * (width - 0.3) / 5
        parts.box((x - 0.015, 1.2, 0.03), (x + 0.015, 1.55, 0.05), palette.colour("brown", "red", "yellow", "black")[1])
        parts.box((x - 0.06, 1.55, 0.03), (x + 0.06, 1.62, 0.06), palette.metal)
    parts.box((half - 0.5, 0.9, 0.15), (half - 0.15, 1.08, 0.35), palette.colour("red", "blue", "yellow")[1])
    return Piece("workbench", name, parts, width, depth, 1.8)


def car(palette: Palette) -> Piece:
    """A small car with its side to the wall."""
    name, paint = palette.colour(*VIVID, "white", "black", "grey")
    width, depth = 3.3, 1.5
    parts, half = Parts(), width / 2
    glass = Paint(60, 80, 96)
    parts.cushion((-half, 0.25, 0.04), (half, 0.82, depth - 0.04), paint, 0.1)
    parts.taper((-0.95, 0.12, 1.1, depth - 0.12), (-0.6, 0.25, 0.85, depth - 0.25), (0.8, 1.32), glass)
    parts.box((-0.6, 1.31, 0.25), (0.85, 1.35, depth - 0.25), paint)
    for x in (-half + 0.62, half - 0.62):
        for z in (0.0, depth - 0.18):
            parts.tube((x, 0.3, z), 0.18, 0.3, Paint(32, 32, 34), axis=2, sides=12)
        parts.tube((x, 0.3, depth - 0.02), 0.02, 0.16, palette.metal, axis=2)
    for z in (0.2, depth - 0.4):
        parts.box((-half - 0.0, 0.5, z), (-half + 0.02, 0.62, z + 0.2), Paint(250, 246, 210))
        parts.box((half - 0.02, 0.5, z), (half, 0.62, z + 0.2), Paint(190, 30, 30))
    return Piece("car", name, parts, width, depth, 1.35, access=0.4)


def bicycle(palette: Palette) -> Piece:
    """A bicycle leaning against a wall."""
    name, paint = palette.colour(*VIVID, "black", "white")
    parts = Parts()
    middle = 0.25
    for x in (-0.52, 0.52):
        parts.tube((x, 0.33, middle - 0.025), 0.05, 0.33, Paint(36, 36, 38), axis=2, sides=12)
        parts.tube((x, 0.33, middle - 0.03), 0.06, 0.25, Paint(205, 205, 208), axis=2, sides=12)
    bar = (middle - 0.025, middle + 0.025)
    parts.taper((-0.06, bar[0], 0.0, bar[1]), (-0.26, bar[0], -0.2, bar[1]), (0.3, 0.9), paint)
    parts.taper((-0.04, bar[0], 0.04, bar[1]), (0.34, bar[0], 0.42, bar[1]), (0.3, 0.82), paint)
    parts.box((-0.22, 0.78, bar[0]), (0.4, 0.83, bar[1]), paint)
    parts.taper((0.48, bar[0], 0.54, bar[1]), (0.34, bar[0], 0.4, bar[1]), (0.35, 1.0), paint.shaded(0.9))
    parts.box((-0.54, 0.3, bar[0]), (-0.02, 0.35, bar[1]), paint)
    parts.cushion((-0.36, 0.9, middle - 0.07), (-0.12, 0.97, middle + 0.07), palette.dark, 0.02)
    parts.box((0.34, 0.98, 0.0), (0.38, 1.02, 2 * middle), palette.metal)
    return Piece("bicycle", name, parts, 1.7, 2 * middle, 1.02)


def box(palette: Palette) -> Piece:
    """A cardboard box, or a stack of two."""
    name, paint = palette.colour("brown", "beige", "brown", "white", "blue", "red", "yellow")
    width, depth, height = palette.size(0.45, 0.65), palette.size(0.4, 0.5), palette.size(0.35, 0.5)
    parts, half = Parts(), width / 2
    parts.box((-half, 0, 0), (half, height, depth), paint)
    parts.box((-half - 0.0, height, depth / 2 - 0.03), (half, height + 0.004, depth / 2 + 0.03), paint.shaded(0.75))
    top = height
    if palette.chance(0.4):
        parts.box((-half * 0.8, height, 0.04), (half * 0.7, height * 1.7, depth - 0.08), paint.shaded(0.9))
        top = height * 1.7
    return Piece("box", name, parts, width, depth, top)


def trash_can(palette: Palette) -> Piece:
    """A bin with a lid."""
    name, paint = palette.colour("grey", "black", "green", "red", "white", "blue")
    parts = Parts()
    parts.tube((0, 0, 0.17), 0.5, 0.14, paint, top=0.17, sides=12)
    parts.tube((0, 0.5, 0.17), 0.06, 0.17, paint.shaded(0.8), top=0.08, sides=12)
    return Piece("trash can", name, parts, 0.34, 0.34, 0.56)


def rack(palette: Palette) -> Piece:
    """Tall open shelves of boxes."""
    name, paint = palette.colour("grey", "white", "black", "brown", "blue")
    width, depth, height = palette.size(0.9, 1.3), 0.42, palette.size(1.6, 2.0)
    parts, half = Parts(), width / 2
    for top in shelves(parts, width, depth, (0, height), 4, paint):
        x = -half + 0.06
        while x < half - 0.35:
            wide, high = palette.size(0.22, 0.4), palette.size(0.18, 0.32)
            parts.box((x, top, 0.05), (min(x + wide, half - 0.05), top + high, depth - 0.04), palette.colour()[1])
            x += wide + palette.size(0.03, 0.2)
    return Piece("shelf", name, parts, width, depth, height)


def painting(palette: Palette) -> Piece:
    """A framed picture, labelled with the colour of the frame; the lower edge is at y = 0."""
    name, paint = palette.colour("black", "white", "brown", "yellow", "red", "blue", "green")
    wide, high = palette.size(0.55, 1.1), palette.size(0.5, 0.8)
    parts, half = Parts(), wide / 2
    picture = Paint(255, 255, 255, TEXTURE[palette.one("landscape", "abstract", "portrait")])
    parts.box((-half, 0, 0), (half, high, 0.025), paint)
    parts.front_panel((-half + 0.05, half - 0.05), (0.05, high - 0.05), 0.028, picture)
    return Piece("painting", name, parts, wide, 0.03, high)


def clock(palette: Palette) -> Piece:
    """A round wall clock; the lower edge is at y = 0."""
    name, paint = palette.colour("black", "red", "blue", "brown", "white", "green")
    radius = palette.size(0.18, 0.24)
    parts = Parts()
    parts.tube((0, radius, 0), 0.04, radius, paint, axis=2, sides=12)
    inner = radius * 0.82
    parts.tube((0, radius, 0.04), 0.004, inner, Paint(250, 250, 246), axis=2, sides=12)
    face, dial = inner * 0.7, Paint(250, 250, 246, TEXTURE["clock"])
    parts.front_panel((-face, face), (radius - face, radius + face), 0.046, dial)
    return Piece("clock", name, parts, 2 * radius, 0.05, 2 * radius)


def ceiling_lamp(palette: Palette) -> Piece:
    """A ceiling lamp; the ceiling is at y = 0."""
    name, paint = palette.colour("white", "yellow", "beige", "red", "black", "blue")
    parts = Parts()
    parts.box((-0.01, -0.2, -0.01), (0.01, 0, 0.01), palette.dark)
    parts.tube((0, -0.36, 0), 0.18, 0.22, paint, top=0.1, sides=12)
    parts.tube((0, -0.39, 0), 0.03, 0.06, Paint(255, 250, 220), top=0.09)
    return Piece("ceiling lamp", name, parts, 0.44, 0.44, 0.4)


def curtain(side: int, low: float, high: float, named: NamedPaint) -> Piece:
    """One curtain in three folds beside a window, its inner edge at x = 0, on the left (-1) or right (1)."""
    name, paint = named
    parts = Parts()
    for fold in range(3):
        near, far = sorted((side * fold * 0.09, side * (fold + 1) * 0.09))
        parts.box((near, low, 0.02 + 0.02 * (fold % 2)), (far, high, 0.08 + 0.02 * (fold % 2)), paint)
    return Piece("curtain", name, parts, 0.54, 0.1, high)


def radiator(width: float) -> Piece:
    """A radiator below a window."""
    parts = Parts()
    count = max(3, int(width / 0.14))
    step = width / count
    for index in range(count):
        x = -width / 2 + index * step
        parts.box((x, 0.14, 0.02), (x + step * 0.75, 0.66, 0.11), Paint(244, 244, 240))
    parts.box((-width / 2, 0.18, 0.04), (width / 2 - step * 0.25, 0.22, 0.09), Paint(230, 230, 226))
    return Piece("radiator", "white", parts, width, 0.11, 0.66)
