"""Making a whole house from a seed."""

from dataclasses import replace

import numpy as np

from envs.houses.assemble import Assembly, build
from envs.houses.finish import facade, finish
from envs.houses.furnish import furnish
from envs.houses.palette import Palette
from envs.houses.plan import make_plan, make_plans
from envs.houses.stairs import SLAB, find_stairwell
from envs.houses.storey import Storey
from envs.houses.textures import textures
from envs.scene import Door, Room, Scene
from vln.errors import InputError

VERSION = 2
"""Version of the generator, increased when the same seed gives another house."""
SEEDS = 1_000_000
TWO_STOREYS = 0.2
"""Fraction of houses with two storeys."""


def house_name(seed: int) -> str:
    """Return the scene name of the house of a seed."""
    return f"house-{seed:06d}"


def make_house(seed: int) -> Scene:
    """Make the house of a seed from 0 to 999,999; it is the same to the byte in every process."""
    if not 0 <= seed < SEEDS:
        raise InputError(f"house {seed}", f"the seed is not in 0..{SEEDS - 1}", "choose one that is")
    rng = np.random.default_rng([VERSION, seed])
    storeys, palette = _storeys(rng, two=storeys_of(seed) == 2)
    assembly = Assembly()
    cover = facade(palette)
    for storey in storeys:
        finish(assembly, storey, palette, cover)
        furnish(assembly, storey, palette)
    return replace(
        build(assembly),
        name=house_name(seed),
        textures=textures(),
        rooms=tuple(room for storey in storeys for room in _rooms(storey)),
        doors=tuple(door for storey in storeys for door in _doors(storey)),
    )


def storeys_of(seed: int) -> int:
    """Return the number of storeys of the house of a seed, 1 or 2, without building it."""
    return 2 if np.random.default_rng([VERSION, seed, 1]).random() < TWO_STOREYS else 1


def _storeys(rng: np.random.Generator, *, two: bool) -> tuple[list[Storey], Palette]:
    """Draw the storeys and the palette of a house."""
    if not two:
        plan = make_plan(rng)
        palette = Palette(rng)
        return [Storey(plan, 0.0, palette.size(2.5, 2.8))], palette
    lower, upper, room = make_plans(rng)
    palette = Palette(rng)
    height = palette.size(2.5, 2.65)
    rise = round(height + SLAB, 3)
    stairwell = find_stairwell(lower, room, rise)
    return [
        Storey(lower, 0.0, height, 0, 0, stairwell),
        Storey(upper, rise, height, len(lower.rooms), 1, stairwell),
    ], palette


def _rooms(storey: Storey) -> list[Room]:
    """Return the rooms of a storey."""
    return [
        Room(room.category, tuple(storey.outline(index)), storey.floor, storey.level)
        for index, room in enumerate(storey.plan.rooms)
    ]


def _doors(storey: Storey) -> list[Door]:
    """Return the doors of a storey, and the stairs up as a door."""
    first, doors = storey.first, []
    for door in storey.plan.doors:
        (one, two), (x, z) = door.segment.rooms, door.point
        doors.append(Door((first + one, first + two), (x, storey.floor, z), door.width))
    if storey.stairwell and storey.level == 0:
        room = storey.stairwell.room
        doors.append(Door((room, len(storey.plan.rooms) + room), storey.stairwell.half_way, 1.0))
    return doors
