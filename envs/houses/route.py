"""Describing a path through a house by its rooms, doors, turns and landmarks: the clauses of an instruction."""

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

STEP = 0.1  # metres between the sampled points of a path
MIN_VISIT = 0.4  # metres; a shorter part of a path inside a room is ignored
MIN_LEG = 1.0  # metres; a straight piece at least this long is a leg, a direction of walking
MIN_ALIGNMENT = np.cos(np.radians(30))  # at a larger angle to the walls a leg gives no reference for "left" and "right"
CORRIDOR_WIDTH = 2.4  # metres, greatest width of a corridor with only one direction of walking
LANDMARK_DISTANCE = 1.6  # metres, greatest distance of a passed landmark from the path
AMBIGUOUS = 0.7  # metres from a doorway within which it is ambiguous whether another door is counted
DOORSTEP = 1.4  # metres from the middle of a doorway that count as "just inside"
CORRIDORS = ("hallway", "entryway", "landing")
FLAT = ("rug",)  # categories that a path crosses instead of passing
NameOf = Callable[[int], Thing]


@dataclass(frozen=True)
class RoomVisit:
    """The part of a path inside one room; it is entered and left by doors, except at the ends of the path."""

    room: int
    points: np.ndarray  # (n, 3) float64, every `STEP` metres
    entered_by: Exit | None  # as an exit of this room
    left_by: Exit | None


def describe_path(
    layout: Layout, path: np.ndarray, heading: float, stop: Stop, named: NameOf, target: int = -1
) -> Route | None:
    """Return all clauses that an instruction for a path (k, 3) may contain; `stop`, the goal, is the last.

    None if the path changes rooms without a door, or the goal does not match `stop`. The object with the index `target`
    is the goal and not mentioned as passed; -1 if the goal is a room. `named` names an object from its index.
    """
    visits = split_by_room(layout, resample(path))
    if visits is None:
        return None
    if stop.place == "inside":
        return _to_door(layout, visits, path, heading, stop, named)
    return (*_clauses(layout, visits, heading, named, target), stop)


def _to_door(
    layout: Layout, visits: list[RoomVisit], path: np.ndarray, heading: float, stop: Stop, named: NameOf
) -> Route | None:
    """Return a route that ends just behind a door; None if the path enters by no door, or by another one."""
    entered_by = visits[-1].entered_by
    if entered_by is None or float(np.linalg.norm(entered_by.centre - np.asarray(path)[-1, [0, 2]])) > DOORSTEP:
        return None
    return (*_clauses(layout, visits[:-1], heading, named, -1), stop)


def _clauses(layout: Layout, visits: list[RoomVisit], heading: float, named: NameOf, target: int) -> list[Clause]:
    """Return the clauses of the path in some rooms."""
    clauses: list[Clause] = []
    for visit in visits:
        said = _first(layout, visit, heading) if visit.entered_by is None else _inner(layout, visit)
        beside = _landmarks(layout, visit, named, target, first=visit.entered_by is None)
        # Landmarks beside the path are mentioned before its end: the far side of the room, and the door.
        before = next((place for place, clause in enumerate(said) if _ends(clause)), len(said))
        clauses += [*said[:before], *beside, *said[before:]]
    return clauses


def resample(path: np.ndarray) -> np.ndarray:
    """Sample points of a path every `STEP` metres, including its ends; returns (n, 3) float64."""
    path = np.asarray(path, dtype=np.float64)
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    wanted = np.linspace(0.0, at[-1], max(2, int(np.ceil(at[-1] / STEP)) + 1))
    return np.stack([np.interp(wanted, at, path[:, axis]) for axis in range(3)], axis=1)


def split_by_room(layout: Layout, points: np.ndarray) -> list[RoomVisit] | None:
    """Split a path into its rooms in order; returns None if consecutive rooms have no door between them."""
    rooms = layout.rooms_at(points)
    if rooms[0] < 0 or rooms[-1] < 0:
        return None
    runs = _runs(rooms)
    visits: list[RoomVisit] = []
    entered_by: Exit | None = None
    for number, (room, begin, end) in enumerate(runs):
        left_by = None
        if number + 1 < len(runs):
            left_by = layout.exit(room, runs[number + 1][0], points[end - 1, [0, 2]])
            if left_by is None:
                return None
        visits.append(RoomVisit(room, points[begin:end], entered_by, left_by))
        entered_by = layout.entry(room, left_by) if left_by else None
    return visits


def _runs(rooms: np.ndarray) -> list[tuple[int, int, int]]:
    """Return (room, first, end) of the parts of a path in rooms, ignoring parts of at most `MIN_VISIT` metres."""
    runs = _merged([(int(room), place, place + 1) for place, room in enumerate(rooms) if room >= 0])
    ends = (0, len(runs) - 1)
    return _merged([run for number, run in enumerate(runs) if number in ends or (run[2] - run[1]) * STEP > MIN_VISIT])


def _merged(runs: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Join adjacent parts (room, first, end) that are in the same room."""
    groups = [list(group) for _, group in itertools.groupby(runs, key=lambda run: run[0])]
    return [(group[0][0], group[0][1], group[-1][2]) for group in groups]


def _ends(clause: Clause) -> bool:
    """Return whether a clause leaves the room, so that landmarks of the room come before it."""
    return isinstance(clause, Leave | Enter | Climb | Cross) or (isinstance(clause, Along) and clause.end)


def _first(layout: Layout, visit: RoomVisit, heading: float) -> list[Clause]:
    """Return the clauses of the start: a turn to face the path, and leaving the room."""
    ahead = visit.points[min(len(visit.points) - 1, int(1.0 / STEP))] - visit.points[0]
    turn = float(np.arctan2(-ahead[0], -ahead[2]) - heading)
    turn = float(np.degrees((turn + np.pi) % (2 * np.pi) - np.pi))
    found: list[Clause] = []
    if 45 < abs(turn) < 130:
        found.append(Face("left" if turn > 0 else "right"))
    elif abs(turn) > 145:
        found.append(Face("around"))
    if visit.left_by:
        leave = Leave(layout.category(visit.room), layout.category(visit.left_by.room))
        found.append(_climb(layout, visit, visit.left_by) or leave)
    return found


def _inner(layout: Layout, visit: RoomVisit) -> list[Clause]:
    """Return the clauses of a room after the first: turns, crossing, and the door out."""
    assert visit.entered_by is not None
    legs = _along(layout, visit) or _legs(visit.points)
    travel, found = -visit.entered_by.outward, list[Clause]()
    clear = legs is not None
    for leg in legs or ():
        turn = float(left(travel) @ leg)
        if abs(turn) > 0.5:
            found.append(Turn("left" if turn > 0 else "right"))
            travel = leg
        elif travel @ leg < 0:
            clear = False
    category = layout.category(visit.room)
    if not clear or (len(found) > 1 and category not in CORRIDORS):  # around furniture
        clear, found = False, []
    if visit.left_by is None:
        return found
    side = layout.side(visit.left_by, travel) if clear else ""
    if category in CORRIDORS and clear and len(visit.points) * STEP > 2.0:
        found.append(Along(category, end=side == "ahead"))
    elif category not in CORRIDORS:
        found.append(Cross(category))
    climb = _climb(layout, visit, visit.left_by)
    ordinal = _ordinal(layout, visit, visit.left_by, side, travel)
    way = Enter(layout.category(visit.left_by.room), cast(Literal["", "left", "right", "ahead"], side), ordinal)
    return [*found, climb or way]


def _climb(layout: Layout, visit: RoomVisit, left_by: Exit) -> Climb | None:
    """Return the clause for taking the stairs if a door leads to another storey, else None."""
    rise = layout.scene.rooms[left_by.room].storey - layout.scene.rooms[visit.room].storey
    return Climb("up" if rise > 0 else "down") if rise else None


def _ordinal(layout: Layout, visit: RoomVisit, left_by: Exit, side: str, travel: np.ndarray) -> int:
    """Return the number of a door, counted on its side from 1; 0 where the count is ambiguous."""
    if side not in ("left", "right") or visit.entered_by is None or not layout.rectangular(visit.room):
        return 0
    start = visit.entered_by.centre
    same = [exit_ for exit_ in layout.exits[visit.room] if layout.side(exit_, travel) == side]
    if any(abs((exit_.centre - start) @ travel) < AMBIGUOUS and exit_.door != visit.entered_by.door for exit_ in same):
        return 0
    doors = layout.doors_on(visit.room, side, travel, start)
    place = next((place for place, exit_ in enumerate(doors, start=1) if exit_.door == left_by.door), 0)
    return place if place < len(ORDINALS) else 0


def _along(layout: Layout, visit: RoomVisit) -> list[np.ndarray] | None:
    """Return the single direction of walking in a corridor, even if the path cuts corners; None elsewhere."""
    size = layout.size(visit.room)
    if not layout.rectangular(visit.room) or size.min() > CORRIDOR_WIDTH or size.max() < 1.5 * size.min():
        return None
    axis = int(size.argmax())
    moved = float(visit.points[-1, 2 * axis] - visit.points[0, 2 * axis])
    if abs(moved) < MIN_LEG:
        return None
    leg = np.zeros(2)
    leg[axis] = np.sign(moved)
    return [leg]


def _legs(points: np.ndarray) -> list[np.ndarray] | None:
    """Return the directions (2,) of walking along the walls, in order; None if a leg is diagonal."""
    corners = _corners(points[:, [0, 2]])
    legs: list[np.ndarray] = []
    for begin, end in itertools.pairwise(corners):
        length = float(np.linalg.norm(end - begin))
        if length < MIN_LEG:
            continue
        direction = (end - begin) / length
        axis = int(np.abs(direction).argmax())
        if abs(direction[axis]) < MIN_ALIGNMENT:
            return None
        leg = np.zeros(2)
        leg[axis] = np.sign(direction[axis])
        if not legs or legs[-1] @ leg < 0.5:
            legs.append(leg)
    return legs


def _corners(points: np.ndarray, tolerance: float = 0.35) -> list[np.ndarray]:
    """Simplify a path (n, 2) to the ends of straight pieces (Douglas and Peucker 1973)."""
    begin, end = points[0], points[-1]
    chord = end - begin
    length = float(np.linalg.norm(chord))
    offset = points - begin
    away = np.abs(offset @ left(chord)) / length if length > 1e-6 else np.linalg.norm(offset, axis=1)
    far = int(away.argmax())
    if away[far] < tolerance or len(points) < 3 or far in (0, len(points) - 1):
        return [begin, end]
    return [*_corners(points[: far + 1], tolerance)[:-1], *_corners(points[far:], tolerance)]


def _landmarks(layout: Layout, visit: RoomVisit, named: NameOf, target: int, first: bool) -> list[Clause]:
    """Return the landmarks beside the path in a room, in order; similar ones close together are one clause."""
    met: list[tuple[float, Pass]] = []
    for number, thing in enumerate(layout.scene.objects):
        if thing.room != visit.room or number == target or thing.category not in LANDMARKS or thing.category in FLAT:
            continue
        if place := _passed(visit.points[:, [0, 2]], layout, number, first):
            met.append((place[0], Pass(named(number), place[1])))
    alike: dict[Pass, list[float]] = {}
    for at, clause in met:
        alike.setdefault(clause, []).append(at)
    goal = layout.scene.objects[target] if target >= 0 else None
    found = []
    for clause, places in alike.items():
        like_goal = goal is not None and goal.category == clause.thing.category and goal.room == visit.room
        apart = max(places) - min(places) > 2.5
        if like_goal or apart or len(places) > 3 or not _all(layout, visit.room, clause, len(places)):
            continue
        found.append((min(places), replace(clause, thing=replace(clause.thing, count=len(places)))))
    return [clause for _, clause in sorted(found, key=lambda item: (item[0], repr(item[1])))]


def _all(layout: Layout, room: int, clause: Pass, count: int) -> bool:
    """Return whether nearly all similar objects of the room are passed, not a few of many, such as chairs."""
    alike = [
        thing
        for thing in layout.scene.objects
        if thing.room == room and thing.category == clause.thing.category and clause.thing.colour in ("", thing.colour)
    ]
    return len(alike) <= count + 1


def _passed(
    points: np.ndarray, layout: Layout, number: int, first: bool
) -> tuple[float, Literal["left", "right"]] | None:
    """Return the distance along a path (n, 2) at which an object is passed, and its side; None if it is not."""
    thing = layout.scene.objects[number]
    away = box_distance(thing, points)
    near = int(away.argmin())
    margin = round((0.8 if first else 0.4) / STEP)
    if away[near] > LANDMARK_DISTANCE or near < margin or near > len(points) - 1 - round(0.4 / STEP):
        return None
    ahead = points[min(near + 3, len(points) - 1)] - points[max(near - 3, 0)]
    aside = np.array([thing.centre[0], thing.centre[2]]) - points[near]
    if np.linalg.norm(ahead) < STEP or np.linalg.norm(aside) < STEP:
        return None
    turn = float(left(ahead) @ aside / (np.linalg.norm(ahead) * np.linalg.norm(aside)))
    if abs(turn) < 0.6 or thing.low[1] > layout.scene.rooms[thing.room].floor + 2.0:
        return None
    return near * STEP, "left" if turn > 0 else "right"
