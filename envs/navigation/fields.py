"""Geodesic distance fields: distances to one goal from anywhere along shortest walkable paths, and those paths."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numba
import numpy as np

from envs.navigation.queries import locate, to_metres
from envs.navigation.roads import SLACK, RoadMap, VisibilityGraph, bend, roads_view
from envs.navigation.slopes import climbed_length, climbs, length
from envs.navigation.view import Addressed, View, array_at, float32_at, float64_at, int32_at, view
from envs.navigation.walls import column_of, place_at, sees

GOAL, UNREACHABLE = -1, -2
_DETOUR_RATIO = 1.001  # of 3D to horizontal length above which a detour around the heights of a straight line is sought


class ShortestPathTree(NamedTuple):
    """The tree of shortest paths from each corner of the visibility graph to a goal."""

    goal: np.ndarray  # (3,) float64, x, z in cells and height in metres
    far: np.ndarray  # (n,) float64, metres from each corner to the goal; infinite if there is no path
    onward: np.ndarray  # (n,) int32, the next corner; GOAL or UNREACHABLE
    gates: np.ndarray  # (9, n) float32, half-planes of directions of shortest paths to each corner; see `_add_gates`


@numba.njit(cache=True)
def ways_view(row: np.ndarray) -> ShortestPathTree:
    """Return the arrays addressed by the second part of a field's row."""
    return ShortestPathTree(
        array_at(float64_at(row[10]), row[11]),
        array_at(float64_at(row[12]), row[13]),
        array_at(int32_at(row[14]), row[15]),
        array_at(float32_at(row[16]), (row[17], row[13])),
    )


@numba.njit(cache=True)
def _find_ways(ground: View, roads: VisibilityGraph, goal: np.ndarray) -> ShortestPathTree:
    """Find shortest paths from every corner to a goal (x, z in cells, height in metres) by Dijkstra's algorithm."""
    n = len(roads.at)
    far, onward, gates = np.full(n, np.inf), np.full(n, UNREACHABLE, np.int32), np.zeros((9, n), np.float32)
    queue: list[tuple[float, int]] = [(0.0, 0)][:0]
    for i in range(n):
        at = roads.at[i]
        dx, dz = goal[0] - at[0], goal[1] - at[1]
        flat = max(np.sqrt(dx * dx + dz * dz), 1e-9)
        if bend(roads.sides[i], dx / flat, dz / flat, flat) == 0:
            continue
        if sees(ground, at[0], at[1], at[2], goal[0], goal[1], goal[2]):
            far[i], onward[i] = climbed_length(ground, at[0], at[1], at[2], goal[0], goal[1], goal[2]), GOAL
            heapq.heappush(queue, (float(far[i]), i))
    while len(queue):
        here, i = heapq.heappop(queue)
        if here > far[i]:
            continue
        for k in range(roads.start[i], roads.start[i + 1]):
            j: Any = np.int64(roads.ends[k])
            if here + roads.lengths[k] < far[j]:
                far[j], onward[j] = here + roads.lengths[k], i
                heapq.heappush(queue, (far[j], j))
    for i in range(n):
        if onward[i] != UNREACHABLE:
            _add_gates(roads, i, goal if onward[i] == GOAL else roads.at[onward[i]], gates)
    return ShortestPathTree(goal, far, onward, gates)


@numba.njit(cache=True)
def _add_gates(roads: VisibilityGraph, i: int, to: np.ndarray, gates: np.ndarray) -> None:
    """Store the three half-planes that directions of shortest paths to a corner lie in.

    Their borders run along both walls of the corner and along the continued path. Each has a normal vector (x, z) and
    the inverse of the length over which it holds. A path with direction (dx, dz) is inside if the scalar product is not
    negative. A zero vector contains every direction.
    """
    dx, dz = to[0] - roads.at[i, 0], to[1] - roads.at[i, 1]
    flat = max(np.sqrt(dx * dx + dz * dz), 1e-9)
    sides = roads.sides[i]
    side = bend(sides, dx / flat, dz / flat, flat)
    if abs(side) != 1:
        return
    for k in range(3):
        x, z, reach = (sides[0], sides[1], sides[2]) if k == 0 else (sides[3], sides[4], sides[5])
        if k == 2:
            x, z, reach = dx / flat, dz / flat, flat
        gates[3 * k, i], gates[3 * k + 1, i], gates[3 * k + 2, i] = side * z, -side * x, 1 / reach


@numba.njit(cache=True)
def passes_gates(gates: np.ndarray, i: int, dx: float, dz: float, slack: float) -> bool:
    """Return whether a shortest path may reach corner `i` along (dx, dz), in cells, and bend there."""
    size = abs(dx) + abs(dz)
    fits = dx * gates[0, i] + dz * gates[1, i] >= -slack * max(size * gates[2, i], 1.0)
    fits &= dx * gates[3, i] + dz * gates[4, i] >= -slack * max(size * gates[5, i], 1.0)
    fits &= dx * gates[6, i] + dz * gates[7, i] >= -slack * max(size * gates[8, i], 1.0)
    return fits


@numba.njit(cache=True)
def _promises(
    ground: View, roads: VisibilityGraph, ways: ShortestPathTree, x: float, z: float, strict: bool
) -> np.ndarray:
    """Return lower bounds of the distance to the goal via each corner, (n,) metres: as if it were visible and level.

    Infinite if no shortest path bends there. There are no branches, so that the loop compiles to few instructions per
    corner.
    """
    result = np.empty(len(roads.at))
    cell, gates = ground.scale[3], ways.gates
    slack = SLACK if strict else np.inf
    for i in range(len(result)):
        dx, dz = roads.at[i, 0] - x, roads.at[i, 1] - z
        fits = passes_gates(gates, i, dx, dz, slack)
        result[i] = np.sqrt(dx * dx + dz * dz) * cell + ways.far[i] if fits else np.inf
    return result


@numba.njit(cache=True)
def _best_corner(
    ground: View, roads: VisibilityGraph, ways: ShortestPathTree, x: float, z: float, y: float, strict: bool,
    most: float,
) -> tuple[float, int]:  # fmt: skip
    """Return metres to the goal via the best visible corner, and the corner; `most`, UNREACHABLE if none is better."""
    promises = _promises(ground, roads, ways, x, z, strict)
    far, corner = most, UNREACHABLE
    while len(promises) > 0:
        best = int(np.argmin(promises))
        if promises[best] >= far:
            break
        promises[best] = np.inf
        at = roads.at[best]
        if sees(ground, x, z, y, at[0], at[1], at[2]):
            by_it = climbed_length(ground, x, z, y, at[0], at[1], at[2]) + ways.far[best]
            if by_it < far:
                far, corner = by_it, best
    return far, corner


@numba.njit(cache=True)
def look_up(
    ground: View, roads: VisibilityGraph, ways: ShortestPathTree, x: float, z: float, y: float
) -> tuple[float, int]:
    """Return metres to the goal from a walkable position, and the first corner (or GOAL) of the path."""
    goal = ways.goal
    if sees(ground, x, z, y, goal[0], goal[1], goal[2]):
        straight = climbed_length(ground, x, z, y, goal[0], goal[1], goal[2])
        if straight <= _DETOUR_RATIO * length(ground, x, z, goal[0], goal[1]):
            return straight, GOAL
        far, corner = _best_corner(ground, roads, ways, x, z, y, True, straight)
        return far, GOAL if corner == UNREACHABLE else corner
    far, corner = _best_corner(ground, roads, ways, x, z, y, True, np.inf)
    if corner == UNREACHABLE:
        far, corner = _best_corner(ground, roads, ways, x, z, y, False, np.inf)
    if corner == UNREACHABLE and _island(ground, x, z, y) == _island(ground, goal[0], goal[1], goal[2]):
        far, corner = _nearest_corner(ground, roads, ways, x, z, y)
    return far, corner


@numba.njit(cache=True)
def _island(ground: View, x: float, z: float, y: float) -> int:
    """Return the island of a walkable position."""
    place = place_at(ground, column_of(ground, x, z), y)
    return int(ground.island[place]) if place >= 0 else -1


@numba.njit(cache=True)
def _nearest_corner(
    ground: View, roads: VisibilityGraph, ways: ShortestPathTree, x: float, z: float, y: float
) -> tuple[float, int]:
    """Return metres to the goal via the nearest connected corner, visible or not, and the corner.

    It is for pockets behind a gap as narrow as the skin of walls, which a body may enter but no corner sees into.
    """
    best, corner = np.inf, UNREACHABLE
    for i in range(len(roads.at)):
        off = length(ground, x, z, roads.at[i, 0], roads.at[i, 1])
        if ways.far[i] < np.inf and off < best:
            best, corner = off, i
    if corner == UNREACHABLE:
        return np.inf, corner
    at = roads.at[corner]
    return climbed_length(ground, x, z, y, at[0], at[1], at[2]) + ways.far[corner], corner


@numba.njit(cache=True)
def _lead(ground_row: np.ndarray, row: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Return points of the shortest path from a point, (k, 3): corners, and changes of slope between them."""
    ground, roads, ways = view(ground_row), roads_view(row), ways_view(row)
    x, z, y = locate(ground, point)
    _, corner = look_up(ground, roads, ways, x, z, y)
    if corner == UNREACHABLE:
        return np.empty((0, 3))
    path = [to_metres(ground, x, z, y)]
    while True:
        at = ways.goal if corner == GOAL else roads.at[corner]
        points = climbs(ground, x, z, y, at[0], at[1], at[2])
        for k in range(1, len(points)):
            share = points[k, 0]
            path.append(to_metres(ground, x + share * (at[0] - x), z + share * (at[1] - z), points[k, 1]))
        if corner == GOAL:
            return np.array(path)
        x, z, y = at[0], at[1], at[2]
        corner = ways.onward[corner]


@numba.njit(cache=True)
def _prepare(ground_row: np.ndarray, roads_row: np.ndarray, goal: np.ndarray) -> ShortestPathTree:
    """Find the shortest paths to a goal given in metres."""
    ground = view(ground_row)
    x, z, y = locate(ground, goal)
    return _find_ways(ground, roads_view(roads_row), np.array([x, z, y]))


@numba.njit(cache=True)
def _measure_each(ground_rows: np.ndarray, rows: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return metres from points (B, 3) to their own goals, (B,) float64."""
    result = np.empty(len(points))
    for i in range(len(points)):
        ground = view(ground_rows[i])
        x, z, y = locate(ground, points[i])
        result[i] = look_up(ground, roads_view(rows[i]), ways_view(rows[i]), x, z, y)[0]
    return result


@dataclass(frozen=True, eq=False)
class Field(Addressed):
    """The geodesic distance field of a goal."""

    goal: np.ndarray  # (3,) float64 metres, on the floor
    ground: Addressed
    roads: VisibilityGraph  # of the ground
    ways: ShortestPathTree  # from its corners to the goal
    plans: dict[Any, dict[Any, int]] = field(default_factory=dict, repr=False)  # the expert's cache, see `expert`

    @property
    def addressed(self) -> tuple[np.ndarray, ...]:
        """The arrays of `VisibilityGraph`, then those of `ShortestPathTree`."""
        return (*self.roads, *self.ways)

    def distance(self, points: Any) -> np.ndarray:
        """Return the length of the shortest walkable path to the goal in metres, infinite where there is no path.

        Points (n, 3) or (3,) are snapped to the walkable area; the result is (n,) or () float64.
        """
        points = np.asarray(points, np.float64)
        flat = points.reshape(-1, 3)
        grounds, fields = (np.tile(row, (len(flat), 1)) for row in (self.ground.row, self.row))
        return _measure_each(grounds, fields, flat).reshape(points.shape[:-1])

    def path(self, start: Any) -> np.ndarray:
        """Return points of the shortest path from a point to the goal, (k, 3) float64 metres; (0, 3) if none."""
        return _lead(self.ground.row, self.row, np.asarray(start, np.float64))


def build_field(ground: Addressed, road_map: RoadMap, goal: np.ndarray) -> Field:
    """Compute the distance field of a goal given in metres."""
    return Field(goal, ground, road_map.roads, _prepare(ground.row, road_map.row, goal))


def distances(fields: Sequence[Field], positions: np.ndarray) -> np.ndarray:
    """Compute the geodesic distance of each body to its goal in metres, (B,) float32; infinite without a path."""
    ground_rows = np.stack([field.ground.row for field in fields])
    rows = np.stack([field.row for field in fields])
    return _measure_each(ground_rows, rows, np.asarray(positions, np.float64)).astype(np.float32)
