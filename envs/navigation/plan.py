"""Planning where the greedy expert does not arrive: a search over the poses that the actions lead to.

A* (Hart, Nilsson, Raphael 1968) over simulated moves, with collisions and sliding. Poses in the same cell of a fine
grid are merged, as in hybrid A* (Dolgov et al. 2010), so that the search ends.
"""

import heapq

import numba
import numpy as np

from envs.navigation.fields import ShortestPathTree, look_up
from envs.navigation.moving import walk
from envs.navigation.queries import locate
from envs.navigation.roads import VisibilityGraph
from envs.navigation.view import View

STOP, FORWARD, LEFT, RIGHT = 0, 1, 2, 3
_GRID = 0.04  # metres, largest cell of the grid
_SHARE = 0.2  # cell as a fraction of the length of a move
_STOREY = 0.5  # metres, vertical cell, which separates storeys
_MOST = 60_000  # largest number of poses
_HEURISTIC_WEIGHT = 1.5  # weight of the heuristic (weighted A*): fewer poses, slightly more actions


@numba.njit(cache=True)
def _cell_of(position: np.ndarray, heading: float, grid: float, turn: float) -> tuple[int, int, int, int]:
    """Return the grid cell of a pose."""
    return (
        int(np.floor(position[0] / grid)),
        int(np.floor(position[2] / grid)),
        int(np.floor(position[1] / _STOREY + 0.25)),
        int(np.floor((heading % (2 * np.pi)) / (turn / 2) + 0.25)),
    )


@numba.njit(cache=True)
def _left_from(ground: View, roads: VisibilityGraph, ways: ShortestPathTree, position: np.ndarray) -> float:
    """Return the geodesic distance to the goal in metres."""
    x, z, y = locate(ground, position)
    return look_up(ground, roads, ways, x, z, y)[0]


@numba.njit(cache=True)
def find_plan(
    ground: View, roads: VisibilityGraph, ways: ShortestPathTree, position: np.ndarray, heading: float, forward: float,
    turn: float, stop: float, sliding: bool,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Find actions that lead to within `stop` metres of the goal, else to the nearest reachable pose.

    Returns poses (n, 4) from the given one on: x, y, z, heading; and actions (n,) int64, the last of which is stop.
    """
    grid = min(_GRID, _SHARE * forward)
    poses, far = np.empty((_MOST, 4)), np.empty(_MOST)
    parent, action, spent = np.empty(_MOST, np.int32), np.empty(_MOST, np.int8), np.empty(_MOST, np.int32)
    poses[0, :3], poses[0, 3] = position, heading
    far[0], parent[0], action[0], spent[0] = _left_from(ground, roads, ways, position), -1, STOP, 0
    seen = {_cell_of(position, heading, grid, turn)}
    queue = [(_HEURISTIC_WEIGHT * far[0] / forward, 0)]
    best, count = 0, 1
    while len(queue) and far[best] >= stop and count < _MOST - 3:
        _, i = heapq.heappop(queue)
        for taken in (FORWARD, LEFT, RIGHT):
            here, ahead = poses[i, :3], poses[i, 3]
            if taken == FORWARD:
                here, _ = walk(ground, here, ahead, forward, sliding)
            else:
                ahead += turn if taken == LEFT else -turn
            cell = _cell_of(here, ahead, grid, turn)
            if cell in seen:
                continue
            seen.add(cell)
            poses[count, :3], poses[count, 3] = here, ahead
            parent[count], action[count], spent[count] = i, taken, spent[i] + 1
            far[count] = _left_from(ground, roads, ways, here) if taken == FORWARD else far[i]
            if far[count] < far[best]:
                best = count
            heapq.heappush(queue, (spent[count] + _HEURISTIC_WEIGHT * far[count] / forward, count))
            count += 1
    steps = spent[best] + 1
    way, actions = np.empty((steps, 4)), np.empty(steps, np.int64)
    i, do = best, STOP
    for k in range(steps - 1, -1, -1):
        way[k], actions[k] = poses[i], do
        i, do = parent[i], int(action[i])
    return way, actions
