"""Which action brings a body closest to its goal: the expert that agents learn from."""

from collections.abc import Sequence

import numba
import numpy as np

from envs.navigation.fields import GOAL, UNREACHABLE, Field, Ways, look_up, passes_gates, ways_view
from envs.navigation.moving import advance
from envs.navigation.queries import locate
from envs.navigation.roads import Roads, roads_view
from envs.navigation.slopes import climbed_length
from envs.navigation.view import Addressed, View, view
from envs.navigation.walls import sees

STOP, FORWARD, LEFT, RIGHT = 0, 1, 2, 3
_GOOD = 0.9  # progress per step, as a share of its length, that needs no better
_TURN_COST = 0.03  # the same for each turn away from the straight line to the next corner
_LITTLE = -0.1  # progress below which a step is as bad as one that touches a wall
_LAST_RESORT = 2.0  # what such steps cost: they are only compared with one another
_PATIENCE = 0.85  # share of a turn by which a heading may be off: turning later often saves turning back


@numba.njit(cache=True)
def _progress(
    ground: View,
    roads: Roads,
    ways: Ways,
    x: float,
    z: float,
    y: float,
    heading: float,
    forward: float,
    far: float,
    corner: int,
) -> float:
    """How much nearer a step comes to the goal, as a share of its length, less a cost if it touches a wall."""
    dx, dz = -np.sin(heading) * forward / ground.scale[3], -np.cos(heading) * forward / ground.scale[3]
    nx, nz, ny, collided = advance(ground, x, z, y, dx, dz, False)
    if collided:
        nx, nz, ny, _ = advance(ground, x, z, y, dx, dz, True)
    at = ways.goal if corner == GOAL else roads.at[corner]
    onward = corner == GOAL or passes_gates(ways.gates, corner, at[0] - nx, at[1] - nz, 0.0)
    if onward and sees(ground, nx, nz, ny, at[0], at[1], at[2]):
        left = climbed_length(ground, nx, nz, ny, at[0], at[1], at[2]) + (0.0 if corner == GOAL else ways.far[corner])
    else:
        left = look_up(ground, roads, ways, nx, nz, ny)[0]
    progress = (far - left) / forward
    return progress - _LAST_RESORT if collided or progress < _LITTLE else progress


@numba.njit(cache=True)
def _choose(
    ground: View,
    roads: Roads,
    ways: Ways,
    x: float,
    z: float,
    y: float,
    heading: float,
    forward: float,
    turn: float,
    stop: float,
) -> int:
    """The action of one body."""
    far, corner = look_up(ground, roads, ways, x, z, y)
    if corner == UNREACHABLE or far < stop:
        return STOP
    at = ways.goal if corner == GOAL else roads.at[corner]
    wanted = np.arctan2(-(at[0] - x), -(at[1] - z))
    error = (wanted - heading + np.pi) % (2 * np.pi) - np.pi
    # Headings are compared with one that is the same before and after a turn towards it: no turning back and forth.
    straight = int(np.sign(error) * np.floor(abs(error) / turn + 1 - _PATIENCE))
    best, turns = -np.inf, straight
    for n in range(int(np.pi / turn) + 1):
        for side in (1, -1):
            k = straight + side * n
            score = _progress(ground, roads, ways, x, z, y, heading + k * turn, forward, far, corner) - n * _TURN_COST
            if score > best + 1e-9:
                best, turns = score, k
            if n == 0:
                break
        if best >= _GOOD - n * _TURN_COST:
            break
    if turns == 0:
        return FORWARD
    return LEFT if turns > 0 else RIGHT


@numba.njit(cache=True)
def _choose_each(
    ground_rows: np.ndarray,
    rows: np.ndarray,
    positions: np.ndarray,
    headings: np.ndarray,
    forward: float,
    turn: float,
    stop: float,
) -> np.ndarray:
    """The action of each body."""
    result = np.empty(len(positions), np.int64)
    for i in range(len(positions)):
        ground = view(ground_rows[i])
        x, z, y = locate(ground, positions[i])
        result[i] = _choose(ground, roads_view(rows[i]), ways_view(rows[i]), x, z, y, headings[i], forward, turn, stop)
    return result


def expert(
    grounds: Sequence[Addressed],
    fields: Sequence[Field],
    positions: np.ndarray,
    headings: np.ndarray,
    forward: float,
    turn: float,
    stop_radius: float,
) -> np.ndarray:
    """What to do to reach each body's goal with few actions, from any pose.

    Args:
        grounds: B grounds.
        fields: B distance fields, one per body.
        positions: (B, 3) metres.
        headings: (B,) radians.
        forward: Metres of a forward step.
        turn: Radians of a turn.
        stop_radius: Metres to the goal within which to stop.

    Returns:
        (B,) int64: 0 stop (also where there is no path), 1 forward, 2 turn left, 3 turn right.
    """
    return _choose_each(
        np.stack([ground.row for ground in grounds]),
        np.stack([field.row for field in fields]),
        np.asarray(positions, np.float64),
        np.asarray(headings, np.float64),
        forward,
        turn,
        stop_radius,
    )
