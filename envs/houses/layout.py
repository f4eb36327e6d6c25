"""A scene as a floor plan: which room a point is in, which doors it has, what stands in it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from envs.scene import Scene, SceneObject

AHEAD = 0.75  # cosine from which a door counts as straight ahead, and sine from which it counts as to the side
BEYOND = 0.2  # metres that a door lies further along than where one comes in, to be met on the way


@dataclass(frozen=True)
class Exit:
    """A door seen from one of its rooms.

    Attributes:
        door: Index into the scene's doors.
        room: Index of the room behind it.
        centre: (2,) float64, x and z of its middle.
        outward: (2,) float64, unit vector out of the room, x and z.
    """

    door: int
    room: int
    centre: np.ndarray
    outward: np.ndarray


class Layout:
    """Questions about the rooms of a scene.

    Args:
        scene: With rooms, doors and objects.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._outlines = [np.asarray(room.polygon, dtype=np.float64) for room in scene.rooms]
        # The edges of all rooms in one row: points are looked up in one go.
        self._begins = np.concatenate(self._outlines)
        self._ends = np.concatenate([np.roll(outline, -1, axis=0) for outline in self._outlines])
        self._firsts = np.cumsum([0, *(len(outline) for outline in self._outlines[:-1])])
        self._floors = np.array([room.floor for room in scene.rooms])
        self.exits = [self._exits(room) for room in range(len(scene.rooms))]

    @cached_property
    def storeys(self) -> int:
        """How many floors there are."""
        return len({room.storey for room in self.scene.rooms})

    def category(self, room: int) -> str:
        """What a room is."""
        return self.scene.rooms[room].category

    def rooms_at(self, points: np.ndarray) -> np.ndarray:
        """The rooms of points.

        Args:
            points: (n, 3) float, feet.

        Returns:
            (n,) int64, -1 in walls, doorways, on stairs between storeys, and outside.
        """
        crossed = _crossed(points[:, [0, 2]], self._begins, self._ends)
        inside = np.add.reduceat(crossed.astype(np.int64), self._firsts, axis=1) % 2 == 1
        inside &= np.abs(points[:, 1:2] - self._floors) < 1.0
        return np.where(inside.any(1), inside.argmax(1), -1)

    def wall_behind(self, thing: SceneObject, direction: np.ndarray) -> bool:
        """Whether an object stands with its back to a wall of its room, seen against a direction (x, z)."""
        low, high = np.array([thing.low[0], thing.low[2]]), np.array([thing.high[0], thing.high[2]])
        back = (low + high) / 2 + direction * ((high - low) / 2 + 0.35)
        return not bool(_inside(back[None], self._outlines[thing.room])[0])

    def side(self, exit_: Exit, travel: np.ndarray) -> str:
        """On which hand a door is for someone who walks in a direction: left, right, ahead, or "" for behind."""
        if exit_.outward @ travel > AHEAD:
            return "ahead"
        turn = left(travel) @ exit_.outward
        return "left" if turn > AHEAD else "right" if turn < -AHEAD else ""

    def doors_on(self, room: int, side: str, travel: np.ndarray, start: np.ndarray) -> list[Exit]:
        """The doors of a room on one hand, in the order in which they are met.

        Args:
            room: Index of the room.
            side: left, right or ahead.
            travel: (2,) float64, unit vector of walking, x and z.
            start: (2,) float64, where the walk begins, x and z.
        """
        met = [exit_ for exit_ in self.exits[room] if self.side(exit_, travel) == side]
        met = [exit_ for exit_ in met if (exit_.centre - start) @ travel > BEYOND]
        return sorted(met, key=lambda exit_: float((exit_.centre - start) @ travel))

    def entry(self, room: int, way: Exit) -> Exit:
        """A door of a room, seen from the room behind it."""
        return next(back for back in self.exits[way.room] if back.door == way.door and back.room == room)

    def size(self, room: int) -> np.ndarray:
        """(2,) float64, metres along x and z of a room's box."""
        return np.ptp(self._outlines[room], axis=0)

    def middle(self, room: int) -> np.ndarray:
        """(2,) float64, x and z of the middle of a room's box."""
        outline = self._outlines[room]
        return (outline.min(0) + outline.max(0)) / 2

    def rectangular(self, room: int) -> bool:
        """Whether a room is no L or T, so that its doors on one hand are in one row."""
        outline = self._outlines[room]
        ends = np.roll(outline, -1, axis=0)
        area = abs(float((outline[:, 0] * ends[:, 1] - ends[:, 0] * outline[:, 1]).sum())) / 2
        return area > 0.95 * float(self.size(room).prod())

    def exit(self, room: int, into: int, near: np.ndarray) -> Exit | None:
        """The door between two rooms that is nearest to a point (x, z), seen from the first."""
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
    """A direction (x, z) turned by 90 degrees to the left; y is up, so left of -z is -x."""
    return np.array([direction[1], -direction[0]])


def gap(first: SceneObject, second: SceneObject) -> float:
    """Metres between the boxes of two objects, on the floor."""
    return float(np.linalg.norm([_apart(first, second, axis) for axis in (0, 2)]))


def box_distance(thing: SceneObject, points: np.ndarray) -> np.ndarray:
    """(n,) metres from points (n, 2), x and z, to the box of an object, on the floor."""
    low, high = np.array([thing.low[0], thing.low[2]]), np.array([thing.high[0], thing.high[2]])
    return np.linalg.norm(np.maximum(np.maximum(low - points, points - high), 0), axis=1)


def _apart(first: SceneObject, second: SceneObject, axis: int) -> float:
    return max(first.low[axis] - second.high[axis], second.low[axis] - first.high[axis], 0.0)


def _inside(points: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """(n,) bool, whether points (n, 2) are in a polygon (k, 2): a ray from there crosses an odd number of its edges."""
    return _crossed(points, outline, np.roll(outline, -1, axis=0)).sum(1) % 2 == 1


def _crossed(points: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(n, k) bool, whether rays from points (n, 2) towards larger x cross edges from `begins` to `ends`, (k, 2)."""
    x, z = points[:, :1], points[:, 1:]
    spans = (begins[:, 1] > z) != (ends[:, 1] > z)
    rise = np.where(ends[:, 1] == begins[:, 1], 1.0, ends[:, 1] - begins[:, 1])
    return spans & (x < begins[:, 0] + (z - begins[:, 1]) / rise * (ends[:, 0] - begins[:, 0]))


def _outward(outline: np.ndarray, point: np.ndarray) -> np.ndarray:
    """(2,) unit vector out of a polygon through its edge nearest to a point."""
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
