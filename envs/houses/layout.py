"""Geometric queries on the rooms and doors of a scene."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from envs.scene import Scene, SceneObject

AHEAD = 0.75  # least cosine for a door straight ahead, and least sine for a door at the side
BEYOND = 0.2  # metres along the walk after which a door counts as passed


@dataclass(frozen=True)
class Exit:
    """A door as an exit of one of its rooms."""

    door: int  # index into the scene's doors
    room: int  # behind the door
    centre: np.ndarray  # (2,) float64, x and z of the middle of the door
    outward: np.ndarray  # (2,) float64, unit vector out of the room, x and z


class Layout:
    """Answers queries about the rooms of a scene with rooms, doors and objects."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._outlines = [np.asarray(room.polygon, dtype=np.float64) for room in scene.rooms]
        # The edges of all rooms are concatenated, so that `rooms_at` is vectorised over rooms.
        self._begins = np.concatenate(self._outlines)
        self._ends = np.concatenate([np.roll(outline, -1, axis=0) for outline in self._outlines])
        self._firsts = np.cumsum([0, *(len(outline) for outline in self._outlines[:-1])])
        self._floors = np.array([room.floor for room in scene.rooms])
        self.exits = [self._exits(room) for room in range(len(scene.rooms))]

    @cached_property
    def storeys(self) -> int:
        """Number of storeys."""
        return len({room.storey for room in self.scene.rooms})

    def category(self, room: int) -> str:
        """Return the category of a room."""
        return self.scene.rooms[room].category

    def rooms_at(self, points: np.ndarray) -> np.ndarray:
        """Return the room of each point (n, 3) of feet, (n,) int64.

        It is -1 in walls, in doorways, on stairs between storeys, and outside.
        """
        crossed = _crossed(points[:, [0, 2]], self._begins, self._ends)
        inside = np.add.reduceat(crossed.astype(np.int64), self._firsts, axis=1) % 2 == 1
        inside &= np.abs(points[:, 1:2] - self._floors) < 1.0
        return np.where(inside.any(1), inside.argmax(1), -1)

    def wall_behind(self, thing: SceneObject, direction: np.ndarray) -> bool:
        """Return whether a wall of its room is behind an object, on the side of `direction` (x, z)."""
        low, high = np.array([thing.low[0], thing.low[2]]), np.array([thing.high[0], thing.high[2]])
        back = (low + high) / 2 + direction * ((high - low) / 2 + 0.35)
        return not bool(_inside(back[None], self._outlines[thing.room])[0])

    def side(self, exit_: Exit, travel: np.ndarray) -> str:
        """Return the side of a door relative to the direction of walking: left, right, ahead, or "" for behind."""
        if exit_.outward @ travel > AHEAD:
            return "ahead"
        turn = left(travel) @ exit_.outward
        return "left" if turn > AHEAD else "right" if turn < -AHEAD else ""

    def doors_on(self, room: int, side: str, travel: np.ndarray, start: np.ndarray) -> list[Exit]:
        """Return the doors of a room on one side (left, right or ahead), in the order of the walk.

        `travel` is the unit vector of walking and `start` its start, x and z.
        """
        met = [exit_ for exit_ in self.exits[room] if self.side(exit_, travel) == side]
        met = [exit_ for exit_ in met if (exit_.centre - start) @ travel > BEYOND]
        return sorted(met, key=lambda exit_: float((exit_.centre - start) @ travel))

    def entry(self, room: int, way: Exit) -> Exit:
        """Return the exit of a room as seen from the room behind it."""
        return next(back for back in self.exits[way.room] if back.door == way.door and back.room == room)

    def size(self, room: int) -> np.ndarray:
        """Return the size of a room's bounding box along x and z, (2,) float64, metres."""
        return np.ptp(self._outlines[room], axis=0)

    def middle(self, room: int) -> np.ndarray:
        """Return the centre of a room's bounding box, x and z, (2,) float64."""
        outline = self._outlines[room]
        return (outline.min(0) + outline.max(0)) / 2

    def rectangular(self, room: int) -> bool:
        """Return whether a room is a rectangle, so that its doors on one side are in one row."""
        outline = self._outlines[room]
        ends = np.roll(outline, -1, axis=0)
        area = abs(float((outline[:, 0] * ends[:, 1] - ends[:, 0] * outline[:, 1]).sum())) / 2
        return area > 0.95 * float(self.size(room).prod())

    def exit(self, room: int, into: int, near: np.ndarray) -> Exit | None:
        """Return the exit from one room into another that is nearest to a point (x, z); None if there is none."""
        doors = [exit_ for exit_ in self.exits[room] if exit_.room == into]
        return min(doors, key=lambda exit_: float(np.linalg.norm(exit_.centre - near)), default=None)

    def _exits(self, room: int) -> list[Exit]:
        found = []
        for number, door in enumerate(self.scene.doors):
            if room in door.rooms:
                other = door.rooms[0] if door.rooms[1] == room else door.rooms[1]
                centre = np.array([door.centre[0], door.centre[2]])
                found.append(Exit(number, other, centre, _outward(self._outlines[room], centre)))
        return found


def left(direction: np.ndarray) -> np.ndarray:
    """Rotate a direction (x, z) by 90 degrees to the left; y is up, so left of -z is -x."""
    return np.array([direction[1], -direction[0]])


def box_gap(first: SceneObject, second: SceneObject) -> float:
    """Return the horizontal distance between the bounding boxes of two objects in metres."""
    apart = [max(first.low[axis] - second.high[axis], second.low[axis] - first.high[axis], 0.0) for axis in (0, 2)]
    return float(np.linalg.norm(apart))


def box_distance(thing: SceneObject, points: np.ndarray) -> np.ndarray:
    """Return the horizontal distances from points (n, 2), x and z, to the bounding box of an object, (n,) metres."""
    low, high = np.array([thing.low[0], thing.low[2]]), np.array([thing.high[0], thing.high[2]])
    return np.linalg.norm(np.maximum(np.maximum(low - points, points - high), 0), axis=1)


def _inside(points: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Return whether points (n, 2) are in a polygon (k, 2), (n,) bool: a ray crosses an odd number of edges."""
    return _crossed(points, outline, np.roll(outline, -1, axis=0)).sum(1) % 2 == 1


def _crossed(points: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return whether rays from points (n, 2) along +x cross edges from `begins` to `ends`, (k, 2); (n, k) bool."""
    x, z = points[:, :1], points[:, 1:]
    spans = (begins[:, 1] > z) != (ends[:, 1] > z)
    rise = np.where(ends[:, 1] == begins[:, 1], 1.0, ends[:, 1] - begins[:, 1])
    return spans & (x < begins[:, 0] + (z - begins[:, 1]) / rise * (ends[:, 0] - begins[:, 0]))


def _outward(outline: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Return the outward unit normal of the edge of a polygon that is nearest to a point, (2,)."""
    ends = np.roll(outline, -1, axis=0)
    along = ends - outline
    length = np.maximum((along**2).sum(1), 1e-12)
    share = np.clip(((point - outline) * along).sum(1) / length, 0, 1)
    nearest = outline + share[:, None] * along
    edge = int(np.linalg.norm(nearest - point, axis=1).argmin())
    normal = left(along[edge]) / np.sqrt(length[edge])
    middle = (outline[edge] + ends[edge]) / 2
    inside = bool(_inside((middle + normal * 0.05)[None], outline)[0])
    return -normal if inside else normal
