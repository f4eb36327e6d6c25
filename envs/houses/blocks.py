"""Drawing rooms as rectangles around a hallway, in whole decimetres so that walls meet exactly."""

import itertools
from dataclasses import dataclass, field

import numpy as np

IntRect = tuple[int, int, int, int]
"""x0, z0, x1, z1 in decimetres, between the centre lines of walls."""

SMALLEST = 20  # decimetres, least width of a room
STAIRS = (23, 40)  # decimetres, width and least depth of a room with stairs


@dataclass
class RoomShape:
    """A room without a category yet."""

    rects: list[IntRect]  # touching rectangles that make it up
    role: str = ""  # "hall", "entry", "bath" (cut out of another room), "stairs" or "" for any other
    host: int = -1  # index of the room that a bath was cut out of, -1 for others


@dataclass
class Blocks:
    """The rooms of one storey; the first is the hallway."""

    rooms: list[RoomShape] = field(default_factory=list)

    def add(self, *rects: IntRect, role: str = "", host: int = -1) -> int:
        """Add a room and return its index."""
        self.rooms.append(RoomShape(list(rects), role, host))
        return len(self.rooms) - 1


def draw(rng: np.random.Generator, low: int, high: int) -> int:
    """Draw an integer from low to high, both included."""
    return low + int(rng.random() * (high - low + 1))


def _cuts(rng: np.random.Generator, low: int, high: int, mean: int) -> list[int]:
    """Cut an interval into rooms of about `mean` decimetres; returns all ends in order."""
    length = high - low
    count = max(1, min(round(length / mean), length // SMALLEST))
    weight = 0.15 + rng.random(count) ** 1.5
    spare = length - count * SMALLEST
    ends = np.rint(np.cumsum(weight) * (spare / weight.sum())).astype(int)
    return [low, *(low + int(end) + SMALLEST * (index + 1) for index, end in enumerate(ends))]


def _row(rng: np.random.Generator, blocks: Blocks, x: tuple[int, int], z: tuple[int, int], mean: int) -> list[int]:
    """Fill a block with rooms side by side along x; returns their indices."""
    ends = _cuts(rng, *x, mean)
    return [blocks.add((low, z[0], high, z[1])) for low, high in itertools.pairwise(ends)]


def _column(rng: np.random.Generator, blocks: Blocks, x: tuple[int, int], z: tuple[int, int]) -> list[int]:
    """Fill a block beside a branch of the hallway with one or two rooms along z; returns their indices."""
    if z[1] - z[0] < 2 * SMALLEST + 2 or rng.random() < 0.4:
        return [blocks.add((x[0], z[0], x[1], z[1]))]
    middle = draw(rng, z[0] + SMALLEST, z[1] - SMALLEST)
    return [blocks.add((x[0], z[0], x[1], middle)), blocks.add((x[0], middle, x[1], z[1]))]


def _cap(rng: np.random.Generator, blocks: Blocks, rooms: list[int], hall: IntRect, width: int) -> None:
    """Add the part of the hallway's strip beyond the hallway to the end room of a block, straight or as an L."""
    room = blocks.rooms[rooms[-1]]
    x0, z0, x1, z1 = room.rects[0]
    piece = (hall[2], hall[1], width, hall[3])
    if hall[2] - x0 >= 10 and rng.random() < 0.5:
        room.rects.append(piece)
        return
    before = blocks.rooms[rooms[-2]] if len(rooms) > 1 else None
    if before is not None and hall[2] - before.rects[0][0] >= SMALLEST and x1 - hall[2] >= SMALLEST:
        left = before.rects[0]
        before.rects[0] = (left[0], left[1], hall[2], left[3])
        room.rects[0] = (hall[2], min(z0, hall[1]), x1, max(z1, hall[3]))
    else:
        room.rects.append(piece)


def _carve_bath(rng: np.random.Generator, blocks: Blocks, index: int, hall: IntRect) -> None:
    """Cut a bathroom out of a corner of a large room, on the side away from the hallway."""
    space = blocks.rooms[index]
    x0, z0, x1, z1 = space.rects[0]
    if len(space.rects) > 1 or x1 - x0 < 42 or z1 - z0 < 40:
        return
    width, depth = draw(rng, 18, 23), draw(rng, 20, 24)
    north = z0 < hall[1]
    far, near, inner = (z0, z1, z0 + depth) if north else (z1, z0, z1 - depth)
    left = rng.random() < 0.5
    edge = x0 + width if left else x1 - width
    bath = (x0, edge) if left else (edge, x1)
    rest = (edge, x1) if left else (x0, edge)
    space.rects = [
        (x0, min(near, inner), x1, max(near, inner)),
        (rest[0], min(far, inner), rest[1], max(far, inner)),
    ]
    blocks.add((bath[0], min(far, inner), bath[1], max(far, inner)), role="bath", host=index)


def _add_stairs(rng: np.random.Generator, blocks: Blocks, rooms: list[int], hall: IntRect) -> None:
    """Cut a room for stairs off a wide room along the hallway."""
    width, depth = STAIRS
    for index in rooms:
        space = blocks.rooms[index]
        x0, z0, x1, z1 = space.rects[0]
        fits = len(space.rects) == 1 and z1 == hall[1] and z1 - z0 >= depth and x1 <= hall[2]
        if not fits or x1 - x0 < width + SMALLEST + 4:
            continue
        left = rng.random() < 0.5
        cut = x0 + width if left else x1 - width
        space.rects = [(cut, z0, x1, z1) if left else (x0, z0, cut, z1)]
        blocks.add((x0, z0, cut, z1) if left else (cut, z0, x1, z1), role="stairs")
        return


def _south(
    rng: np.random.Generator, blocks: Blocks, hall: IntRect, x: tuple[int, int], depth: int, mean: int
) -> list[int]:
    """Add the rooms south of the hallway, sometimes with a branch of the hallway between them; returns the indices."""
    top, bottom = hall[3], hall[3] + depth
    if rng.random() < 0.5 or x[1] - x[0] < 88:
        return _row(rng, blocks, x, (top, bottom), mean)
    width = draw(rng, 14, 17)
    start = draw(rng, x[0] + 32, min(x[1], hall[2]) - 32 - width)
    west = _column(rng, blocks, (x[0], start), (top, bottom))
    east = _column(rng, blocks, (start + width, x[1]), (top, bottom))
    reach = bottom
    if len(west) == len(east) == 1 and rng.random() < 0.7:
        reach = top + draw(rng, 16, max(16, depth - 16))
        taker = blocks.rooms[(west if rng.random() < 0.5 else east)[0]]
        taker.rects.append((start, reach, start + width, bottom))
    blocks.rooms[0].rects.append((start, top, start + width, reach))
    return [*west, *east]


def make_blocks(rng: np.random.Generator, *, stairs: bool = False) -> Blocks:
    """Draw the rooms of a house about 9 to 13 m wide and deep.

    A hallway runs through the house or ends at a room; rooms lie along both sides. The outline is a rectangle or an L.
    With `stairs`, one room is cut off for the stairs if there is space.
    """
    blocks = Blocks()
    length, north, south = draw(rng, 92, 130), draw(rng, 34, 48), draw(rng, 34, 48)
    mean = draw(rng, 30, 42)
    hall_end = south_end = length
    capped = rng.random() < 0.55
    if capped:
        hall_end = length - draw(rng, 28, 42)
    elif rng.random() < 0.5:
        south_end = length - draw(rng, 24, 40)
        hall_end = south_end if rng.random() < 0.5 else length
    hall = (0, north, hall_end, north + draw(rng, 14, 18))
    blocks.add(hall, role="hall")
    above = _row(rng, blocks, (0, length), (0, north), mean)
    below = _south(rng, blocks, hall, (0, south_end), south, mean)
    if capped:
        branched = len(blocks.rooms[0].rects) > 1
        taker = above if branched or rng.random() < 0.5 else below
        _cap(rng, blocks, taker, hall, length)
    if stairs:
        _add_stairs(rng, blocks, above, hall)
    elif hall_end >= 80 and rng.random() < 0.3:
        depth = draw(rng, 18, 24)
        blocks.rooms[0].rects[0] = (depth, hall[1], hall_end, hall[3])
        blocks.add((0, hall[1], depth, hall[3]), role="entry")
    for index in [*above, *below]:
        if len(blocks.rooms) < 9 and rng.random() < 0.3:
            _carve_bath(rng, blocks, index, hall)
    _turn(rng, blocks)
    return blocks


def _turn(rng: np.random.Generator, blocks: Blocks) -> None:
    """Mirror and rotate the plan at random."""
    flip_x, flip_z, swap = (rng.random(3) < 0.5).tolist()
    rects = [rect for space in blocks.rooms for rect in space.rects]
    width, depth = max(rect[2] for rect in rects), max(rect[3] for rect in rects)
    for space in blocks.rooms:
        turned = []
        for x0, z0, x1, z1 in space.rects:
            across = (width - x1, width - x0) if flip_x else (x0, x1)
            along = (depth - z1, depth - z0) if flip_z else (z0, z1)
            low, high = (along, across) if swap else (across, along)
            turned.append((low[0], high[0], low[1], high[1]))
        space.rects = turned
