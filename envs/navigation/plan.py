"""A way for a body that a greedy expert does not bring to its goal: a search over the poses that its actions lead to.

A* (Hart, Nilsson, Raphael 1968) over true moves, collisions and sliding included. Poses that fall into one cell of a
fine grid count as one, as in hybrid A* (Dolgov et al. 2010), so that the search ends.
"""

import heapq

import numba
import numpy as np

from envs.navigation.fields import Ways, look_up
from envs.navigation.moving import walk
from envs.navigation.queries import locate
from envs.navigation.roads import Roads
from envs.navigation.view import View

STOP, FORWARD, LEFT, RIGHT = 0, 1, 2, 3
_GRID = 0.04  # metres within which places count as one, at most
_SHARE = 0.2  # the same as a share of a move
_STOREY = 0.5  # metres of height that tell places above one another apart
_MOST = 60_000  # poses looked at
_HASTE = 1.5  # how much more a metre that is left weighs than one that is behind: fewer poses, few more actions


@numba.njit(cache=True)
def _cell_of(position: np.ndarray, heading: float, grid: float, turn: float) -> tuple[int, int, int, int]:
    """What poses that count as one have in common."""
    return (
        int(np.floor(position[0] / grid)),
        int(np.floor(position[2] / grid)),
        int(np.floor(position[1] / _STOREY + 0.25)),
        int(np.floor((heading % (2 * np.pi)) / (turn / 2) + 0.25)),
    )


@numba.njit(cache=True)
def _left_from(ground: View, roads: Roads, ways: Ways, position: np.ndarray) -> float:
    """Metres to the goal."""
    x, z, y = locate(ground, position)
    return look_up(ground, roads, ways, x, z, y)[0]


@numba.njit(cache=True)
def find_plan(
    ground: View,
    roads: Roads,
    ways: Ways,
    position: np.ndarray,
    heading: float,
    forward: float,
    turn: float,
    stop: float,
    sliding: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """The actions that lead to within `stop` metres of the goal, else to the nearest pose that can be reached.

    Args:
        ground: Where.
        roads: Its corners.
        ways: To the goal.
        position: (3,) metres.
        heading: Radians.
        forward: Metres of a move.
        turn: Radians of a turn.
        stop: Metres to the goal within which to stop.
        sliding: Whether the body slides along walls.

    Returns:
        (n, 4) float64 poses: x, y, z and heading, from the one given to the last, and (n,) int64, what to do at each;
        the last stops.
    """
    grid = min(_GRID, _SHARE * forward)
    poses, far = np.empty((_MOST, 4)), np.empty(_MOST)
    parent, action, spent = np.empty(_MOST, np.int32), np.empty(_MOST, np.int8), np.empty(_MOST, np.int32)
    poses[0, :3], poses[0, 3] = position, heading
    far[0], parent[0], action[0], spent[0] = _left_from(ground, roads, ways, position), -1, STOP, 0
    seen = {_cell_of(position, heading, grid, turn)}
    queue = [(_HASTE * far[0] / forward, 0)]
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
            heapq.heappush(queue, (spent[count] + _HASTE * far[count] / forward, count))
            count += 1
    steps = spent[best] + 1
    way, actions = np.empty((steps, 4)), np.empty(steps, np.int64)
    i, do = best, STOP
    for k in range(steps - 1, -1, -1):
        way[k], actions[k] = poses[i], do
        i, do = parent[i], int(action[i])
    return way, actions
