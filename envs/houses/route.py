"""What a path through a house passes: its rooms, doors, turns and landmarks as the clauses of an instruction."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np

from envs.houses.categories import LANDMARKS
from envs.houses.layout import Exit, Layout, box_distance, left
from vln.instructions.clauses import (
    ORDINALS,
    Along,
    Clause,
    Climb,
    Cross,
    Enter,
    Face,
    Leave,
    Pass,
    Route,
    Stop,
    Thing,
    Turn,
)

STEP = 0.1  # metres between the points of a path that are looked at
GRAZE = 0.4  # metres inside a room that do not count as being there
LEG = 1.0  # metres straight on that count as a direction of walking
SKEW = np.cos(np.radians(30))  # a leg this far off the walls has no direction that "left" and "right" could follow
NARROW = 2.4  # metres across a corridor, in which one can only walk along
REACH = 1.6  # metres from the way to a landmark beside it
UNCLEAR = 0.7  # metres around a doorway in which another door may be counted or not
DOORSTEP = 1.4  # metres from the middle of a doorway that are "just inside"
CORRIDORS = ("hallway", "entryway", "landing")
FLAT = ("rug",)  # walked over, not past
NamedAs = Callable[[int], Thing]


@dataclass(frozen=True)
class Stay:
    """A stretch of a path inside one room.

    Attributes:
        room: Index of the room.
        points: (n, 3) float64, every `STEP` metres.
        came: The door it begins at, seen from this room; None in the first room.
        goes: The door it ends at, seen from this room; None in the last room.
    """

    room: int
    points: np.ndarray
    came: Exit | None
    goes: Exit | None


def describe(
    layout: Layout, path: np.ndarray, heading: float, stop: Stop, named: NamedAs, target: int = -1
) -> Route | None:
    """Everything an instruction may say about a path.

    Args:
        layout: The house.
        path: (k, 3) float, corners of the path, the start first.
        heading: Where one faces at the start, radians.
        stop: The goal.
        named: Names an object by its index.
        target: Index of the object that is the goal, -1 where it is none; it is not passed.

    Returns:
        The clauses, or None where the path goes from room to room other than by a door, or the goal is not what it is
        said to be.
    """
    stays = find_stays(layout, resample(path))
    if stays is None:
        return None
    if stop.place == "inside":
        return _to_door(layout, stays, path, heading, stop, named)
    return (*_clauses(layout, stays, heading, named, target), stop)


def _to_door(
    layout: Layout, stays: list[Stay], path: np.ndarray, heading: float, stop: Stop, named: NamedAs
) -> Route | None:
    """A route that ends just behind a door; None where it comes through no door, or another one."""
    came = stays[-1].came
    if came is None or float(np.linalg.norm(came.centre - np.asarray(path)[-1, [0, 2]])) > DOORSTEP:
        return None
    return (*_clauses(layout, stays[:-1], heading, named, -1), stop)


def _clauses(layout: Layout, stays: list[Stay], heading: float, named: NamedAs, target: int) -> list[Clause]:
    """What is passed in some rooms."""
    clauses: list[Clause] = []
    for stay in stays:
        said = _first(layout, stay, heading) if stay.came is None else _inner(layout, stay)
        beside = _landmarks(layout, stay, named, target, first=stay.came is None)
        # What stands beside the way comes before its end: the far side of the room, and the door.
        before = next((place for place, clause in enumerate(said) if _ends(clause)), len(said))
        clauses += [*said[:before], *beside, *said[before:]]
    return clauses


def resample(path: np.ndarray) -> np.ndarray:
    """(n, 3) float64, points of a path every `STEP` metres, its ends included."""
    path = np.asarray(path, dtype=np.float64)
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    wanted = np.linspace(0.0, at[-1], max(2, int(np.ceil(at[-1] / STEP)) + 1))
    return np.stack([np.interp(wanted, at, path[:, axis]) for axis in range(3)], axis=1)


def find_stays(layout: Layout, points: np.ndarray) -> list[Stay] | None:
    """The rooms of a path in order; None where two that follow one another have no door between them."""
    rooms = layout.rooms_at(points)
    if rooms[0] < 0 or rooms[-1] < 0:
        return None
    runs = _runs(rooms)
    stays: list[Stay] = []
    came: Exit | None = None
    for number, (room, begin, end) in enumerate(runs):
        goes = None
        if number + 1 < len(runs):
            goes = layout.exit(room, runs[number + 1][0], points[end - 1, [0, 2]])
            if goes is None:
                return None
        stays.append(Stay(room, points[begin:end], came, goes))
        came = layout.entry(room, goes) if goes else None
    return stays


def _runs(rooms: np.ndarray) -> list[tuple[int, int, int]]:
    """(room, first, end) of the stretches of a path, without those that only graze a room."""
    known = [(int(room), place) for place, room in enumerate(rooms) if room >= 0]
    runs: list[list[int]] = []
    for room, place in known:
        if runs and runs[-1][0] == room:
            runs[-1][2] = place + 1
        else:
            runs.append([room, place, place + 1])
    longest = len(runs) - 1
    kept = [run for number, run in enumerate(runs) if number in (0, longest) or (run[2] - run[1]) * STEP > GRAZE]
    merged: list[list[int]] = []
    for run in kept:
        if merged and merged[-1][0] == run[0]:
            merged[-1][2] = run[2]
        else:
            merged.append(run)
    return [(room, begin, end) for room, begin, end in merged]


def _ends(clause: Clause) -> bool:
    """Whether nothing more of a room is passed after a clause."""
    return isinstance(clause, Leave | Enter | Climb | Cross) or (isinstance(clause, Along) and clause.end)


def _first(layout: Layout, stay: Stay, heading: float) -> list[Clause]:
    """Facing the way, and leaving the room of the start."""
    ahead = stay.points[min(len(stay.points) - 1, int(1.0 / STEP))] - stay.points[0]
    turn = float(np.arctan2(-ahead[0], -ahead[2]) - heading)
    turn = float(np.degrees((turn + np.pi) % (2 * np.pi) - np.pi))
    found: list[Clause] = []
    if 45 < abs(turn) < 130:
        found.append(Face("left" if turn > 0 else "right"))
    elif abs(turn) > 145:
        found.append(Face("around"))
    if stay.goes:
        found.append(
            _climb(layout, stay, stay.goes) or Leave(layout.category(stay.room), layout.category(stay.goes.room))
        )
    return found


def _inner(layout: Layout, stay: Stay) -> list[Clause]:
    """Turns in a room one has entered, how it is crossed, and the door it is left by."""
    assert stay.came is not None
    legs = _along(layout, stay) or _legs(stay.points)
    travel, found = -stay.came.outward, list[Clause]()
    clear = legs is not None
    for leg in legs or ():
        turn = float(left(travel) @ leg)
        if abs(turn) > 0.5:
            found.append(Turn("left" if turn > 0 else "right"))
            travel = leg
        elif travel @ leg < 0:
            clear = False
    category = layout.category(stay.room)
    if not clear or (len(found) > 1 and category not in CORRIDORS):  # around furniture
        clear, found = False, []
    if stay.goes is None:
        return found
    side = layout.side(stay.goes, travel) if clear else ""
    if category in CORRIDORS and clear and len(stay.points) * STEP > 2.0:
        found.append(Along(category, end=side == "ahead"))
    elif category not in CORRIDORS:
        found.append(Cross(category))
    climb = _climb(layout, stay, stay.goes)
    ordinal = _ordinal(layout, stay, stay.goes, side, travel)
    way = Enter(layout.category(stay.goes.room), cast(Literal["", "left", "right", "ahead"], side), ordinal)
    return [*found, climb or way]


def _climb(layout: Layout, stay: Stay, goes: Exit) -> Climb | None:
    """Taking the stairs, where a door leads to another storey."""
    rise = layout.scene.rooms[goes.room].storey - layout.scene.rooms[stay.room].storey
    return Climb("up" if rise > 0 else "down") if rise else None


def _ordinal(layout: Layout, stay: Stay, goes: Exit, side: str, travel: np.ndarray) -> int:
    """Which door on its side the way goes through, 0 where people may count differently."""
    if side not in ("left", "right") or stay.came is None or not layout.rectangular(stay.room):
        return 0
    start = stay.came.centre
    same = [exit_ for exit_ in layout.exits[stay.room] if layout.side(exit_, travel) == side]
    if any(abs((exit_.centre - start) @ travel) < UNCLEAR and exit_.door != stay.came.door for exit_ in same):
        return 0
    doors = layout.doors_on(stay.room, side, travel, start)
    place = next((place for place, exit_ in enumerate(doors, start=1) if exit_.door == goes.door), 0)
    return place if place < len(ORDINALS) else 0


def _along(layout: Layout, stay: Stay) -> list[np.ndarray] | None:
    """The one direction of walking in a corridor, however a path cuts its corners; None elsewhere."""
    size = layout.size(stay.room)
    if not layout.rectangular(stay.room) or size.min() > NARROW or size.max() < 1.5 * size.min():
        return None
    axis = int(size.argmax())
    moved = float(stay.points[-1, 2 * axis] - stay.points[0, 2 * axis])
    if abs(moved) < LEG:
        return None
    leg = np.zeros(2)
    leg[axis] = np.sign(moved)
    return [leg]


def _legs(points: np.ndarray) -> list[np.ndarray] | None:
    """Directions (2,) of walking along the walls, in order; None where it is on the slant for long."""
    corners = _corners(points[:, [0, 2]])
    legs: list[np.ndarray] = []
    for begin, end in itertools.pairwise(corners):
        length = float(np.linalg.norm(end - begin))
        if length < LEG:
            continue
        direction = (end - begin) / length
        axis = int(np.abs(direction).argmax())
        if abs(direction[axis]) < SKEW:
            return None
        leg = np.zeros(2)
        leg[axis] = np.sign(direction[axis])
        if not legs or legs[-1] @ leg < 0.5:
            legs.append(leg)
    return legs


def _corners(points: np.ndarray, tolerance: float = 0.35) -> list[np.ndarray]:
    """Ends of the straight pieces that a path (n, 2) stays close to (Douglas and Peucker 1973)."""
    begin, end = points[0], points[-1]
    chord = end - begin
    length = float(np.linalg.norm(chord))
    offset = points - begin
    away = np.abs(offset @ left(chord)) / length if length > 1e-6 else np.linalg.norm(offset, axis=1)
    far = int(away.argmax())
    if away[far] < tolerance or len(points) < 3 or far in (0, len(points) - 1):
        return [begin, end]
    return [*_corners(points[: far + 1], tolerance)[:-1], *_corners(points[far:], tolerance)]


def _landmarks(layout: Layout, stay: Stay, named: NamedAs, target: int, first: bool) -> list[Clause]:
    """What stands beside the way in a room, in the order of passing; alike things that follow one another together."""
    met: list[tuple[float, Pass]] = []
    for number, thing in enumerate(layout.scene.objects):
        if thing.room != stay.room or number == target or thing.category not in LANDMARKS or thing.category in FLAT:
            continue
        if place := _passed(stay.points[:, [0, 2]], layout, number, first):
            met.append((place[0], Pass(named(number), place[1])))
    alike: dict[Pass, list[float]] = {}
    for at, clause in met:
        alike.setdefault(clause, []).append(at)
    goal = layout.scene.objects[target] if target >= 0 else None
    found = []
    for clause, places in alike.items():
        like_goal = goal is not None and goal.category == clause.thing.category and goal.room == stay.room
        if (
            like_goal
            or len(places) > 3
            or max(places) - min(places) > 2.5
            or not _all(layout, stay.room, clause, len(places))
        ):
            continue
        found.append((min(places), replace(clause, thing=replace(clause.thing, count=len(places)))))
    return [clause for _, clause in sorted(found, key=lambda item: (item[0], repr(item[1])))]


def _all(layout: Layout, room: int, clause: Pass, count: int) -> bool:
    """Whether the things passed are not just some of many alike in the room, as chairs around a table."""
    alike = [
        thing
        for thing in layout.scene.objects
        if thing.room == room and thing.category == clause.thing.category and clause.thing.colour in ("", thing.colour)
    ]
    return len(alike) <= count + 1


def _passed(
    points: np.ndarray, layout: Layout, number: int, first: bool
) -> tuple[float, Literal["left", "right"]] | None:
    """How far along a path (n, 2) an object is passed, and on which hand; None where it is not."""
    thing = layout.scene.objects[number]
    away = box_distance(thing, points)
    near = int(away.argmin())
    margin = round((0.8 if first else 0.4) / STEP)
    if away[near] > REACH or near < margin or near > len(points) - 1 - round(0.4 / STEP):
        return None
    ahead = points[min(near + 3, len(points) - 1)] - points[max(near - 3, 0)]
    aside = np.array([thing.centre[0], thing.centre[2]]) - points[near]
    if np.linalg.norm(ahead) < STEP or np.linalg.norm(aside) < STEP:
        return None
    turn = float(left(ahead) @ aside / (np.linalg.norm(ahead) * np.linalg.norm(aside)))
    if abs(turn) < 0.6 or thing.low[1] > layout.scene.rooms[thing.room].floor + 2.0:
        return None
    return near * STEP, "left" if turn > 0 else "right"
