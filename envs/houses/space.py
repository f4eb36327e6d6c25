"""Bookkeeping of the free floor and walls of one room during furnishing."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from envs.houses.palette import Palette
from envs.houses.piece import Footprint, Piece, Pose
from envs.houses.plan import Plan
from envs.houses.walls import Edge, inside

CELL = 0.1  # metres, cell of the grid on which free floor must be connected
BODY = 0.24  # metres, clearance of the centre of a body from walls and furniture, with a margin
POCKET = 10  # cells that may be disconnected from the rest of a room
GAP = 0.02  # metres between furniture and wall
DOORWAY = 0.9  # metres kept free in front of a door


@dataclass(frozen=True)
class Stretch:
    """A covered part of a wall."""

    edge: int  # index of the wall's face
    low: float  # start along the edge, metres
    high: float  # end along the edge
    bottom: float  # height of the lower edge
    top: float  # height of the upper edge


def overlap(one: Footprint, two: Footprint, slack: float = 0.0) -> bool:
    """Return whether two boxes overlap on the floor."""
    return one[0] < two[2] - slack and two[0] < one[2] - slack and one[1] < two[3] - slack and two[1] < one[3] - slack


@dataclass
class FreeSpace:
    """The free space of a room; `palette` is the source of random numbers."""

    plan: Plan
    room: int
    palette: Palette
    edges: list[Edge] = field(init=False)  # faces of the walls
    taken: list[Footprint] = field(default_factory=list)  # floor occupied by furniture
    reserved: list[Footprint] = field(default_factory=list)  # floor to be kept free in front of doors and furniture
    covered: list[Stretch] = field(default_factory=list)  # including windows and doors
    entries: list[tuple[float, float]] = field(default_factory=list)  # inside doors, before furniture: stay reachable
    free: np.ndarray = field(init=False)  # (columns, rows) bool, cells where the centre of a body can be
    origin: tuple[float, float] = field(init=False)  # x, z of the first cell's centre

    def __post_init__(self) -> None:
        self.edges = inside(self.plan, self.room)
        for index, edge in enumerate(self.edges):
            for low, high, opening in edge.openings:
                margin = 0.15 if opening.kind == "window" else 0.12
                self.covered.append(Stretch(index, low - margin, high + margin, opening.low + 0.05, opening.high + 0.2))
                if opening.kind == "window":
                    continue
                (x0, z0), (x1, z1) = edge.point(low), edge.point(high, DOORWAY)
                self.reserved.append((min(x0, x1), min(z0, z1), max(x0, x1), max(z0, z1)))
                self.entries.append(edge.point((low + high) / 2, 0.4))
        self._clear_floor()

    def _clear_floor(self) -> None:
        """Initialise `free` for the empty room."""
        room = self.plan.rooms[self.room]
        xs, zs = zip(*room.inner, strict=True)
        self.origin = (min(xs) + CELL / 2, min(zs) + CELL / 2)
        shape = (math.ceil((max(xs) - min(xs)) / CELL), math.ceil((max(zs) - min(zs)) / CELL))
        covered = np.zeros(shape, dtype=bool)
        for x0, z0, x1, z1 in room.rects:
            covered[self._cells((x0, z0, x1, z1))] = True
        self.free = covered
        for (x0, z0), (x1, z1) in zip(room.inner, np.roll(room.inner, -1, 0).tolist(), strict=True):
            wall = (min(x0, x1), min(z0, z1), max(x0, x1), max(z0, z1))
            self.free[self._cells(wall, BODY)] = False

    def _cells(self, box: Footprint, margin: float = 0.0) -> tuple[slice, slice]:
        """Return the slices of cells whose centres are in a box grown by a margin."""
        (x, z), shape = self.origin, self.free.shape if hasattr(self, "free") else (10**6, 10**6)
        ends = []
        for low, high, start, count in ((box[0], box[2], x, shape[0]), (box[1], box[3], z, shape[1])):
            first = math.ceil((low - margin - start) / CELL)
            last = math.floor((high + margin - start) / CELL) + 1
            ends.append(slice(max(0, min(first, count)), max(0, min(last, count))))
        return ends[0], ends[1]

    def contains(self, box: Footprint) -> bool:
        """Return whether a box lies in the room."""
        x, z = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        rects = self.plan.rooms[self.room].rects
        if not any(x0 < x < x1 and z0 < z < z1 for x0, z0, x1, z1 in rects):
            return False
        for edge in self.edges:
            (x0, z0), (x1, z1) = edge.start, edge.point(edge.length)
            if overlap(box, (min(x0, x1) - 1e-6, min(z0, z1) - 1e-6, max(x0, x1) + 1e-6, max(z0, z1) + 1e-6), 1e-5):
                return False
        return True

    def walkable(self, box: Footprint, approach: tuple[float, float]) -> bool:
        """Return whether all `entries` and a new point stay reachable if a box is placed."""
        free = self.free.copy()
        free[self._cells(box, BODY)] = False
        labels, count = ndimage.label(free)
        if count == 0:
            return False
        marks = set()
        for x, z in [*self.entries, approach]:
            column = min(max(int((x - self.origin[0]) / CELL + 0.5), 0), free.shape[0] - 1)
            row = min(max(int((z - self.origin[1]) / CELL + 0.5), 0), free.shape[1] - 1)
            window = labels[max(0, column - 1) : column + 2, max(0, row - 1) : row + 2]
            marks.add(int(window.max()))
        if len(marks) > 1 or 0 in marks:
            return False
        sizes = np.bincount(labels.reshape(-1))[1:]
        return int(sizes.max()) + POCKET >= int(sizes.sum())

    def fits(self, piece: Piece, pose: Pose, access: float | None = None) -> bool:
        """Return whether a piece fits at a pose with free floor in front, and everything stays reachable."""
        box = pose.footprint(piece.width, piece.depth)
        if not self.contains(box) or any(overlap(box, other, 1e-6) for other in (*self.taken, *self.reserved)):
            return False
        reach = piece.access if access is None else access
        front = pose.footprint(piece.width, piece.depth, reach)
        ahead = pose.compose(Pose(0, 0, piece.depth, 0)).footprint(piece.width, reach)
        if reach and (not self.contains(front) or any(overlap(ahead, other, 1e-6) for other in self.taken)):
            return False
        x, z = pose.point(0.0, piece.depth + max(0.35, reach * 0.7))
        return self.walkable(box, (x, z))

    def stand(self, piece: Piece, pose: Pose, access: float | None = None) -> None:
        """Mark the floor and the wall behind a piece as occupied."""
        box = pose.footprint(piece.width, piece.depth)
        self.taken.append(box)
        self.free[self._cells(box, BODY)] = False
        reach = piece.access if access is None else access
        if reach:
            self.reserved.append(pose.compose(Pose(0, 0, piece.depth, 0)).footprint(piece.width, reach))
        self.entries.append(pose.point(0.0, piece.depth + max(0.35, reach * 0.7)))
        self._cover(box, piece.reach)

    def _cover(self, box: Footprint, top: float) -> None:
        """Mark the parts of walls next to a box as covered."""
        for index, edge in enumerate(self.edges):
            axis = 0 if edge.direction[0] else 1
            across = edge.start[1 - axis]
            if not box[1 - axis] - 0.15 < across < box[3 - axis] + 0.15:
                continue
            ends = [(value - edge.start[axis]) * edge.direction[axis] for value in (box[axis], box[axis + 2])]
            if max(ends) > 0 and min(ends) < edge.length:
                self.covered.append(Stretch(index, min(ends), max(ends), 0.0, top))

    def blank(self, index: int, low: float, high: float, bottom: float, top: float) -> bool:
        """Return whether a part of a wall is free."""
        return not any(
            other.edge == index and other.low < high and low < other.high and other.bottom < top and bottom < other.top
            for other in self.covered
        )

    def wall_poses(self, width: float, spot: str) -> Iterable[tuple[int, float, Pose]]:
        """Iterate over poses against walls in random order: (edge, coordinate along it, pose).

        The piece needs `width` metres of wall; the spot is "corner", "middle" or "any".
        """
        rng = self.palette.rng
        places: list[tuple[float, int, float]] = []
        for index, edge in enumerate(self.edges):
            low, high = width / 2 + GAP, edge.length - width / 2 - GAP
            if high < low:
                continue
            ends = [low, high]
            inner = [low + (high - low) * part for part in (*rng.random(3).tolist(), 0.5)]
            first, second = (ends, inner) if spot != "middle" else (inner, ends)
            places += [(rng.random(), index, along) for along in first]
            later = 1.0 if spot != "any" else 0.0
            places += [(rng.random() + later, index, along) for along in second]
        for _, index, along in sorted(places):
            yield index, along, self.edges[index].pose(along, GAP)
