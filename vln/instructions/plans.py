"""Selection of the facts that an instruction mentions: first by style, then more until it is unambiguous."""

import random
from collections.abc import Iterator
from dataclasses import replace

from vln.instructions.clauses import Along, Clause, Cross, Enter, Face, Leave, Pass, Route, Stop, Turn
from vln.instructions.styles import Style

COLOUR = 0.8  # how often an optional colour is mentioned


def plans(route: Route, style: Style, rng: random.Random, goal_only: float = 0.0) -> Iterator[Route]:
    """Yield ever more detailed selections of a route's facts; the last is the whole route except for some landmarks.

    The style determines which facts are left out first. With probability `goal_only` the goal alone comes before.
    """
    stop = route[-1]
    assert isinstance(stop, Stop)
    clauses = _few_passes(route[:-1], style, rng)
    if rng.random() < goal_only:
        yield (_goal(stop, style, rng),)
        yield (replace(stop, near=None),)
    brief = _brief(clauses, style, rng)
    yield (*brief, _goal(stop, style, rng))
    yield (*brief, replace(stop, near=None))
    yield (*clauses, replace(stop, near=None))
    yield (*clauses, stop)


def _few_passes(clauses: Route, style: Style, rng: random.Random) -> Route:
    """Drop landmarks down to a number that suits the style."""
    passes = [place for place, clause in enumerate(clauses) if isinstance(clause, Pass)]
    wanted = min(len(passes), int(rng.random() * (style.passes + 1)))
    if style.passes > 1:
        wanted = min(len(passes), max(wanted, 1))
    while len(passes) > wanted:
        passes.pop(int(rng.random() * len(passes)))
    return tuple(clause for place, clause in enumerate(clauses) if not isinstance(clause, Pass) or place in passes)


def _goal(stop: Stop, style: Style, rng: random.Random) -> Stop:
    """Drop optional facts of the goal."""
    if stop.thing is None:
        return stop
    thing = stop.thing if rng.random() < COLOUR else replace(stop.thing, colour="")
    room = stop.room if rng.random() < style.detail else ""
    near = stop.near if rng.random() < style.detail / 4 else None
    return replace(stop, thing=thing, room=room, near=near)


def _brief(clauses: Route, style: Style, rng: random.Random) -> Route:
    """Drop optional clauses and facts of the route as the style does."""
    kept: list[Clause] = []
    turned = True  # whether "on the left" still has its meaning: no turn has been left out in this room
    for clause in clauses:
        detailed = rng.random() < style.detail
        if isinstance(clause, Leave | Enter):
            kept.append(_door(clause, turned, detailed, rng))
            turned = True
        elif isinstance(clause, Turn) and not detailed:
            turned = False
        elif detailed or not isinstance(clause, Face | Along | Cross):
            kept.append(clause)
    return tuple(kept)


def _door(clause: Leave | Enter, turned: bool, detailed: bool, rng: random.Random) -> Leave | Enter:
    """Drop facts of a clause about a door that the style leaves out, and sides that are no longer right."""
    if isinstance(clause, Leave):
        return clause if detailed else replace(clause, into="")
    if not turned or (clause.side == "ahead" and not detailed):
        return replace(clause, side="", ordinal=0)
    if clause.ordinal and detailed:
        # "Take the second door on the left" is enough, most of the time.
        return replace(clause, room="") if rng.random() < 0.3 else clause
    return replace(clause, ordinal=0)
