"""Scenes of boxes in which to walk: rooms, walls, stairs, tables."""

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
