"""Furniture of bedrooms, children's rooms and offices."""

import math

from envs.houses.furniture_common import SCREEN, book_row, fronts, legs, shelves
from envs.houses.palette import VIVID, NamedPaint, Palette
from envs.houses.parts import Paint, Parts
from envs.houses.piece import Piece


def table_lamp(palette: Palette) -> Piece:
    """A table lamp."""
    name, paint = palette.colour("white", "beige", "yellow", "red", "green", "blue", "orange")
    parts = Parts()
    parts.tube((0, 0, 0.11), 0.18, 0.06, palette.metal, top=0.02)
    parts.tube((0, 0.17, 0.11), 0.17, 0.12, paint.shaded(1.1), top=0.08)
    return Piece("table lamp", name, parts, 0.24, 0.23, 0.34)


def nightstand(palette: Palette, named: NamedPaint) -> Piece:
    """A small chest beside a bed, often with a lamp."""
    name, paint = named
    width, depth, height = 0.46, 0.4, 0.52
    parts, half = Parts(), width / 2
    parts.box((-half, 0.1, 0), (half, height, depth - 0.035), paint)
    fronts(parts, (-half + 0.01, half - 0.01), (0.12, height - 0.03), depth - 0.035, 1, 2, paint.shaded(0.9))
    legs(parts, width, depth - 0.04, 0.1, 0.05, paint.shaded(0.8))
    piece = Piece("nightstand", name, parts, width, depth, height)
    if palette.chance(0.75):
        piece.put(table_lamp(palette), 0, height, 0.08)
    return piece


def bed(palette: Palette, *, single: bool = False) -> Piece:
    """A bed with headboard, mattress, blanket and pillows; a double bed has nightstands."""
    name, blanket = palette.fabric()
    frame_name, frame = palette.wood()
    double = not single and palette.chance(0.7)
    width, depth = (palette.size(1.5, 1.75) if double else palette.size(0.95, 1.1)), palette.size(2.0, 2.1)
    half, head = width / 2, palette.size(0.85, 1.15)
    parts = Parts()
    parts.box((-half, 0.0, 0), (half, head, 0.07), frame)
    parts.box((-half, 0.12, 0.07), (half, 0.3, depth), frame)
    legs(parts, width, depth - 0.1, 0.12, 0.08, frame.shaded(0.8), 0.08)
    parts.cushion((-half + 0.03, 0.28, 0.08), (half - 0.03, 0.5, depth - 0.03), Paint(246, 245, 240), 0.04)
    parts.cushion((-half + 0.005, 0.3, 0.6), (half - 0.005, 0.54, depth - 0.005), blanket, 0.04)
    parts.box((-half + 0.0, 0.535, 0.6), (half, 0.55, 0.86), blanket.shaded(1.12))
    wide = 0.6 if double else 0.62
    for x in (-half / 2, half / 2) if double else (0.0,):
        parts.cushion((x - wide / 2, 0.48, 0.12), (x + wide / 2, 0.62, 0.52), Paint(250, 250, 246), 0.05)
    piece = Piece("bed", name, parts, width, depth, head)
    stands = (frame_name, frame) if palette.chance(0.6) else palette.colour()
    sides = () if single else (-1, 1) if double else ((-1,) if palette.chance(0.5) else (1,))
    for side in sides:
        stand = nightstand(palette, stands)
        piece.put(stand, side * (half + stand.width / 2 + 0.06), 0, 0.0)
    if not single:
        piece.width = width + 2 * 0.54
    return piece


def bunk_bed(palette: Palette) -> Piece:
    """Two beds, one above the other, and a ladder."""
    name, paint = palette.colour("red", "blue", "white", "green", "yellow", "brown", "pink")
    sheet = palette.fabric(*VIVID)[1]
    width, depth, high = 2.06, 0.98, 1.75
    parts, half = Parts(), width / 2
    for x in (-half, half - 0.08):
        for z in (0.0, depth - 0.16):
            parts.box((x, 0, z), (x + 0.08, high, z + 0.08), paint)
    front = depth - 0.08
    for level, blanket in ((0.3, sheet), (1.25, sheet.shaded(0.9))):
        parts.box((-half + 0.01, level, 0.01), (half - 0.01, level + 0.12, front - 0.01), paint)
        parts.cushion((-half + 0.05, level + 0.1, 0.05), (half - 0.05, level + 0.26, front - 0.03), blanket, 0.03)
        low, top = (-half + 0.1, level + 0.24, 0.12), (-half + 0.45, level + 0.34, front - 0.1)
        parts.cushion(low, top, Paint(250, 250, 246), 0.03)
    parts.box((-half + 0.08, 1.55, front - 0.04), (half - 0.5, 1.62, front), paint)
    for x in (half - 0.46, half - 0.12):
        parts.box((x, 0, front), (x + 0.04, 1.6, depth), paint)
    for step in range(5):
        foot, edge = 0.28 + step * 0.26, 0.32 + step * 0.26
        parts.box((half - 0.42, foot, front + 0.02), (half - 0.12, edge, depth - 0.02), paint)
    return Piece("bunk bed", name, parts, width, depth, high)


def crib(palette: Palette) -> Piece:
    """A baby's bed with bars."""
    name, paint = palette.colour("white", "pink", "blue", "beige", "brown", "yellow")
    width, depth = 1.25, 0.7
    parts, half = Parts(), width / 2
    for x in (-half, half - 0.05):
        parts.box((x, 0, 0), (x + 0.05, 1.0, depth), paint)
    for z in (0.0, depth - 0.04):
        parts.box((-half + 0.05, 0.85, z), (half - 0.05, 0.9, z + 0.04), paint)
        parts.box((-half + 0.05, 0.26, z), (half - 0.05, 0.34, z + 0.04), paint)
        for index in range(9):
            x = -half + 0.14 + index * (width - 0.3) / 8
            parts.box((x, 0.34, z + 0.01), (x + 0.025, 0.85, z + 0.03), paint)
    parts.box((-half + 0.05, 0.3, 0.04), (half - 0.05, 0.44, depth - 0.04), palette.fabric(*VIVID)[1].shaded(1.1))
    parts.cushion((-half + 0.08, 0.43, 0.12), (-half + 0.34, 0.52, depth - 0.12), Paint(250, 250, 246), 0.03)
    return Piece("crib", name, parts, width, depth, 1.0)


def wardrobe(palette: Palette) -> Piece:
    """A tall cupboard for clothes with two or three doors."""
    name, paint = palette.painted_wood()
    doors = 2 + palette.index(2)
    width, depth, height = 0.5 * doors + palette.size(0.0, 0.2), palette.size(0.55, 0.62), palette.size(1.9, 2.15)
    parts, half, front = Parts(), width / 2, depth - 0.035
    parts.box((-half, 0.08, 0), (half, height, front), paint)
    parts.box((-half + 0.02, 0, 0.02), (half - 0.02, 0.08, front - 0.04), paint.shaded(0.6))
    fronts(parts, (-half + 0.01, half - 0.01), (0.1, height - 0.05), front, doors, 1, paint.shaded(0.93))
    parts.box((-half, height, 0), (half, height + 0.04, depth - 0.01), paint.shaded(0.85))
    return Piece("wardrobe", name, parts, width, depth, height + 0.04, access=0.6)


def dresser(palette: Palette) -> Piece:
    """A chest of drawers with something on it."""
    name, paint = palette.painted_wood()
    width, depth, height = palette.size(0.8, 1.2), palette.size(0.42, 0.5), palette.size(0.8, 1.05)
    parts, half, front = Parts(), width / 2, depth - 0.035
    parts.box((-half, 0.08, 0), (half, height, front), paint)
    columns = 2 if width > 1.0 else 1
    fronts(parts, (-half + 0.02, half - 0.02), (0.1, height - 0.03), front, columns, 4, paint.shaded(0.92))
    legs(parts, width, depth - 0.05, 0.08, 0.06, paint.shaded(0.7))
    piece = Piece("dresser", name, parts, width, depth, height)
    if palette.chance(0.5):
        piece.put(table_lamp(palette), half * 0.5, height, 0.1)
    return piece


def office_chair(palette: Palette) -> Piece:
    """A swivel chair on five castors, with its back at z = 0."""
    name, paint = palette.fabric("black", "grey", "red", "blue", "green", "white", "orange")
    parts = Parts()
    middle = 0.28
    parts.tube((0, 0.1, middle), 0.34, 0.03, palette.metal)
    parts.tube((0, 0.05, middle), 0.05, 0.25, palette.dark, top=0.06, sides=12)
    parts.cushion((-0.24, 0.42, 0.05), (0.24, 0.51, 0.53), paint, 0.03)
    parts.cushion((-0.22, 0.56, 0.02), (0.22, 1.05, 0.09), paint, 0.03)
    parts.box((-0.03, 0.44, 0.0), (0.03, 0.8, 0.03), palette.dark)
    for x in (-0.27, 0.23):
        parts.box((x, 0.62, 0.12), (x + 0.04, 0.65, 0.4), palette.dark)
        parts.box((x, 0.44, 0.22), (x + 0.04, 0.62, 0.26), palette.dark)
    return Piece("office chair", name, parts, 0.56, 0.56, 1.05)


def computer(palette: Palette) -> Piece:
    """A screen and a keyboard."""
    parts = Parts()
    parts.box((-0.12, 0, 0.03), (0.12, 0.015, 0.2), palette.dark)
    parts.box((-0.025, 0.015, 0.08), (0.025, 0.14, 0.11), palette.dark)
    parts.box((-0.3, 0.12, 0.09), (0.3, 0.48, 0.13), palette.paint("black"))
    parts.front_panel((-0.285, 0.285), (0.135, 0.465), 0.132, SCREEN)
    parts.box((-0.22, 0, 0.26), (0.22, 0.02, 0.4), palette.paint("grey"))
    return Piece("computer", "black", parts, 0.6, 0.4, 0.48)


def desk(palette: Palette) -> Piece:
    """A desk with drawers and a computer, and an office chair in front."""
    name, paint = palette.painted_wood()
    width, depth = palette.size(1.2, 1.6), palette.size(0.62, 0.72)
    parts, half = Parts(), width / 2
    parts.box((-half, 0.71, 0), (half, 0.75, depth), paint)
    parts.box((-half, 0, 0.02), (-half + 0.04, 0.71, depth - 0.02), paint.shaded(0.9))
    parts.box((half - 0.42, 0.04, 0.02), (half, 0.71, depth - 0.05), paint.shaded(0.9))
    fronts(parts, (half - 0.41, half - 0.01), (0.06, 0.7), depth - 0.05, 1, 3, paint)
    parts.box((-half + 0.04, 0.3, 0.02), (half - 0.42, 0.71, 0.04), paint.shaded(0.85))
    piece = Piece("desk", name, parts, width, depth, 0.75)
    piece.put(computer(palette), -0.15, 0.75, 0.05)
    if palette.chance(0.6):
        piece.put(table_lamp(palette), half - 0.2, 0.75, 0.08)
    seat = office_chair(palette)
    piece.put(seat, -0.15, 0, depth + seat.depth - 0.12, math.pi)
    piece.depth = depth + seat.depth - 0.12
    return piece


def toy_chest(palette: Palette) -> Piece:
    """A box of toys with balls in it."""
    name, paint = palette.colour(*VIVID)
    width, depth, height = palette.size(0.7, 0.95), 0.42, 0.45
    parts, half = Parts(), width / 2
    parts.box((-half, 0, 0), (half, 0.36, depth), paint)
    parts.box((-half, 0.36, 0), (half, 0.45, 0.04), paint.shaded(0.8))
    for index, x in enumerate((-half * 0.6, -0.05, half * 0.55)):
        parts.ball((x, 0.4, 0.22 + 0.03 * index), (0.09, 0.09, 0.09), palette.paint(VIVID[palette.index(8)]))
    return Piece("toy chest", name, parts, width, depth, height + 0.05)


def teddy_bear(palette: Palette) -> Piece:
    """A large teddy bear that sits on the floor."""
    name, paint = palette.colour("brown", "white", "beige", "pink", "black", "brown")
    parts = Parts()
    parts.ball((0, 0.24, 0.2), (0.19, 0.24, 0.17), paint)
    parts.ball((0, 0.58, 0.21), (0.16, 0.15, 0.14), paint)
    parts.ball((0, 0.55, 0.34), (0.07, 0.05, 0.05), paint.shaded(1.25))
    parts.ball((0, 0.57, 0.385), (0.02, 0.015, 0.015), palette.dark)
    for side in (-1, 1):
        parts.ball((side * 0.12, 0.71, 0.2), (0.06, 0.06, 0.04), paint.shaded(0.9))
        parts.ball((side * 0.14, 0.09, 0.38), (0.08, 0.09, 0.15), paint.shaded(0.95))
        parts.ball((side * 0.2, 0.32, 0.27), (0.07, 0.13, 0.08), paint.shaded(0.95))
        parts.ball((side * 0.055, 0.62, 0.335), (0.018, 0.02, 0.015), palette.dark)
    return Piece("teddy bear", name, parts, 0.56, 0.54, 0.77)


def ball(palette: Palette) -> Piece:
    """A large ball."""
    name, paint = palette.colour(*VIVID)
    parts = Parts()
    parts.ball((0, 0.2, 0.2), (0.2, 0.2, 0.2), paint)
    return Piece("ball", name, parts, 0.4, 0.4, 0.4)


def shelf(palette: Palette) -> Piece:
    """Low open shelves with books and boxes."""
    name, paint = palette.painted_wood()
    width, depth, height = palette.size(0.9, 1.4), 0.32, palette.size(0.75, 1.15)
    parts, half = Parts(), width / 2
    for index, top in enumerate(shelves(parts, width, depth, (0, height), 2 if height < 0.95 else 3, paint)):
        book_row(palette, parts, (-half + 0.04, -half + width * 0.5), top, depth - 0.04, 0.22)
        tint = palette.paint(VIVID[palette.index(8)])
        parts.box((half - width * 0.36, top, 0.04), (half - 0.06, top + 0.2, depth - 0.03 - 0.01 * index), tint)
    return Piece("shelf", name, parts, width, depth, height)
