"""A whole house from a seed."""

import numpy as np

from envs.houses.assemble import Assembly, build
from envs.houses.finish import finish
from envs.houses.furnish import furnish
from envs.houses.palette import Palette
from envs.houses.plan import make_plan
from envs.houses.textures import textures
from envs.scene import Door, Room, Scene
from vln.errors import InputError

VERSION = 1
"""Stands for what a seed means; raised whenever the same seed gives another house."""
SEEDS = 1_000_000


def house_name(seed: int) -> str:
    """What episodes call the house of a seed."""
    return f"house-{seed:06d}"


def make_house(seed: int) -> Scene:
    """The house of a seed: the same bytes in every process.

    Args:
        seed: 0 to 999,999.

    Raises:
        InputError: If the seed is out of range.
    """
    if not 0 <= seed < SEEDS:
        raise InputError(f"house {seed}", f"the seed is not in 0..{SEEDS - 1}", "choose one that is")
    rng = np.random.default_rng([VERSION, seed])
    plan = make_plan(rng)
    palette = Palette(rng)
    assembly = Assembly()
    height = palette.size(2.5, 2.8)
    finish(assembly, plan, palette, height)
    furnish(assembly, plan, palette, height)
    mesh = build(assembly)
    return Scene(
        name=house_name(seed),
        vertices=mesh.vertices,
        triangles=mesh.triangles,
        colours=mesh.colours,
        uv=mesh.uv,
        texture=mesh.texture,
        object_ids=mesh.object_ids,
        textures=textures(),
        objects=mesh.objects,
        rooms=tuple(Room(room.category, tuple(room.inner)) for room in plan.rooms),
        doors=tuple(Door(door.segment.rooms, (door.point[0], 0.0, door.point[1]), door.width) for door in plan.doors),
    )
