"""Scenes of boxes in which to walk: rooms, walls, stairs, tables."""

from dataclasses import replace

import numpy as np

from envs.scene import Scene
from tests.small_house import BOX, CORNERS

Box = tuple[tuple[float, float, float], tuple[float, float, float]]


def boxes(*all_boxes: Box, name: str = "room") -> Scene:
    """A scene of solid boxes, each given by its lowest and its highest corner."""
    low, high = (np.array([box[end] for box in all_boxes], float) for end in (0, 1))
    vertices = (low[:, None] + CORNERS * (high - low)[:, None]).reshape(-1, 3).astype(np.float32)
    triangles = np.concatenate([BOX + 8 * number for number in range(len(all_boxes))]).astype(np.int32)
    return Scene(
        name,
        vertices,
        triangles,
        np.zeros((len(vertices), 3), np.uint8),
        np.zeros((len(vertices), 2), np.float32),
        np.full(len(triangles), -1, np.int32),
        np.zeros(len(triangles), np.int32),
    )


def room(width: float, depth: float, *things: Box, height: float = 2.5) -> Scene:
    """A closed room with one corner of its floor at the origin, and solid boxes in it."""
    return boxes(
        ((0, -0.1, 0), (width, 0, depth)),
        ((0, height, 0), (width, height + 0.1, depth)),
        ((-0.1, -0.1, -0.1), (0, height, depth + 0.1)),
        ((width, -0.1, -0.1), (width + 0.1, height, depth + 0.1)),
        ((0, -0.1, -0.1), (width, height, 0)),
        ((0, -0.1, depth), (width, height, depth + 0.1)),
        *things,
    )


def two_rooms(door: float = 1.0) -> Scene:
    """8 x 4 m with a wall at x = 4 that has a door in its middle."""
    return room(8, 4, ((3.95, 0, 0), (4.05, 2.5, 2 - door / 2)), ((3.95, 0, 2 + door / 2), (4.05, 2.5, 4)), height=2.5)


def two_floors() -> Scene:
    """8 x 4 m; a gallery 2.4 m high over x > 5, and straight stairs up to it along z < 1.2."""
    rise, tread, steps = 0.16, 0.24, 15
    stairs = [((5 - (steps - k) * tread, 0, 0), (5, (k + 1) * rise, 1.2)) for k in range(steps)]
    return room(8, 4, *stairs, ((5, 2.3, 0), (8, 2.4, 4)), height=5)


Slope = tuple[float, float, float, float, float, float]  # from x0 to x1, its height y0 there and y1 here, from z0 to z1


def with_slopes(scene: Scene, *slopes: Slope) -> Scene:
    """A scene with slabs 0.1 m thick that slope along x: ramps, and decks where both heights are the same."""
    corners = []
    for x0, x1, y0, y1, z0, z1 in slopes:
        ahead, up, aside = CORNERS.T > 0
        top = np.where(ahead, y1, y0)
        corners.append(np.stack([np.where(ahead, x1, x0), np.where(up, top, top - 0.1), np.where(aside, z1, z0)], 1))
    vertices = np.concatenate([scene.vertices, *corners]).astype(np.float32)
    slabs = [BOX + len(scene.vertices) + 8 * number for number in range(len(slopes))]
    triangles = np.concatenate([scene.triangles, *slabs]).astype(np.int32)
    return replace(
        scene,
        vertices=vertices,
        triangles=triangles,
        colours=np.zeros((len(vertices), 3), np.uint8),
        uv=np.zeros((len(vertices), 2), np.float32),
        texture=np.full(len(triangles), -1, np.int32),
        object_ids=np.zeros(len(triangles), np.int32),
    )


def ramp(rise: float, run: float) -> Scene:
    """14 m + `run` long and 4 m wide: 4 m of floor, a ramp up over the whole width, then a floor at its height."""
    long = 14 + run
    return with_slopes(
        room(long, 4, ((4 + run, 0, 0), (long, rise, 4)), height=rise + 2.5), (4, 4 + run, 0, rise, 0, 4)
    )


def bridge(rise: float, run: float, width: float) -> Scene:
    """4 m wide: a ramp up from x = 4, a deck 2 m long, a ramp down; `width` metres wide, along the middle."""
    z0, z1 = 2 - width / 2, 2 + width / 2
    up, down = (4, 4 + run, 0, rise, z0, z1), (6 + run, 6 + 2 * run, rise, 0, z0, z1)
    return with_slopes(room(10 + 2 * run, 4, height=rise + 2.5), up, (4 + run, 6 + run, rise, rise, z0, z1), down)


def cluttered_room(seed: int) -> Scene:
    """A room of 3 to 8 m by 3 to 8 m with 4 to 20 boxes anywhere, some so close that no body fits between them."""
    rng = np.random.default_rng(seed)
    width, depth = rng.uniform(3, 8, 2).round(2).tolist()
    things: list[Box] = []
    for _ in range(int(rng.integers(4, 21))):
        size = rng.uniform(0.2, 1.6, 2)
        x, z = (rng.uniform(0, 1, 2) * (np.array([width, depth]) - size)).tolist()
        things.append(((x, 0, z), (x + size[0], rng.uniform(0.4, 2.0), z + size[1])))
    return room(width, depth, *things)
