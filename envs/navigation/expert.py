"""The expert: the action towards the goal from any pose, for imitation learning.

It is greedy: it chooses the heading from which the next forward step makes the most progress to the goal. As long as
every step makes progress, it arrives. Where none does, or where a body without sliding would touch a wall, it simulates
the greedy steps ahead. If they do not arrive, it follows a plan found by search.
"""

from collections.abc import Sequence

import numba
import numpy as np

from envs.navigation.fields import GOAL, UNREACHABLE, Field, ShortestPathTree, look_up, passes_gates, ways_view
from envs.navigation.moving import advance, is_stuck, walk
from envs.navigation.plan import FORWARD, LEFT, RIGHT, STOP, find_plan
from envs.navigation.queries import locate
from envs.navigation.roads import VisibilityGraph, roads_view
from envs.navigation.slopes import climbed_length
from envs.navigation.view import Addressed, View, view
from envs.navigation.walls import sees

_GOOD_PROGRESS = 0.9  # progress of a step, as a fraction of its length, at which the search for a better heading ends
_TURN_COST = 0.03  # cost, in the same unit, of each turn away from the straight line to the next corner
_MIN_PROGRESS = -0.1  # progress below which a step is as bad as a collision
_BAD_STEP_COST = 2.0  # cost of such steps: they rank below all others
_TURN_TOLERANCE = 0.85  # fraction of a turn by which the heading may be off; a later turn often saves a turn back
_CERTAIN_PROGRESS = 0.05  # least progress of a step, as a fraction of its length, with which greedy steps surely arrive
_MAX_STEPS_AHEAD = 1000  # greedy steps simulated ahead
NUDGE = 1e-3  # metres; a shorter displacement counts as no move
_SAME = 1e-9  # metres and radians, tolerance for equal poses in a simulation
_EXACT = 1e-3  # metres and radians, tolerance for a pose of a plan


@numba.njit(cache=True)
def _progress(
    ground: View, roads: VisibilityGraph, ways: ShortestPathTree, x: float, z: float, y: float, heading: float,
    forward: float, far: float, corner: int, sliding: bool,
) -> tuple[float, bool, bool]:  # fmt: skip
    """Return the progress of a step to the goal, as a fraction of its length, and whether it collides.

    The third value is False if the step may not happen as computed: a body without sliding stays stuck at a wall.
    """
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
    return (far - left) / forward, collided, sliding or not (collided or is_stuck(ground, nx, nz, ny))


@numba.njit(cache=True)
def _choose(
    ground: View, roads: VisibilityGraph, ways: ShortestPathTree, x: float, z: float, y: float, heading: float,
    forward: float, turn: float, stop: float, sliding: bool,
) -> tuple[int, bool]:  # fmt: skip
    """Return the greedy action of one body, and whether greedy actions may fail to arrive."""
    far, corner = look_up(ground, roads, ways, x, z, y)
    if corner == UNREACHABLE or far < stop:
        return STOP, False
    at = ways.goal if corner == GOAL else roads.at[corner]
    wanted = np.arctan2(-(at[0] - x), -(at[1] - z))
    error = (wanted - heading + np.pi) % (2 * np.pi) - np.pi
    # The reference heading is the same before and after a turn towards it, so the body does not oscillate.
    straight = int(np.sign(error) * np.floor(abs(error) / turn + 1 - _TURN_TOLERANCE))
    best, turns, doubtful = -np.inf, straight, True
    stuck = not sliding and is_stuck(ground, x, z, y)
    for n in range(int(np.pi / turn) + 1):
        for side in (1, -1):
            k = straight + side * n
            progress, collided, sure = _progress(
                ground, roads, ways, x, z, y, heading + k * turn, forward, far, corner, sliding
            )
            score = (progress - _BAD_STEP_COST if collided or progress < _MIN_PROGRESS else progress) - n * _TURN_COST
            if score > best + 1e-9:
                best, turns, doubtful = score, k, stuck or progress < _CERTAIN_PROGRESS or not sure
            if n == 0:
                break
        if best >= _GOOD_PROGRESS - n * _TURN_COST:
            break
    if turns == 0:
        return FORWARD, doubtful
    return (LEFT if turns > 0 else RIGHT), doubtful


@numba.njit(cache=True)
def _arrives(
    ground: View, roads: VisibilityGraph, ways: ShortestPathTree, position: np.ndarray, heading: float, forward: float,
    turn: float, stop: float, sliding: bool,
) -> bool:  # fmt: skip
    """Return whether greedy actions arrive; they do not if a pose repeats (cycle detection, Brent 1980)."""
    before, headed, due = position, heading, 1
    for taken in range(1, _MAX_STEPS_AHEAD):
        x, z, y = locate(ground, position)
        action, _ = _choose(ground, roads, ways, x, z, y, heading, forward, turn, stop, sliding)
        if action == STOP:
            return True
        if not sliding and is_stuck(ground, x, z, y):
            return False
        if action == FORWARD:
            start = position
            position, _ = walk(ground, position, heading, forward, sliding)
            if np.abs(position - start).max() <= NUDGE:
                return False
        else:
            heading += turn if action == LEFT else -turn
        if np.abs(position - before).max() < _SAME and abs(np.sin((heading - headed) / 2)) < _SAME:
            return False
        if taken == due:
            before, headed, due = position, heading, 2 * due
    return False


@numba.njit(cache=True)
def _choose_each(
    ground_rows: np.ndarray, rows: np.ndarray, positions: np.ndarray, headings: np.ndarray, forward: float,
    turn: float, stop: float, sliding: bool,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return the greedy action of each body, and whether it may fail to arrive."""
    result, doubtful = np.empty(len(positions), np.int64), np.empty(len(positions), np.bool_)
    for i in range(len(positions)):
        ground = view(ground_rows[i])
        x, z, y = locate(ground, positions[i])
        roads, ways = roads_view(rows[i]), ways_view(rows[i])
        result[i], doubtful[i] = _choose(ground, roads, ways, x, z, y, headings[i], forward, turn, stop, sliding)
    return result, doubtful


@numba.njit(cache=True)
def look_ahead(
    ground_row: np.ndarray, row: np.ndarray, position: np.ndarray, heading: float, forward: float, turn: float,
    stop: float, sliding: bool,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return a plan from a pose, see `find_plan`; empty if greedy steps arrive."""
    ground, roads, ways = view(ground_row), roads_view(row), ways_view(row)
    if _arrives(ground, roads, ways, position, heading, forward, turn, stop, sliding):
        return np.empty((0, 4)), np.empty(0, np.int64)
    return find_plan(ground, roads, ways, position, heading, forward, turn, stop, sliding)


Motion = tuple[float, float, float, bool]


def _keys(position: np.ndarray, heading: float) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return two keys of a pose; poses that differ by rounding share at least one."""
    numbers = np.array([*position, np.sin(heading), np.cos(heading)]) / _EXACT
    return tuple(np.floor(numbers).tolist()), tuple(np.floor(numbers + 0.5).tolist())


def _planned(
    ground: Addressed, field: Field, position: np.ndarray, heading: float, motion: Motion, greedy: int, doubtful: bool
) -> int:
    """Return the action at a pose where greedy actions may not arrive, from a plan, made if necessary."""
    plans = field.plans.setdefault(motion, {})
    keys = _keys(position, heading)
    for key in keys:
        if key in plans:
            return plans[key]
    if not doubtful:
        return greedy
    poses, actions = look_ahead(ground.row, field.row, position, heading, *motion)
    if not len(actions):
        plans.update(dict.fromkeys(keys, greedy))
        return greedy
    for pose, action in zip(poses, actions.tolist(), strict=True):
        plans.update(dict.fromkeys(_keys(pose[:3], pose[3]), action))
    return int(actions[0])


def expert(
    grounds: Sequence[Addressed], fields: Sequence[Field], positions: np.ndarray, headings: np.ndarray,
    forward: float, turn: float, stop_radius: float, sliding: bool = True,
) -> np.ndarray:  # fmt: skip
    """Compute actions that reach each body's goal in few steps, from any pose.

    There is one ground, distance field, position (B, 3) and heading (B,) a body; lengths are in metres, angles in
    radians. The actions, (B,) int64, are 0 stop (also without a path), 1 forward, 2 left, 3 right. A body that follows
    them stops within the radius or, if none lead there, at the nearest reachable pose. Plans are cached in the fields.
    """
    positions, headings = np.asarray(positions, np.float64), np.asarray(headings, np.float64)
    ground_rows, rows = np.stack([ground.row for ground in grounds]), np.stack([field.row for field in fields])
    motion = float(forward), float(turn), float(stop_radius), bool(sliding)
    actions, doubtful = _choose_each(ground_rows, rows, positions, headings, *motion)
    for i, field in enumerate(fields):
        if actions[i] != STOP and (doubtful[i] or field.plans):
            pose = positions[i], float(headings[i])
            actions[i] = _planned(grounds[i], field, *pose, motion, int(actions[i]), bool(doubtful[i]))
    return actions
