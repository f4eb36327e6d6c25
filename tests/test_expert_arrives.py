"""The expert reaches the goal or the nearest possible pose, with every motion, among clutter, in houses."""

import itertools

import numpy as np
import pytest

from envs.houses import make_house
from envs.navigation import NUDGE, Body, build_ground, distances, expert, step
from tests.rooms import cluttered_room, room
from vln.errors import InputError

BODY = Body(radius=0.15)
STOP, FORWARD, LEFT = 0, 1, 2
WITHIN = 0.25  # metres
MOTIONS = ((0.1, 5), (0.25, 10), (0.25, 15), (0.25, 30), (0.5, 15), (0.5, 30), (0.5, 90), (1.0, 30), (1.0, 45))


def walked(ground, goals, positions, headings, forward, degrees, sliding):
    """Where bodies that do as the expert says are when it says stop, and whether it does, (B,)."""
    fields, turn = [ground.field(goal) for goal in goals], np.radians(degrees)
    grounds, headings, positions = [ground] * len(goals), headings.copy(), positions.copy()
    limit = int(20 * distances(fields, positions).max() / forward + 40 * 360 / degrees + 300)
    for _ in range(limit):
        actions = expert(grounds, fields, positions, headings, forward, turn, WITHIN, sliding)
        if not actions.any():
            break
        after, _ = step(grounds, positions, headings, np.where(actions == FORWARD, forward, 0.0), sliding)
        moved = np.abs(after - positions).max(1) > NUDGE
        positions[moved] = after[moved]
        headings += turn * ((actions == LEFT) - 1.0 * (actions > LEFT))
    return positions, distances(fields, positions), actions == STOP


def drawn(ground, rng, count):
    """Starts, goals and headings."""
    points = ground.sample(rng, 2 * count)
    return points[:count], points[count:], rng.uniform(-np.pi, np.pi, count)


def rooms(seeds):
    """The walkable areas of cluttered rooms that have one."""
    for seed in seeds:
        try:
            yield seed, build_ground(cluttered_room(seed), BODY)
        except InputError:  # full of things
            continue


def check(ground, seed, motion, sliding, count):
    """Let bodies follow the expert; returns their distances to their goals in the end, (count,)."""
    starts, goals, headings = drawn(ground, np.random.default_rng(seed), count)
    _, left, stopped = walked(ground, goals, starts, headings, *motion, sliding)
    assert stopped.all(), (seed, motion, sliding, np.flatnonzero(~stopped))
    return left


@pytest.mark.parametrize("sliding", [True, False])
def test_among_clutter(sliding):
    left = [
        check(ground, seed, motion, sliding, 3)
        for (seed, ground), motion in zip(rooms(range(27)), itertools.cycle(MOTIONS), strict=False)
    ]
    # Small moves lead everywhere; large ones may pass by, and without sliding a start at a wall is an end.
    assert (np.concatenate(left) < WITHIN).mean() > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("sliding", [True, False])
def test_in_three_thousand_cluttered_rooms(sliding):
    for (seed, ground), motion in zip(rooms(range(3000)), itertools.cycle(MOTIONS), strict=False):
        check(ground, seed, motion, sliding, 2)


@pytest.mark.slow
@pytest.mark.parametrize("sliding", [True, False])
def test_in_a_thousand_houses(sliding):
    for seed, motion in zip(range(1000), itertools.cycle(MOTIONS), strict=False):
        check(build_ground(make_house(seed), BODY), seed, motion, sliding, 2)


def test_the_nearest_pose_of_a_lattice():
    """Moves of 0.5 m and quarter turns lead to the corners of squares; without sliding, a wall ends the walk."""
    ground = build_ground(room(4.0, 4.0), BODY)
    start, heading = np.array([[2.0, 0, 2.0]]), np.zeros(1)
    for goal in ((3.25, 0, 1.25), (3.2, 0, 1.8), (1.7, 0, 3.3)):
        field = ground.field(goal)
        corners = [[2 + 0.5 * i, 0, 2 + 0.5 * j] for i, j in itertools.product(range(-3, 4), repeat=2)]
        nearest = field.distance(np.array(corners)).min()
        _, left, stopped = walked(ground, [np.array(goal)], start, heading, 0.5, 90, sliding=False)
        assert stopped.all()
        assert left[0] <= max(nearest, WITHIN) + 1e-6


def test_a_body_that_has_touched_a_wall_and_does_not_slide_stops():
    ground = build_ground(room(4, 3), BODY)
    touching, _ = step([ground], np.array([[2.0, 0, 0.3]]), np.zeros(1), 0.5, sliding=False)
    goal = [np.array([2.0, 0, 2.5])]
    places, _, stopped = walked(ground, goal, touching, np.zeros(1), 0.25, 15, sliding=False)
    assert stopped.all()
    assert (places == touching).all()
    _, left, stopped = walked(ground, goal, touching, np.zeros(1), 0.25, 15, sliding=True)
    assert stopped.all()
    assert left[0] < WITHIN


def test_a_plan_is_the_same_for_a_batch_and_for_singles():
    _, ground = next(rooms([3]))
    starts, goals, headings = drawn(ground, np.random.default_rng(0), 6)
    together, _, _ = walked(ground, goals, starts, headings, 1.0, 45, sliding=True)
    ground._fields.clear()  # with the plans
    for row in range(6):
        one = slice(row, row + 1)
        alone, _, _ = walked(ground, goals[one], starts[one], headings[one], 1.0, 45, sliding=True)
        assert np.allclose(alone[0], together[row], atol=1e-9)
