"""Floor plans: categories of rooms, walls between them, and doors and windows in the walls."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add

import numpy as np

from envs.houses.blocks import Blocks, make_blocks
from envs.houses.purposes import assign

WALL = 0.1  # metres, thickness
DOOR_HEIGHT = 2.05  # metres, of every opening
DOOR_MARGIN = 0.22  # metres of wall left beside an opening
OPEN = ("living room", "kitchen", "dining room")

Corner = tuple[float, float]
"""x and z in metres."""


def ordered_sum(lengths: Iterable[float]) -> float:
    """Sum lengths one by one, as `sum` did before Python 3.12, so that a house is the same in every version."""
    return reduce(add, lengths, 0.0)


@dataclass(frozen=True)
class Segment:
    """A straight wall segment between two rooms, or between a room and the outside."""

    along: int  # axis of the segment, 0 for x, 1 for z
    at: float  # coordinate of its centre line on the other axis, metres
    low: float  # start along the axis, metres
    high: float  # end along the axis, metres
    rooms: tuple[int, int]  # on the side of smaller and of larger coordinates; -1 is outside

    @property
    def length(self) -> float:
        """Length in metres."""
        return self.high - self.low


@dataclass(frozen=True)
class Opening:
    """A gap in a wall, or a window or front door on it."""

    kind: str  # "door", "arch" (wide, without a frame), "entrance" (the closed front door) or "window"
    segment: Segment
    centre: float  # coordinate of its middle along the wall, metres
    width: float  # clear, metres
    low: float  # height of the lower edge above the floor
    high: float  # height of the upper edge

    @property
    def passable(self) -> bool:
        """Whether it is a gap, so that a body can walk through."""
        return self.kind in {"door", "arch"}

    @property
    def point(self) -> tuple[float, float]:
        """x, z of the middle."""
        return (self.centre, self.segment.at) if self.segment.along == 0 else (self.segment.at, self.centre)


@dataclass
class PlanRoom:
    """A room of the plan; its outlines are counter-clockwise with x to the right and z up."""

    category: str
    rects: list[tuple[float, float, float, float]]  # x0, z0, x1, z1 in metres between the centre lines of walls
    polygon: list[Corner]  # outline on the centre lines of walls
    inner: list[Corner]  # outline on the faces of the walls

    @property
    def area(self) -> float:
        """Area in square metres."""
        return ordered_sum((x1 - x0) * (z1 - z0) for x0, z0, x1, z1 in self.rects)


@dataclass
class Plan:
    """The plan of one storey."""

    rooms: list[PlanRoom]
    segments: list[Segment]
    outline: list[Corner]
    openings: list[Opening] = field(default_factory=list)

    @property
    def doors(self) -> list[Opening]:
        """Openings that a body can walk through."""
        return [opening for opening in self.openings if opening.passable]


def _segments(blocks: Blocks) -> list[Segment]:
    """Return the walls: edges between cells of different rooms, on a grid through all corners of rectangles."""
    rects = [rect for space in blocks.rooms for rect in space.rects]
    xs = sorted({x for rect in rects for x in (rect[0], rect[2])})
    zs = sorted({z for rect in rects for z in (rect[1], rect[3])})
    cells = np.full((len(xs) + 1, len(zs) + 1), -1)
    for index, space in enumerate(blocks.rooms):
        for x0, z0, x1, z1 in space.rects:
            cells[xs.index(x0) + 1 : xs.index(x1) + 1, zs.index(z0) + 1 : zs.index(z1) + 1] = index
    owner, found = cells.tolist(), list[Segment]()
    for column, x in enumerate(xs):
        pairs = [(owner[column][row], owner[column + 1][row]) for row in range(1, len(zs))]
        found += _runs(1, x, zs, pairs)
    for row, z in enumerate(zs):
        pairs = [(owner[column][row], owner[column][row + 1]) for column in range(1, len(xs))]
        found += _runs(0, z, xs, pairs)
    return found


def _runs(along: int, at: int, ends: list[int], pairs: list[tuple[int, int]]) -> list[Segment]:
    """Join adjacent edges on one line between the same two rooms to segments."""
    found: list[Segment] = []
    for index, pair in enumerate(pairs):
        if pair[0] == pair[1]:
            continue
        low, high = ends[index] / 10, ends[index + 1] / 10
        if found and found[-1].high == low and found[-1].rooms == pair:
            found[-1] = replace(found[-1], high=high)
        else:
            found.append(Segment(along, at / 10, low, high, pair))
    return found


def trace(segments: list[Segment], room: int) -> list[Corner]:
    """Return the corners of a room's outline with the room to the left; room -1 is the outside of the house.

    Left is seen with x to the right and z up, so from below in the right-handed frame.
    """
    after: dict[Corner, Corner] = {}
    for segment in segments:
        if room not in segment.rooms:
            continue
        low, high = (segment.low, segment.at), (segment.high, segment.at)
        if segment.along == 1:
            low, high = (segment.at, segment.low), (segment.at, segment.high)
        forwards = (segment.rooms[1] == room) == (segment.along == 0)
        start, end = (low, high) if forwards else (high, low)
        after[start] = end
    first = min(after)
    corners, here = [first], after[first]
    while here != first:
        corners.append(here)
        here = after[here]
    return [
        corner
        for before, corner, behind in zip(
            [corners[-1], *corners[:-1]], corners, [*corners[1:], corners[0]], strict=True
        )
        if not (before[0] == corner[0] == behind[0] or before[1] == corner[1] == behind[1])
    ]


def inset(corners: list[Corner], distance: float) -> list[Corner]:
    """Offset an outline to its left, into the room, by a distance."""
    moved = []
    for index, (x, z) in enumerate(corners):
        before, after = corners[index - 1], corners[(index + 1) % len(corners)]
        shift_x = shift_z = 0.0
        for (x0, z0), (x1, z1) in ((before, (x, z)), ((x, z), after)):
            length = abs(x1 - x0) + abs(z1 - z0)
            shift_x -= (z1 - z0) / length * distance
            shift_z += (x1 - x0) / length * distance
        moved.append((round(x + shift_x, 6), round(z + shift_z, 6)))
    return moved


def _hole(rng: np.random.Generator, segment: Segment, kind: str) -> Opening:
    """Draw a door or an arch in a wall, most often near one of its ends."""
    width = (0.9, 0.95, 1.0)[int(rng.random() * 3)]
    if kind == "arch":
        width = round(min(segment.length - 0.7, 1.5 + rng.random() * 1.1), 2)
    reach = width / 2 + DOOR_MARGIN
    low, top = segment.low + reach, segment.high - reach
    place = rng.random()
    side = rng.random()
    part = min(place * 1.6, 1.0) * 0.25 if side < 0.4 else 1 - min(place * 1.6, 1.0) * 0.25 if side < 0.8 else place
    return Opening(kind, segment, round(low + (top - low) * part, 3), width, 0.0, DOOR_HEIGHT)


def _door_kind(rng: np.random.Generator, names: tuple[str, str], length: float) -> str:
    """Draw whether rooms are joined by a door or an arch."""
    if "stairwell" in names or "landing" in names:
        return "arch"
    public = {*OPEN, "hallway", "entryway"}
    wide = all(name in public for name in names) and length > 2.3
    return "arch" if wide and rng.random() < 0.65 else "door"


def _doors(rng: np.random.Generator, blocks: Blocks, plan: Plan) -> bool:
    """Add doors until every room can be reached, preferably from the hallway; returns whether that succeeds."""
    rooms = plan.rooms
    by_pair: dict[tuple[int, int], Segment] = {}
    for segment in plan.segments:
        pair = (min(segment.rooms), max(segment.rooms))
        if pair[0] >= 0 and segment.length >= 1.5 and segment.length > getattr(by_pair.get(pair), "length", 0.0):
            by_pair[pair] = segment
    baths = {index: space.host for index, space in enumerate(blocks.rooms) if space.role == "bath"}

    def rank(pair: tuple[int, int]) -> int:
        """Return the priority of a door between two rooms, 0 first; the hallway is room 0."""
        names = [rooms[index].category for index in pair]
        if pair[0] == 0:
            return 0
        return 1 if "living room" in names or "entryway" in names else 2 if names[0] in OPEN or names[1] in OPEN else 3

    baths |= {index: 0 for index, space in enumerate(blocks.rooms) if space.role == "stairs"}
    allowed = [pair for pair in by_pair if all(baths.get(a, b) == b for a, b in (pair, pair[::-1]))]
    group = list(range(len(rooms)))
    chosen: list[tuple[int, int]] = []
    for pair in sorted(allowed, key=lambda pair: (rank(pair), pair)):
        if group[pair[0]] != group[pair[1]]:
            old, new = group[pair[1]], group[pair[0]]
            group = [new if mark == old else mark for mark in group]
            chosen.append(pair)
    if len(set(group)) > 1:
        return False
    chosen += [pair for pair in allowed if pair not in chosen and rng.random() < _extra(rooms, pair)]
    for pair in chosen:
        segment = by_pair[pair]
        kind = _door_kind(rng, (rooms[pair[0]].category, rooms[pair[1]].category), segment.length)
        plan.openings.append(_hole(rng, segment, kind))
    return True


def _extra(rooms: list[PlanRoom], pair: tuple[int, int]) -> float:
    """Return the probability of an additional door between two rooms that can be reached already."""
    names = {rooms[index].category for index in pair}
    if names <= set(OPEN):
        return 0.8
    if names & set(OPEN) and names & {"laundry room", "office", "library", "music room"}:
        return 0.25
    return 0.2 if names in ({"bedroom", "bathroom"}, {"garage", "laundry room"}) else 0.0


def _front_door(rng: np.random.Generator, plan: Plan) -> None:
    """Add a closed front door to the entryway or the hallway if one of them has an outer wall."""
    for category in ("entryway", "hallway"):
        walls = [
            segment
            for segment in plan.segments
            if -1 in segment.rooms and plan.rooms[max(segment.rooms)].category == category and segment.length >= 1.35
        ]
        if walls:
            segment = walls[int(rng.random() * len(walls))]
            middle = round((segment.low + segment.high) / 2, 3)
            if segment.length > 2.4:
                middle = round(segment.low + 0.7 + (segment.length - 1.4) * rng.random(), 3)
            plan.openings.append(Opening("entrance", segment, middle, 0.95, 0.0, DOOR_HEIGHT))
            return


def _windows(rng: np.random.Generator, plan: Plan) -> None:
    """Add windows to outer walls."""
    taken = [opening.segment for opening in plan.openings]
    for segment in plan.segments:
        if -1 not in segment.rooms or segment.length < 1.7 or segment in taken:
            continue
        category = plan.rooms[max(segment.rooms)].category
        if category in {"storage room", "stairwell"} or (category == "garage" and rng.random() < 0.6):
            continue
        high = {"bathroom": (1.35, 1.95), "kitchen": (1.15, 2.05)}.get(category, (0.9, 2.05))
        widest = 0.9 if category == "bathroom" else 1.9
        count = 1 if segment.length < 4.4 or category == "bathroom" else 2
        part = segment.length / count
        for index in range(count):
            if rng.random() < (0.15, 0.4)[index]:
                continue
            width = round(min(part - 0.8, 0.8 + rng.random() * (widest - 0.8)), 2)
            slack = max(0.0, part - 0.9 - width)
            middle = segment.low + part * (index + 0.5) + (rng.random() - 0.5) * slack
            plan.openings.append(Opening("window", segment, round(middle, 3), width, *high))


def _with_purposes(rng: np.random.Generator, blocks: Blocks, storey: int | None) -> Plan | None:
    """Draw categories, doors and windows of some rooms; returns None if not all rooms can be reached.

    The storey is None in a house of one.
    """
    segments = _segments(blocks)
    rooms = []
    for index, space in enumerate(blocks.rooms):
        polygon = trace(segments, index)
        rects = [(x0 / 10, z0 / 10, x1 / 10, z1 / 10) for x0, z0, x1, z1 in space.rects]
        rooms.append(PlanRoom("", rects, polygon, inset(polygon, WALL / 2)))
    plan = Plan(rooms, segments, trace(segments, -1))
    walls, areas = [(segment.rooms, segment.length) for segment in segments], [room.area for room in rooms]
    for room, category in zip(rooms, assign(rng, blocks, walls, areas, upper=storey == 1), strict=True):
        room.category = category
    if not _doors(rng, blocks, plan):
        return None
    if storey != 1:
        _front_door(rng, plan)
    _windows(rng, plan)
    return plan


def make_plan(rng: np.random.Generator) -> Plan:
    """Draw plans of a house with one storey until all rooms can be reached."""
    while True:
        blocks = make_blocks(rng)
        if len(blocks.rooms) > 9 or sum(not space.role for space in blocks.rooms) < 4:
            continue
        plan = _with_purposes(rng, blocks, None)
        if plan:
            return plan


def make_plans(rng: np.random.Generator) -> tuple[Plan, Plan, int]:
    """Draw two storeys with the same walls; returns both, and the index of the room with the stairs on both."""
    while True:
        blocks = make_blocks(rng, stairs=True)
        stairs = [index for index, space in enumerate(blocks.rooms) if space.role == "stairs"]
        if not stairs or len(blocks.rooms) > 7 or sum(not space.role for space in blocks.rooms) < 4:
            continue
        lower, upper = _with_purposes(rng, blocks, 0), _with_purposes(rng, blocks, 1)
        if lower and upper:
            return lower, upper, stairs[0]
