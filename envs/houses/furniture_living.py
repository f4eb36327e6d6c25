"""Furniture of living rooms, dining rooms, libraries and music rooms."""

import math

from envs.houses.furniture_common import SCREEN, book_row, fronts, legs, shelves
from envs.houses.palette import PLAIN, VIVID, NamedPaint, Palette
from envs.houses.parts import Paint, Parts
from envs.houses.piece import Piece
from envs.houses.textures import TEXTURE


def _couch(palette: Palette, category: str, width: float, seats: int) -> Piece:
    """A couch on short legs: seat, back, arms and cushions."""
    name, paint = palette.fabric()
    depth, seat, back = palette.size(0.82, 0.92), 0.42, palette.size(0.78, 0.9)
    arm = palette.size(0.14, 0.2)
    parts, half = Parts(), width / 2
    parts.box((-half, 0.08, 0), (half, 0.26, depth - 0.03), paint.shaded(0.9))
    parts.cushion((-half + arm, 0.2, 0), (half - arm, back, 0.22), paint, 0.05)
    for left in (-half, half - arm):
        parts.cushion((left, 0.1, 0.0), (left + arm, 0.6, depth), paint, 0.04)
    wide = (width - 2 * arm) / seats
    for index in range(seats):
        left = -half + arm + index * wide
        parts.cushion((left + 0.005, 0.24, 0.16), (left + wide - 0.005, seat, depth - 0.01), paint.shaded(1.04), 0.04)
        low, high = (left + 0.02, 0.4, 0.16), (left + wide - 0.02, back + 0.03, 0.32)
        parts.cushion(low, high, paint.shaded(0.97), 0.05)
    legs(parts, width - 0.06, depth - 0.06, 0.09, 0.06, palette.dark, 0.02)
    piece = Piece(category, name, parts, width, depth, back + 0.03)
    if category == "sofa":
        for side in (-1, 1):
            if palette.chance(0.6):
                piece.put(cushion(palette), side * (half - arm - 0.24), seat, 0.33, 0.0)
    return piece


def sofa(palette: Palette) -> Piece:
    """A sofa for two or three."""
    seats = 2 if palette.chance(0.35) else 3
    return _couch(palette, "sofa", palette.size(0.62, 0.7) * seats + 0.3, seats)


def armchair(palette: Palette) -> Piece:
    """An armchair."""
    return _couch(palette, "armchair", palette.size(0.82, 0.95), 1)


def ottoman(palette: Palette) -> Piece:
    """A padded seat without a back."""
    name, paint = palette.fabric()
    width = palette.size(0.5, 0.7)
    parts = Parts()
    parts.cushion((-width / 2, 0.1, 0), (width / 2, 0.42, width), paint, 0.04)
    legs(parts, width - 0.06, width - 0.06, 0.12, 0.05, palette.dark, 0.03)
    return Piece("ottoman", name, parts, width, width, 0.42)


def cushion(palette: Palette) -> Piece:
    """A throw cushion that leans back."""
    name, paint = palette.fabric(*VIVID, "white", "black")
    parts = Parts()
    parts.cushion((-0.2, 0.0, 0.0), (0.2, 0.38, 0.13), paint, 0.05)
    return Piece("cushion", name, parts, 0.4, 0.13, 0.38)


def coffee_table(palette: Palette) -> Piece:
    """A low table, oblong or round, with a shelf or legs and something on it."""
    name, paint = palette.painted_wood()
    parts = Parts()
    if palette.chance(0.3):
        radius = palette.size(0.38, 0.48)
        parts.tube((0, 0.38, radius), 0.05, radius, paint, sides=12)
        parts.tube((0, 0.0, radius), 0.03, radius * 0.6, paint, sides=12)
        parts.tube((0, 0.03, radius), 0.35, 0.06, paint)
        width = depth = 2 * radius
    else:
        width, depth = palette.size(0.9, 1.2), palette.size(0.5, 0.62)
        parts.box((-width / 2, 0.38, 0), (width / 2, 0.43, depth), paint)
        legs(parts, width, depth, 0.38, 0.06, paint)
        parts.box((-width / 2 + 0.05, 0.26, 0.04), (width / 2 - 0.05, 0.28, depth - 0.04), paint.shaded(0.9))
    piece = Piece("coffee table", name, parts, width, depth, 0.43)
    thing = palette.index(3)
    if thing == 0:
        piece.put(bowl(palette), 0, 0.43, depth / 2 - 0.13)
    elif thing == 1:
        piece.put(book(palette), 0.12, 0.43, depth / 2 - 0.1, 0.3)
        piece.put(cup(palette), -0.2, 0.43, depth / 2)
    return piece


def book(palette: Palette) -> Piece:
    """A stack of two books."""
    name, paint = palette.colour()
    parts = Parts()
    parts.box((-0.14, 0.0, 0.0), (0.14, 0.04, 0.2), paint)
    parts.box((-0.11, 0.04, 0.02), (0.12, 0.07, 0.18), palette.colour()[1])
    return Piece("book", name, parts, 0.28, 0.2, 0.07)


def cup(palette: Palette) -> Piece:
    """A cup."""
    name, paint = palette.colour()
    parts = Parts()
    parts.tube((0, 0, 0.05), 0.09, 0.035, paint, top=0.045)
    return Piece("cup", name, parts, 0.1, 0.1, 0.09)


def bowl(palette: Palette) -> Piece:
    """A bowl of fruit."""
    name, paint = palette.colour()
    parts = Parts()
    parts.tube((0, 0, 0.15), 0.08, 0.07, paint, top=0.15)
    for x, z in ((-0.05, 0.13), (0.05, 0.12), (0.0, 0.19)):
        parts.ball((x, 0.09, z), (0.045, 0.045, 0.045), palette.paint(palette.one("red", "orange", "green", "yellow")))
    return Piece("bowl", name, parts, 0.3, 0.3, 0.13)


def vase(palette: Palette) -> Piece:
    """A vase of flowers."""
    name, paint = palette.colour()
    parts = Parts()
    parts.tube((0, 0, 0.1), 0.2, 0.05, paint, top=0.075)
    flower = palette.paint(palette.one("red", "yellow", "pink", "purple", "white"))
    for x, y, z in ((-0.06, 0.36, 0.1), (0.06, 0.38, 0.08), (0.0, 0.42, 0.12)):
        parts.tube((x / 2, 0.18, 0.1), y - 0.18, 0.008, Paint(60, 120, 60))
        parts.ball((x, y, z), (0.045, 0.04, 0.045), flower)
    return Piece("vase", name, parts, 0.22, 0.2, 0.46)


def tv(palette: Palette, wide: float) -> Piece:
    """A flat screen on a foot."""
    high = wide * 0.58
    parts = Parts()
    parts.box((-0.2, 0, 0.0), (0.2, 0.02, 0.2), palette.dark)
    parts.box((-0.04, 0.02, 0.06), (0.04, 0.1, 0.1), palette.dark)
    parts.box((-wide / 2, 0.08, 0.08), (wide / 2, 0.08 + high, 0.13), palette.paint("black"))
    screen = SCREEN if palette.chance(0.6) else Paint(26, 30, 38)
    parts.front_panel((-wide / 2 + 0.02, wide / 2 - 0.02), (0.1, 0.06 + high), 0.132, screen)
    return Piece("tv", "black", parts, wide, 0.2, 0.08 + high)


def tv_stand(palette: Palette) -> Piece:
    """A low chest with a television on it."""
    name, paint = palette.painted_wood()
    width, depth, height = palette.size(1.3, 1.8), palette.size(0.38, 0.45), palette.size(0.42, 0.52)
    parts, half = Parts(), width / 2
    parts.box((-half, 0.08, 0), (half, height, depth - 0.035), paint)
    fronts(parts, (-half + 0.02, half - 0.02), (0.1, height - 0.03), depth - 0.035, 3, 1, paint.shaded(0.9))
    legs(parts, width - 0.1, depth - 0.08, 0.08, 0.05, palette.dark, 0.02)
    piece = Piece("tv stand", name, parts, width, depth, height, access=0.7)
    piece.put(tv(palette, width * 0.72), 0, height, 0.1)
    return piece


def fireplace(palette: Palette) -> Piece:
    """A hearth with a mantel, logs and a fire."""
    name, paint = palette.colour("white", "red", "grey", "beige", "brown", "black")
    paint = paint.textured(TEXTURE[palette.one("brick", "marble", "plaster")], 0.8)
    width, depth = palette.size(1.3, 1.6), 0.36
    parts, half, opening = Parts(), width / 2, 0.4
    for left, right in ((-half, -opening), (opening, half)):
        parts.box((left, 0, 0), (right, 1.05, depth - 0.04), paint)
    parts.box((-opening, 0.72, 0), (opening, 1.05, depth - 0.04), paint)
    parts.box((-half, 1.05, 0), (half, 1.13, depth), palette.wood()[1])
    parts.box((-half + 0.2, 1.13, 0), (half - 0.2, 2.4, depth - 0.1), paint)
    parts.box((-opening, 0, 0), (opening, 0.72, 0.05), Paint(30, 28, 28))
    parts.box((-opening, 0, 0.05), (opening, 0.05, depth - 0.04), Paint(50, 46, 44))
    for x, z in ((-0.16, 0.14), (0.0, 0.2), (0.14, 0.12)):
        parts.tube((x - 0.16, 0.1, z), 0.36, 0.05, Paint(92, 58, 34), axis=0)
        parts.tube((x, 0.14, z), 0.26, 0.07, Paint(255, 150, 30), top=0.01)
    return Piece("fireplace", name, parts, width, depth, 2.4)


def bookshelf(palette: Palette) -> Piece:
    """An open case of books."""
    name, paint = palette.painted_wood()
    width, depth, height = palette.size(0.8, 1.3), palette.size(0.28, 0.34), palette.size(1.7, 2.1)
    parts = Parts()
    for top in shelves(parts, width, depth, (0, height), 5, paint):
        book_row(palette, parts, (-width / 2 + 0.04, width / 2 - 0.04), top, depth - 0.05, 0.24)
    return Piece("bookshelf", name, parts, width, depth, height)


def piano(palette: Palette) -> Piece:
    """An upright piano with its keys, and a stool before it."""
    name, paint = palette.colour("black", "black", "brown", "white", "red")
    width, depth = 1.45, 0.62
    parts, half = Parts(), width / 2
    parts.box((-half, 0, 0), (half, 1.2, 0.36), paint)
    parts.box((-half - 0.02, 1.2, 0), (half + 0.02, 1.23, 0.4), paint.shaded(1.1))
    for left in (-half, half - 0.08):
        parts.box((left, 0, 0.36), (left + 0.08, 0.76, depth), paint)
    parts.box((-half + 0.08, 0.6, 0.36), (half - 0.08, 0.68, depth), paint.shaded(0.9))
    parts.box((-half + 0.1, 0.68, 0.42), (half - 0.1, 0.71, depth - 0.01), Paint(244, 242, 236))
    for key in range(18):
        x = -half + 0.14 + key * (width - 0.28) / 18
        if key % 7 not in (2, 6):
            parts.box((x, 0.71, 0.42), (x + 0.03, 0.73, 0.53), Paint(24, 24, 24))
    parts.box((-0.35, 0.8, 0.36), (0.35, 1.05, 0.4), paint.shaded(0.85))
    piece = Piece("piano", name, parts, width + 0.04, depth, 1.23)
    seat = stool(palette, 0.5)
    piece.put(seat, 0, 0, depth + 0.12)
    piece.depth = depth + 0.12 + seat.depth
    return piece


def stool(palette: Palette, high: float) -> Piece:
    """A round stool."""
    name, paint = palette.colour()
    parts = Parts()
    parts.tube((0, high - 0.06, 0.17), 0.06, 0.17, paint, sides=12)
    legs(parts, 0.28, 0.28, high - 0.06, 0.04, palette.wood()[1], 0.03)
    return Piece("stool", name, parts, 0.34, 0.34, high)


def chair(named: NamedPaint) -> Piece:
    """A chair with its back at z = 0, facing the front."""
    name, paint = named
    width, depth, seat, back = 0.44, 0.46, 0.46, 0.92
    parts, half = Parts(), width / 2
    parts.box((-half, seat - 0.04, 0), (half, seat, depth), paint)
    legs(parts, width, depth, seat - 0.04, 0.045, paint.shaded(0.85))
    for left in (-half, half - 0.04):
        parts.box((left, seat, 0), (left + 0.04, back, 0.035), paint)
    parts.box((-half + 0.04, back - 0.2, 0), (half - 0.04, back, 0.03), paint)
    parts.box((-half + 0.04, seat + 0.12, 0.005), (half - 0.04, seat + 0.18, 0.025), paint)
    return Piece("chair", name, parts, width, depth, back)


def dining_table(palette: Palette, *, small: bool = False) -> Piece:
    """A table with chairs around it, pulled in."""
    name, paint = palette.wood() if palette.chance(0.7) else palette.colour()
    chairs = palette.painted_wood()
    pairs = 1 if small else 1 + palette.index(3)
    width, depth = 0.62 * pairs + 0.22 if pairs > 1 else 0.85, palette.size(0.8, 0.95)
    reach = 0.3  # metres that chairs protrude
    parts, half = Parts(), width / 2
    parts.box((-half, 0.71, reach), (half, 0.75, reach + depth), paint)
    parts.box((-half + 0.08, 0.62, reach + 0.08), (half - 0.08, 0.71, reach + depth - 0.08), paint.shaded(0.9))
    legs(parts, width - 0.04, depth - 0.04, 0.71, 0.08, paint, reach + 0.02)
    piece = Piece("dining table", name, parts, width, depth + 2 * reach, 0.75)
    step = width / pairs
    for index in range(pairs):
        x = -half + step * (index + 0.5)
        piece.put(chair(chairs), x, 0, 0)
        piece.put(chair(chairs), x, 0, depth + 2 * reach, math.pi)
    piece.put(vase(palette) if palette.chance(0.5) else bowl(palette), 0, 0.75, reach + depth / 2 - 0.1)
    return piece


def sideboard(palette: Palette) -> Piece:
    """A wide chest of doors and drawers with something on it."""
    name, paint = palette.painted_wood()
    width, depth, height = palette.size(1.2, 1.7), palette.size(0.4, 0.48), palette.size(0.8, 0.92)
    parts, half = Parts(), width / 2
    parts.box((-half, 0.1, 0), (half, height, depth - 0.035), paint)
    parts.box((-half, 0, 0.03), (half, 0.1, depth - 0.08), paint.shaded(0.7))
    front = depth - 0.035
    fronts(parts, (-half + 0.02, half - 0.02), (0.12, height - 0.22), front, 4, 1, paint.shaded(0.92))
    fronts(parts, (-half + 0.02, half - 0.02), (height - 0.22, height - 0.03), front, 2, 1, paint.shaded(0.92))
    piece = Piece("sideboard", name, parts, width, depth, height)
    piece.put(vase(palette) if palette.chance(0.6) else book(palette), half * 0.5, height, 0.1)
    return piece


def aquarium(palette: Palette) -> Piece:
    """A tank of fish on a stand."""
    paint = palette.wood()[1]
    width, depth = palette.size(0.8, 1.1), 0.42
    parts, half = Parts(), width / 2
    parts.box((-half, 0, 0), (half, 0.7, depth), paint)
    parts.box((-half, 0.7, 0), (half, 0.74, depth), palette.dark)
    parts.box((-half + 0.01, 0.74, 0.01), (half - 0.01, 1.16, depth - 0.02), Paint(70, 160, 205))
    parts.box((-half, 1.16, 0), (half, 1.22, depth), palette.dark)
    for index in range(4):
        x, y = -half + 0.15 + index * (width - 0.3) / 3, 0.84 + 0.07 * (index % 3)
        parts.ball((x, y, depth - 0.02), (0.06, 0.035, 0.015), Paint(250, 140, 30))
    return Piece("aquarium", "blue", parts, width, depth, 1.22)


def grandfather_clock(palette: Palette) -> Piece:
    """A tall case with a dial and a pendulum."""
    name, paint = palette.wood()
    parts = Parts()
    parts.box((-0.26, 0, 0), (0.26, 0.45, 0.3), paint)
    parts.box((-0.18, 0.45, 0.02), (0.18, 1.45, 0.26), paint)
    parts.front_panel((-0.13, 0.13), (0.55, 1.35), 0.262, Paint(60, 44, 32))
    parts.box((-0.01, 0.8, 0.262), (0.01, 1.3, 0.27), Paint(214, 176, 70))
    parts.tube((0, 0.75, 0.262), 0.02, 0.07, Paint(214, 176, 70), axis=2)
    parts.box((-0.25, 1.45, 0), (0.25, 1.95, 0.3), paint)
    parts.taper((-0.27, 0, 0.27, 0.31), (-0.12, 0, 0.12, 0.31), (1.95, 2.08), paint.shaded(0.9))
    parts.front_panel((-0.2, 0.2), (1.5, 1.9), 0.302, Paint(250, 248, 240, TEXTURE["clock"]))
    return Piece("grandfather clock", name, parts, 0.54, 0.31, 2.08)


def floor_lamp(palette: Palette) -> Piece:
    """A lamp on a tall post."""
    name, paint = palette.colour("white", "beige", "yellow", "red", "orange", "green", "blue", "black")
    radius = palette.size(0.16, 0.22)
    parts = Parts()
    parts.tube((0, 0, radius), 0.03, 0.14, palette.dark, sides=12)
    parts.tube((0, 0.03, radius), 1.4, 0.015, palette.dark)
    parts.tube((0, 1.36, radius), 0.3, radius, paint.shaded(1.1), top=radius * 0.65, sides=12)
    return Piece("floor lamp", name, parts, 2 * radius, 2 * radius, 1.66)


def plant(palette: Palette) -> Piece:
    """A plant in a pot, labelled with the colour of the pot."""
    name, paint = palette.colour("white", "black", "grey", "red", "orange", "brown", "blue", "yellow", "purple")
    radius, height = palette.size(0.15, 0.19), palette.size(0.28, 0.38)
    parts = Parts()
    middle = radius + 0.1
    parts.tube((0, 0, middle), height, radius * 0.72, paint, top=radius, sides=12)
    parts.tube((0, height - 0.02, middle), 0.025, radius * 0.86, Paint(70, 50, 36), sides=12)
    leaf = Paint(58, 128, 62).shaded(0.85 + 0.35 * palette.rng.random())
    if palette.chance(0.5):
        tall = palette.size(0.5, 0.8)
        parts.tube((0, height, middle), tall * 0.8, 0.025, Paint(104, 76, 50))
        for x, y, z, size in ((-0.09, 0.6, 0.04, 0.16), (0.1, 0.75, -0.04, 0.17), (0.0, 1.0, 0.02, 0.2)):
            parts.ball((x, height + tall * y, middle + z), (size, size * 0.9, size), leaf.shaded(0.9 + y * 0.2))
    else:
        for index in range(7):
            angle = index * math.tau / 7
            lean, high = (0.17, 0.55) if index % 2 else (0.1, 0.75)
            x, z = math.cos(angle), math.sin(angle)
            foot = (x * 0.03 - 0.03, middle + z * 0.03 - 0.03, x * 0.03 + 0.03, middle + z * 0.03 + 0.03)
            tip = (x * lean - 0.045, middle + z * lean - 0.045, x * lean + 0.045, middle + z * lean + 0.045)
            parts.taper(foot, tip, (height, height + high), leaf.shaded(0.85 + 0.05 * index))
    return Piece("plant", name, parts, 2 * middle + 0.1, 2 * middle + 0.02, height + 0.9)


def rug(palette: Palette, width: float, depth: float) -> Piece:
    """A rug that lies flat."""
    name, paint = palette.colour(*VIVID, *PLAIN)
    parts = Parts()
    parts.box((-width / 2, 0.0, 0.0), (width / 2, 0.012, depth), paint)
    pattern = palette.one("rug bands", "rug diamonds", "rug stripes", "carpet")
    parts.top_panel((-width / 2, width / 2), (0, depth), 0.014, paint.textured(TEXTURE[pattern]))
    return Piece("rug", name, parts, width, depth, 0.014)
