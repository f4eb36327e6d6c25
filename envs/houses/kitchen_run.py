"""The fitted side of a kitchen: fridge, counters, sink and stove in one row along a wall."""

import math

from envs.houses import furniture_kitchen as kitchen
from envs.houses.adding import added
from envs.houses.arrange import Furnisher
from envs.houses.palette import Named, Palette
from envs.houses.parts import Paint, Parts
from envs.houses.piece import Piece, Pose
from envs.houses.space import GAP, Space, Stretch

LONGEST = 4.2
SHORTEST = 2.2
TALL = 1.0  # metres, from which a unit may not stand before a window
CABINET = (1.48, 2.12)  # metres, lower and upper edge of wall cabinets


def _free(space: Space) -> list[tuple[float, int, float, float]]:
    """Stretches of wall without doors: (length, edge, from, to), longest first."""
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
    """Units in a random order that fill a length."""
    fixed = [("stove", 0.6), ("sink", 0.8)]
    fixed.append(("fridge", 0.78))
    spare = length - added(width for _, width in fixed)
    count = max(1, math.ceil(spare / 1.2)) if spare > 0.25 else 0
    counters = [("counter", spare / count) for _ in range(count)]
    middle = [*fixed[:2], *counters]
    order = palette.rng.permutation(len(middle)).tolist()
    row = [middle[index] for index in order]
    return [fixed[2], *row] if palette.chance(0.5) else [*row, fixed[2]]


def kitchen_run(furnisher: Furnisher) -> None:
    """Fit out a free wall of a kitchen, the longest if possible; where none is long enough, its units stand apart."""
    palette, space = furnisher.space.palette, furnisher.space
    named, top = palette.painted_wood(), kitchen.worktop(palette)
    for length, index, start, _ in _free(space):
        for attempt in range(10):
            longest = min(length, LONGEST)
            run = longest if attempt < 4 else SHORTEST + (longest - SHORTEST) * palette.rng.random()
            shift = (length - run) * palette.index(2)
            row = _widths(palette, run)
            if not _fits_windows(space, index, start + shift, row):
                continue
            if _build(furnisher, index, start + shift, row, named, top):
                return
    for kind, width in (("fridge", 0.78), ("stove", 0.6), ("sink", 0.8), ("counter", 1.0), ("counter", 0.6)):
        furnisher.against_wall(_unit(palette, kind, width, named, top), "corner")


def _fits_windows(space: Space, index: int, start: float, row: list[tuple[str, float]]) -> bool:
    """Whether the tall units of a row stand clear of windows."""
    along = start
    for kind, width in row:
        if kind in {"stove", "fridge"} and not space.blank(index, along, along + width, TALL, 2.1):
            return False
        along += width
    return True


def _build(
    furnisher: Furnisher, index: int, start: float, row: list[tuple[str, float]], named: Named, top: Paint
) -> bool:
    """Put a row down as one group."""
    palette, space = furnisher.space.palette, furnisher.space
    total = added(width for _, width in row)
    group = Piece("", "", Parts(), total, 0.66, kitchen.COUNTER_HEIGHT, access=0.6)
    x = -total / 2
    for kind, width in row:
        group.put(_unit(palette, kind, width, named, top), x + width / 2, 0.0, 0.0)
        x += width
    edge = space.edges[index]
    at = edge.point(start + total / 2, GAP)
    pose = Pose(*(at[0], 0.0, at[1]), math.atan2(*edge.normal))
    if not furnisher.stand(group, pose):
        return False
    along = start
    for kind, width in row:
        if kind in {"counter", "sink"} and space.palette.chance(0.75):
            _cabinet(furnisher, index, along, width, named)
        elif kind in {"stove", "fridge"}:
            space.covered.append(Stretch(index, along, along + width, 0.0, 2.4))
        along += width
    return True


def _unit(palette: Palette, kind: str, width: float, named: Named, top: Paint) -> Piece:
    """One unit of a row."""
    if kind == "stove":
        return kitchen.stove(palette)
    if kind == "fridge":
        return kitchen.fridge(palette)
    return (kitchen.kitchen_sink if kind == "sink" else kitchen.counter)(palette, width, named, top)


def _cabinet(furnisher: Furnisher, index: int, along: float, width: float, named: Named) -> None:
    """A cabinet on the wall above a unit, if no window is there."""
    space = furnisher.space
    low, high = CABINET
    if not space.blank(index, along + 0.01, along + width - 0.01, low, high):
        return
    x, z = space.edges[index].point(along + width / 2, 0.002)
    pose = Pose(x, low, z, math.atan2(*space.edges[index].normal))
    furnisher.place(kitchen.wall_cabinet(space.palette, width, named), pose)
    space.covered.append(Stretch(index, along, along + width, low, high))
