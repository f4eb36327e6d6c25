"""Proof that an instruction singles out its goal: its clauses, followed every way they allow.

Sides and numbers of doors are read as a person would: relative to the way one came in, turned as the clauses say. In
the room of the start, where one faces anywhere, they tell nothing. What is left open is tried both ways; the goal is
proven when every way ends at the same thing or in the same room.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from envs.houses.layout import Exit, Layout, gap, left
from envs.scene import SceneObject
from vln.instructions.clauses import Along, Clause, Climb, Cross, Enter, Leave, Route, Stop, Thing, Turn

BESIDE = 0.8  # metres between two things that stand next to each other


@dataclass(frozen=True)
class Place:
    """Where a follower may be.

    Attributes:
        room: Index of the room.
        came: The door it came through, None in the room of the start.
        travel: (2,) float64, its direction, x and z; None where it is not known.
    """

    room: int
    came: Exit | None = None
    travel: np.ndarray | None = None


def goals(route: Route, layout: Layout, start: int) -> set[int]:
    """What a route may end at.

    Args:
        route: The clauses of an instruction.
        layout: The house.
        start: Index of the room the walk starts in.

    Returns:
        Indices of objects where the goal is a thing, else indices of rooms.
    """
    stop = route[-1]
    if not isinstance(stop, Stop):
        raise TypeError("a route ends with its goal")
    rooms = _rooms(route[:-1], layout, start)
    if stop.room:
        rooms = {room for room in rooms if layout.category(room) == stop.room}
    if stop.thing is None:
        return rooms
    objects = layout.scene.objects
    return {
        number
        for number, thing in enumerate(objects)
        if thing.room in rooms
        and fits(stop.thing, thing)
        and (stop.near is None or _has_near(number, stop.near, layout))
    }


def fits(named: Thing, thing: SceneObject) -> bool:
    """Whether an object is what is named."""
    return thing.category == named.category and named.colour in ("", thing.colour)


def _has_near(number: int, named: Thing, layout: Layout) -> bool:
    thing = layout.scene.objects[number]
    return any(
        other.room == thing.room and fits(named, other) and gap(thing, other) <= BESIDE
        for index, other in enumerate(layout.scene.objects)
        if index != number
    )


def _rooms(way: Iterable[Clause], layout: Layout, start: int) -> set[int]:
    """Where a way may lead; anywhere where it names no door."""
    way = tuple(way)
    if not any(isinstance(clause, Leave | Enter | Climb) for clause in way):
        return set(range(len(layout.scene.rooms)))
    places = [Place(start)]
    for clause in way:
        places = [after for place in places for after in _follow(clause, place, layout)]
    return {place.room for place in places}


def _follow(clause: Clause, place: Place, layout: Layout) -> list[Place]:
    """Where a clause may lead from a place."""
    if isinstance(clause, Along | Cross):
        return [place] if layout.category(place.room) == clause.room else []
    if isinstance(clause, Turn):
        return [_turned(place, clause)]
    if isinstance(clause, Leave):
        return _through(place, layout, clause.into) if layout.category(place.room) == clause.room else []
    if isinstance(clause, Climb):
        return [there for there in _through(place, layout, "") if _rises(layout, place.room, there.room) == clause.way]
    if isinstance(clause, Enter):
        return _enter(clause, place, layout)
    return [place]


def _turned(place: Place, clause: Turn) -> Place:
    if place.travel is None:
        return place
    return Place(place.room, place.came, left(place.travel) if clause.side == "left" else -left(place.travel))


def _through(place: Place, layout: Layout, into: str) -> list[Place]:
    """Through every door but the one it came by, to rooms of a category where one is named."""
    ways = [way for way in layout.exits[place.room] if place.came is None or way.door != place.came.door]
    return [_arrive(place.room, way, layout) for way in ways if into in ("", layout.category(way.room))]


def _rises(layout: Layout, here: int, there: int) -> str:
    rise = layout.scene.rooms[there].storey - layout.scene.rooms[here].storey
    return "up" if rise > 0 else "down" if rise else ""


def _enter(clause: Enter, place: Place, layout: Layout) -> list[Place]:
    if place.travel is None or place.came is None or not clause.side:
        return _through(place, layout, clause.room)
    doors = layout.doors_on(place.room, clause.side, place.travel, place.came.centre)
    if clause.ordinal:
        doors = doors[clause.ordinal - 1 : clause.ordinal]
    return [_arrive(place.room, way, layout) for way in doors if clause.room in ("", layout.category(way.room))]


def _arrive(room: int, way: Exit, layout: Layout) -> Place:
    """In the room behind a door."""
    return Place(way.room, layout.entry(room, way), way.outward)
