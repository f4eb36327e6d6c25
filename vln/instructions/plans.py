"""Which of the facts of a route an instruction names: what its style likes, then more until it is unambiguous."""

import random
from collections.abc import Iterator
from dataclasses import replace

from vln.instructions.clauses import Along, Clause, Cross, Enter, Face, Leave, Pass, Route, Stop, Turn
from vln.instructions.styles import Style

COLOUR = 0.8  # how often a colour is named that need not be


def plans(route: Route, style: Style, rng: random.Random, goal_only: float = 0.0) -> Iterator[Route]:
    """Ever more detailed selections of a route's facts; the last but for its landmarks is the whole route.

    Args:
        route: Everything that is true and may be said.
        style: Whose taste decides what is left out.
        rng: Makes the choices.
        goal_only: How often to try to name nothing but the goal.
    """
    stop = route[-1]
    assert isinstance(stop, Stop)
    way = _few_passes(route[:-1], style, rng)
    if rng.random() < goal_only:
        yield (_goal(stop, style, rng),)
        yield (replace(stop, near=None),)
    taste = _taste(way, style, rng)
    yield (*taste, _goal(stop, style, rng))
    yield (*taste, replace(stop, near=None))
    yield (*way, replace(stop, near=None))
    yield (*way, stop)


def _few_passes(way: Route, style: Style, rng: random.Random) -> Route:
    """The way with as many landmarks as the style cares for."""
    passes = [place for place, clause in enumerate(way) if isinstance(clause, Pass)]
    wanted = min(len(passes), int(rng.random() * (style.passes + 1)))
    if style.passes > 1:
        wanted = min(len(passes), max(wanted, 1))
    while len(passes) > wanted:
        passes.pop(int(rng.random() * len(passes)))
    return tuple(clause for place, clause in enumerate(way) if not isinstance(clause, Pass) or place in passes)


def _goal(stop: Stop, style: Style, rng: random.Random) -> Stop:
    """The goal without what may turn out not to be needed."""
    if stop.thing is None:
        return stop
    thing = stop.thing if rng.random() < COLOUR else replace(stop.thing, colour="")
    room = stop.room if rng.random() < style.detail else ""
    near = stop.near if rng.random() < style.detail / 4 else None
    return replace(stop, thing=thing, room=room, near=near)


def _taste(way: Route, style: Style, rng: random.Random) -> Route:
    """The way as the style likes it."""
    kept: list[Clause] = []
    turned = True  # whether "on the left" still means what the route means: no turn has been left out in this room
    for clause in way:
        likes = rng.random() < style.detail
        if isinstance(clause, Leave | Enter):
            kept.append(_door(clause, turned, likes, rng))
            turned = True
        elif isinstance(clause, Turn) and not likes:
            turned = False
        elif likes or not isinstance(clause, Face | Along | Cross):
            kept.append(clause)
    return tuple(kept)


def _door(clause: Leave | Enter, turned: bool, likes: bool, rng: random.Random) -> Leave | Enter:
    """A way through a door, told more or less exactly."""
    if isinstance(clause, Leave):
        return clause if likes else replace(clause, into="")
    if not turned or (clause.side == "ahead" and not likes):
        return replace(clause, side="", ordinal=0)
    if clause.ordinal and likes:
        # "Take the second door on the left" tells enough, most of the time.
        return replace(clause, room="") if rng.random() < 0.3 else clause
    return replace(clause, ordinal=0)
