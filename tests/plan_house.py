"""A made house without a mesh: six rooms at a hallway, furniture where tests want it.

  -z (heading 0)
+----------+----------+----------+
| bathroom | bedroom  | bedroom  |
|    0     |    1     |    2     |
+----2-----+----6-----+----10----+   doors at x = 2, 6, 10
|            hallway 3           |   x from 0 to 12, z from 0 to 2
+------3--------+------9---------+   doors at x = 3, 9
|  living room  :    kitchen     |   and one between the two, at z = 4
|       4       :       5        |
+---------------+----------------+
"""

from collections.abc import Sequence

import numpy as np

from envs.scene import Door, Room, Scene, SceneObject

BATHROOM, WEST_BEDROOM, EAST_BEDROOM, HALLWAY, LIVING_ROOM, KITCHEN = range(6)
_RECTS = {
    BATHROOM: ("bathroom", 0, -4, 4, 0),
    WEST_BEDROOM: ("bedroom", 4, -4, 8, 0),
    EAST_BEDROOM: ("bedroom", 8, -4, 12, 0),
    HALLWAY: ("hallway", 0, 0, 12, 2),
    LIVING_ROOM: ("living room", 0, 2, 6, 6),
    KITCHEN: ("kitchen", 6, 2, 12, 6),
}
_DOORS = {
    (BATHROOM, HALLWAY): (2, 0),
    (WEST_BEDROOM, HALLWAY): (6, 0),
    (EAST_BEDROOM, HALLWAY): (10, 0),
    (HALLWAY, LIVING_ROOM): (3, 2),
    (HALLWAY, KITCHEN): (9, 2),
    (LIVING_ROOM, KITCHEN): (6, 4),
}


def thing(name: str, room: int, x: float, z: float, size: float = 0.6) -> SceneObject:
    """An object by colour and category, "red sofa", a square on the floor."""
    colour, _, category = name.partition(" ")
    half = size / 2
    return SceneObject(category, colour, room, (x - half, 0.0, z - half), (x + half, 1.0, z + half))


def small_house(objects: Sequence[SceneObject] = ()) -> Scene:
    """The house with these objects."""
    rooms = tuple(
        Room(category, ((x0, z0), (x1, z0), (x1, z1), (x0, z1)))
        for category, x0, z0, x1, z1 in (_RECTS[number] for number in range(len(_RECTS)))
    )
    doors = tuple(Door(pair, (float(x), 0.0, float(z)), 0.9) for pair, (x, z) in _DOORS.items())
    empty = np.zeros((0, 3))
    return Scene(
        "small",
        empty,
        empty.astype(int),
        empty,
        empty[:, :2],
        empty[:, 0],
        empty[:, 0],
        (),
        tuple(objects),
        rooms,
        doors,
    )


def path(*corners: tuple[float, float]) -> np.ndarray:
    """(k, 3) a path on the floor from its corners (x, z)."""
    return np.array([(x, 0.0, z) for x, z in corners])
