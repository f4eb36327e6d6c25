"""The walkable area of a scene, and queries on it: snapping, sampling, distance fields and shortest paths."""

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from envs.navigation import queries
from envs.navigation.area import cover
from envs.navigation.body import Body
from envs.navigation.boundary import trace_outlines
from envs.navigation.fields import Field, build_field
from envs.navigation.floors import Floors, erode, find_floors, find_islands
from envs.navigation.regions import find_regions
from envs.navigation.roads import RoadMap
from envs.navigation.view import Addressed, View
from envs.navigation.voxels import is_flat, voxelise
from envs.navigation.walls import index_walls
from envs.scene import Scene
from vln.errors import InputError

_SMALLEST_ISLAND = 1.0  # square metres; smaller islands are mostly tops of furniture
_MOST_COLUMNS = 40_000_000  # a square of 316 m at 0.05 m
_GOALS_KEPT = 32


@dataclass(eq=False)
class Ground(Addressed):
    """The walkable area of a scene for one body. Positions are x, y, z of the feet in metres."""

    name: str  # of the scene
    body: Body
    arrays: View = field(repr=False)  # for compiled code
    main_island: int  # number of the island of indoor floors: the largest with a ceiling, else the largest
    _fields: OrderedDict[tuple[float, ...], Field] = field(default_factory=OrderedDict, repr=False)

    @property
    def addressed(self) -> tuple[np.ndarray, ...]:
        """The arrays that `view` reads."""
        return self.arrays

    @cached_property
    def road_map(self) -> RoadMap:
        """The visibility graph of the corners of the walkable area."""
        return RoadMap(self.row)

    @property
    def nbytes(self) -> int:
        """Memory in bytes, without cached distance fields."""
        return sum(array.nbytes for array in (*self.arrays, *self.road_map.roads))

    @property
    def area(self) -> float:
        """Walkable area of the main island in square metres."""
        return float((self.arrays.island == self.main_island).sum() * self.body.cell**2)

    def snap(self, points: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest points on walkable floor, float64, and the metres moved, for points (n, 3) or (3,)."""
        points = np.asarray(points, np.float64)
        snapped, moved = queries.snap_points(self.row, np.atleast_2d(points))
        return snapped.reshape(points.shape), moved.reshape(points.shape[:-1])

    def contains(self, points: Any) -> np.ndarray:
        """Return whether points are on walkable floor, up to about two steps above or below it, (n,) or () bool."""
        points = np.asarray(points, np.float64)
        return queries.contain_points(self.row, np.atleast_2d(points)).reshape(points.shape[:-1])

    def island(self, points: Any) -> np.ndarray:
        """Return the number of the connected area under points, (n,) or () int32; -1 outside."""
        points = np.asarray(points, np.float64)
        return queries.island_of_points(self.row, np.atleast_2d(points)).reshape(points.shape[:-1])

    def require(self, point: Any, what: str) -> np.ndarray:
        """Check that a point (3,) is walkable and snap it to the floor.

        Raises:
            InputError: If it is outside the walkable area; it names the point ("start") and the nearest walkable place.
        """
        point = np.asarray(point, np.float64)
        place = f"({', '.join(f'{value:.2f}' for value in point)})"
        if point.shape != (3,) or not np.isfinite(point).all():
            raise InputError(self.name, f"the {what} {place} is not three finite coordinates", "give x, y, z in metres")
        nearest, _ = self.snap(point)
        if not self.contains(point) and np.hypot(nearest[0] - point[0], nearest[2] - point[2]) > self.body.cell / 2:
            near = f"({', '.join(f'{value:.2f}' for value in nearest)})"
            problem = f"the {what} {place} is outside the walkable area"
            raise InputError(self.name, problem, f"the nearest walkable place is {near}")
        return nearest

    def sample(self, rng: np.random.Generator, n: int, island: int | None = None) -> np.ndarray:
        """Sample n random walkable positions (n, 3), uniform over the area of an island, the main one if None."""
        places = np.flatnonzero(self.arrays.island == (self.main_island if island is None else island))
        result = np.empty((0, 3))
        while len(result) < n:
            chosen = rng.choice(places, n)
            points = queries.place_points(self.row, chosen, rng.random((n, 2)))
            result = np.concatenate([result, points[self.contains(points)]])
        return result[:n]

    def topdown(self, height: float | None = None) -> np.ndarray:
        """Return a map of walkable cell centres, (depth, width) bool, from the lowest corner, rows along z.

        It shows the floor at a height in metres, or all floors of the main island.
        """
        return queries.top_view(self.row, self.main_island, np.nan if height is None else height)

    def field(self, goal: Any) -> Field:
        """Return the geodesic distance field of a goal (3,), snapped to the floor; the last 32 fields are cached."""
        goal, _ = self.snap(goal)
        key = tuple(goal.tolist())
        if key in self._fields:
            self._fields.move_to_end(key)
            return self._fields[key]
        result = self._fields[key] = build_field(self, self.road_map, goal)
        if len(self._fields) > _GOALS_KEPT:
            self._fields.popitem(last=False)
        return result

    def shortest_path(self, start: Any, goal: Any) -> np.ndarray:
        """Return the shortest walkable path, (k, 3): its corners, and changes of slope between them; (0, 3) if none.

        Its ends are snapped to the floor.
        """
        return self.field(goal).path(start)


def build_ground(scene: Scene, body: Body) -> Ground:
    """Compute the walkable area of a scene as Recast does: flat places with head room, linked by steps, eroded.

    Raises:
        InputError: If the scene has no walkable floor or is too large.
    """
    low, high = scene.bounds.astype(np.float32)
    width, depth = (max(1, int((high[k] - low[k]) / np.float32(body.cell) + np.float32(0.5))) for k in (0, 2))
    if not width * depth <= _MOST_COLUMNS:
        size = f"{high[0] - low[0]:.0f} x {high[2] - low[2]:.0f} m"
        fix = "scale it to metres (is it in centimetres?)"
        raise InputError(scene.name, f"it measures {size}, too large to walk in", fix)
    floors = _find_floors(scene, body, low, high, (width, depth))
    islands = find_islands(floors, max(1, round(_SMALLEST_ISLAND / body.cell**2)))
    if not floors.walkable.any():
        size = f"{_SMALLEST_ISLAND:.0f} square metre for a body {body.height} m high"
        fix = "check its up axis (--up) and that its units are metres"
        raise InputError(scene.name, f"it has no walkable floor of {size}", fix)
    return Ground(scene.name, body, _arrange(floors, islands, body, low, (width, depth)), _main_island(floors, islands))


def _find_floors(scene: Scene, body: Body, low: np.ndarray, high: np.ndarray, size: tuple[int, int]) -> Floors:
    """Find the places to stand, eroded by the body's radius."""
    cell = np.float32(body.cell)
    tall = int(np.ceil(np.float32(body.height) / cell))
    climb = int(np.floor(np.float32(body.climb) / cell))
    radius = int(np.ceil(np.float32(body.radius) / cell))
    corners = np.ascontiguousarray(scene.vertices[scene.triangles], np.float32)
    columns = voxelise(corners, is_flat(corners), low, high, size, body.cell, climb)
    floors = find_floors(columns, size, tall, climb)
    erode(floors, radius)
    return floors


def _main_island(floors: Floors, islands: np.ndarray) -> int:
    """Return the largest island under a ceiling unless it is much smaller than the largest: a floor, not a roof."""
    walkable = islands >= 0
    sizes = np.bincount(islands[walkable])
    covered = np.bincount(islands[walkable], floors.covered[walkable])
    indoors = sizes * ((covered > sizes / 2) & (sizes >= sizes.max() / 4))
    return int(np.argmax(indoors if indoors.any() else sizes))


def _arrange(floors: Floors, islands: np.ndarray, body: Body, low: np.ndarray, size: tuple[int, int]) -> View:
    """Compute the outlines, the index of walls by cell, and the cells inside the outlines."""
    width, depth = size
    outlines = trace_outlines(floors, find_regions(floors), width)
    corners = outlines.corners.astype(np.float64)
    scale = np.array([*low, body.cell, min(2 * body.climb + body.cell, body.height / 2), body.climb], np.float64)
    walkable = floors.walkable
    start = np.concatenate([[0], np.cumsum(np.bincount(floors.column[walkable], minlength=width * depth))])
    traced = View(
        scale,
        np.array(size, np.int64),
        start.astype(np.int32),
        floors.height[walkable],
        islands[walkable],
        corners,
        outlines.heights,
        outlines.after,
        outlines.before,
        *index_walls(corners, outlines.after, width, depth),
    )
    start, height, island = cover(traced, floors)
    return traced._replace(start=start, height=height, island=island)
