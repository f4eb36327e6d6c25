"""Verifying that an instruction identifies its goal, by following its clauses in every possible way.

Sides and numbers of doors are relative to the direction of entering the room, rotated by the turns of the clauses. In
the room of the start they are ignored, because the heading there is arbitrary. Where a clause is ambiguous, all
possibilities are followed; the goal is verified if all of them end at the same object or in the same room.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from envs.houses.layout import Exit, Layout, box_gap, left
from envs.scene import SceneObject
from vln.instructions.clauses import Along, Clause, Climb, Cross, Enter, Leave, Route, Stop, Thing, Turn

BESIDE = 0.8  # metres between two things that stand next to each other


@dataclass(frozen=True)
class State:
    """A possible state of a walker; the direction of walking (2,), x and z, is None if it is unknown."""

    room: int
    entered_by: Exit | None = None  # None in the room of the start
    travel: np.ndarray | None = None


def possible_goals(route: Route, layout: Layout, start: int) -> set[int]:
    """Return all possible goals of a route from a room: indices of objects if the goal is an object, else of rooms."""
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
    """Return whether an object matches a name."""
    return thing.category == named.category and named.colour in ("", thing.colour)


def _has_near(number: int, named: Thing, layout: Layout) -> bool:
    thing = layout.scene.objects[number]
    return any(
        other.room == thing.room and fits(named, other) and box_gap(thing, other) <= BESIDE
        for index, other in enumerate(layout.scene.objects)
        if index != number
    )


def _rooms(way: Iterable[Clause], layout: Layout, start: int) -> set[int]:
    """Return the rooms that clauses may lead to; all rooms if they mention no door."""
    way = tuple(way)
    if not any(isinstance(clause, Leave | Enter | Climb) for clause in way):
        return set(range(len(layout.scene.rooms)))
    states = [State(start)]
    for clause in way:
        states = [after for state in states for after in _follow(clause, state, layout)]
    return {state.room for state in states}


def _follow(clause: Clause, state: State, layout: Layout) -> list[State]:
    """Return the states that a clause may lead to."""
    if isinstance(clause, Along | Cross):
        return [state] if layout.category(state.room) == clause.room else []
    if isinstance(clause, Turn):
        return [_turned(state, clause)]
    if isinstance(clause, Leave):
        return _through(state, layout, clause.into) if layout.category(state.room) == clause.room else []
    if isinstance(clause, Climb):
        through = _through(state, layout, "")
        return [there for there in through if _rises(layout, state.room, there.room) == clause.direction]
    if isinstance(clause, Enter):
        return _enter(clause, state, layout)
    return [state]


def _turned(state: State, clause: Turn) -> State:
    if state.travel is None:
        return state
    return State(state.room, state.entered_by, left(state.travel) if clause.side == "left" else -left(state.travel))


def _through(state: State, layout: Layout, into: str) -> list[State]:
    """Return the states behind every door except the entrance, only in rooms of category `into` if it is given."""
    ways = [way for way in layout.exits[state.room] if state.entered_by is None or way.door != state.entered_by.door]
    return [_arrive(state.room, way, layout) for way in ways if into in ("", layout.category(way.room))]


def _rises(layout: Layout, here: int, there: int) -> str:
    rise = layout.scene.rooms[there].storey - layout.scene.rooms[here].storey
    return "up" if rise > 0 else "down" if rise else ""


def _enter(clause: Enter, state: State, layout: Layout) -> list[State]:
    if state.travel is None or state.entered_by is None or not clause.side:
        return _through(state, layout, clause.room)
    doors = layout.doors_on(state.room, clause.side, state.travel, state.entered_by.centre)
    if clause.ordinal:
        doors = doors[clause.ordinal - 1 : clause.ordinal]
    return [_arrive(state.room, way, layout) for way in doors if clause.room in ("", layout.category(way.room))]


def _arrive(room: int, way: Exit, layout: Layout) -> State:
    """Return the state in the room behind a door."""
    return State(way.room, layout.entry(room, way), way.outward)
