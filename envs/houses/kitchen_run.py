"""Fitting a kitchen: fridge, counters, sink and stove in one row along a wall."""

import math

from envs.houses import furniture_kitchen as kitchen
from envs.houses.arrange import Furnisher
from envs.houses.palette import NamedPaint, Palette
from envs.houses.parts import Paint, Parts
from envs.houses.piece import Piece
from envs.houses.plan import ordered_sum
from envs.houses.space import GAP, FreeSpace, Stretch

LONGEST = 4.2  # metres of a row
SHORTEST = 2.2
TALL = 1.0  # metres; higher units may not stand in front of a window
CABINET = (1.48, 2.12)  # metres, lower and upper edge of wall cabinets

TALL_UNITS = {"stove": kitchen.stove, "fridge": kitchen.fridge}


def _free(space: FreeSpace) -> list[tuple[float, int, float, float]]:
    """Return intervals of walls without doors: (length, edge, start, end), longest first."""
    found = []
    for index, edge in enumerate(space.edges):
        doors = sorted(
            (one.low, one.high) for one in space.covered if one.edge == index and one.bottom < kitchen.COUNTER_HEIGHT
        )
        start = GAP
        for low, high in [*doors, (edge.length - GAP, edge.length)]:
            if low - start >= SHORTEST:
                found.append((low - start, index, start, low))
            start = max(start, high)
    return sorted(found, key=lambda one: (-one[0], one[1], one[2]))


def _widths(palette: Palette, length: float) -> list[tuple[str, float]]:
    """Draw units in a random order that fill a length: (kind, width) of each."""
    fixed = [("stove", 0.6), ("sink", 0.8), ("fridge", 0.78)]
    spare = length - ordered_sum(width for _, width in fixed)
    count = max(1, math.ceil(spare / 1.2)) if spare > 0.25 else 0
    counters = [("counter", spare / count) for _ in range(count)]
    middle = [*fixed[:2], *counters]
    order = palette.rng.permutation(len(middle)).tolist()
    row = [middle[index] for index in order]
    return [fixed[2], *row] if palette.chance(0.5) else [*row, fixed[2]]


def kitchen_run(furnisher: Furnisher) -> None:
    """Place the units of a kitchen along a free wall, the longest possible; separately if none is long enough."""
    palette, space = furnisher.space.palette, furnisher.space
    named, top = palette.painted_wood(), kitchen.worktop(palette)
    for length, index, start, _ in _free(space):
        for attempt in range(10):
            longest = min(length, LONGEST)
            run = longest if attempt < 4 else SHORTEST + (longest - SHORTEST) * palette.rng.random()
            shift = (length - run) * palette.index(2)
            row = _widths(palette, run)
            fits = _fits_windows(space, index, start + shift, row)
            if fits and _build(furnisher, index, start + shift, row, named, top):
                return
    for kind, width in (("fridge", 0.78), ("stove", 0.6), ("sink", 0.8), ("counter", 1.0), ("counter", 0.6)):
        furnisher.against_wall(_unit(palette, kind, width, named, top), "corner")


def _fits_windows(space: FreeSpace, index: int, start: float, row: list[tuple[str, float]]) -> bool:
    """Return whether no tall unit of a row covers a window."""
    along = start
    for kind, width in row:
        if kind in TALL_UNITS and not space.blank(index, along, along + width, TALL, 2.1):
            return False
        along += width
    return True


def _build(
    furnisher: Furnisher, index: int, start: float, row: list[tuple[str, float]], named: NamedPaint, top: Paint
) -> bool:
    """Place a row as one group; returns whether it fits."""
    palette, space = furnisher.space.palette, furnisher.space
    total = ordered_sum(width for _, width in row)
    group = Piece("", "", Parts(), total, 0.66, kitchen.COUNTER_HEIGHT, access=0.6)
    x = -total / 2
    for kind, width in row:
        group.put(_unit(palette, kind, width, named, top), x + width / 2, 0.0, 0.0)
        x += width
    if not furnisher.stand(group, space.edges[index].pose(start + total / 2, GAP)):
        return False
    along = start
    for kind, width in row:
        if kind in {"counter", "sink"} and space.palette.chance(0.75):
            _cabinet(furnisher, index, along, width, named)
        elif kind in TALL_UNITS:
            space.covered.append(Stretch(index, along, along + width, 0.0, 2.4))
        along += width
    return True


def _unit(palette: Palette, kind: str, width: float, named: NamedPaint, top: Paint) -> Piece:
    """Make one unit of a row."""
    if kind in TALL_UNITS:
        return TALL_UNITS[kind](palette)
    return (kitchen.kitchen_sink if kind == "sink" else kitchen.counter)(palette, width, named, top)


def _cabinet(furnisher: Furnisher, index: int, along: float, width: float, named: NamedPaint) -> None:
    """Hang a cabinet on the wall above a unit unless a window is there."""
    space = furnisher.space
    low, high = CABINET
    if not space.blank(index, along + 0.01, along + width - 0.01, low, high):
        return
    pose = space.edges[index].pose(along + width / 2, 0.002, low)
    furnisher.place(kitchen.wall_cabinet(width, named), pose)
    space.covered.append(Stretch(index, along, along + width, low, high))
