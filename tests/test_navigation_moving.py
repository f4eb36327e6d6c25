"""Distances, steps and the expert: general properties, and a few cases by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.navigation import Body, build_ground, distances, expert, step
from tests.rooms import room, two_floors, two_rooms

BODY = Body(radius=0.1, height=1.5, climb=0.2)
THINGS = (((1, 0, 1), (2, 0.7, 1.6)), ((2.5, 0, 2), (2.9, 1.8, 3.4)), ((3.5, 0, 0.3), (4.6, 0.5, 1.2)))
GROUNDS = tuple(build_ground(scene, BODY) for scene in (room(5, 4, *THINGS), two_rooms(), two_floors()))
TURN = np.radians(15)
cases = st.tuples(st.sampled_from(GROUNDS), st.integers(0, 2**32 - 1))


def drawn(case, n):
    ground, seed = case
    rng = np.random.default_rng(seed)
    return ground, ground.sample(rng, n), rng


@settings(max_examples=30)
@given(cases)
def test_distances_are_a_metric(case):
    ground, (a, b, c), _ = drawn(case, 3)
    there, back = ground.field(b).distance(a), ground.field(a).distance(b)
    assert there == pytest.approx(back, abs=2e-3)
    assert ground.field(a).distance(a) == 0
    assert there >= np.linalg.norm(a - b) - 2e-3
    assert there <= ground.field(c).distance(a) + ground.field(b).distance(c) + 2e-3


@settings(max_examples=30)
@given(cases)
def test_paths_are_walkable_and_as_long_as_the_distance(case):
    ground, (a, b), _ = drawn(case, 2)
    path = ground.shortest_path(a, b)
    assert np.allclose(path[[0, -1]], [a, b], atol=1e-3)
    legs = np.diff(path, axis=0)
    assert ground.field(b).distance(a) >= np.hypot(legs[:, 0], legs[:, 2]).sum() - 1e-6
    between = np.concatenate(
        [start + np.linspace(0, 1, 20)[:, None] * leg for start, leg in zip(path, legs, strict=False)]
    )
    flat = np.abs(np.repeat(legs[:, 1], 20)) < 0.02  # on stairs the line between corners is not the floor
    assert ground.contains(between[flat]).all()


@settings(max_examples=30)
@given(cases, st.booleans(), st.floats(0.05, 0.6))
def test_a_body_never_leaves_the_walkable_area(case, sliding, distance):
    ground, positions, rng = drawn(case, 16)
    headings = rng.uniform(-7, 7, 16)
    island = ground.island(positions)
    for _ in range(40):
        before = positions
        positions, collided = step([ground] * 16, positions, headings, distance, sliding)
        assert np.isfinite(positions).all()
        assert ground.contains(positions).all()
        assert (ground.island(positions) == island).all()
        moved = np.hypot(*(positions - before)[:, [0, 2]].T)
        assert (moved <= 1.2 * distance).all()  # sliding may end up a little further along a wall
        assert (moved[~collided] >= distance - 1e-3).all()
        headings = headings + rng.choice([-TURN, 0, TURN], 16)


@settings(max_examples=30)
@given(cases)
def test_sliding_gets_nearer_to_where_a_step_aims(case):
    ground, positions, rng = drawn(case, 32)
    headings = rng.uniform(-7, 7, 32)
    aims = positions - 0.4 * np.stack([np.sin(headings), np.zeros(32), np.cos(headings)], 1)
    slid, _ = step([ground] * 32, positions, headings, 0.4, sliding=True)
    stopped, _ = step([ground] * 32, positions, headings, 0.4, sliding=False)
    off = [np.hypot(*(ends - aims)[:, [0, 2]].T) for ends in (slid, stopped)]
    assert (off[0] <= off[1] + 1e-3).all()


@settings(max_examples=20)
@given(cases, st.sampled_from([TURN, 2 * TURN]))
def test_the_expert_arrives_from_any_pose(case, turn):
    ground, points, rng = drawn(case, 16)
    positions, goals, headings = points[:8], points[8:], rng.uniform(-7, 7, 8)
    for _ in range(30):  # bump into walls first
        positions, _ = step([ground] * 8, positions, headings, 0.25, sliding=True)
        headings = headings + rng.choice([-turn, turn], 8)
    fields = [ground.field(goal) for goal in goals]
    limit = 4 * distances(fields, positions).max() / 0.25 + 60
    for _ in range(int(limit)):
        actions = expert([ground] * 8, fields, positions, headings, 0.25, turn, 0.25)
        if not actions.any():
            break
        positions, _ = step([ground] * 8, positions, headings, np.where(actions == 1, 0.25, 0.0), sliding=True)
        headings = headings + turn * (actions == 2) - turn * (actions == 3)
    assert (distances(fields, positions) < 0.25).all()


def test_batches_are_singles():
    """Each body on its own ground, with its own goal: the same as one by one."""
    rng = np.random.default_rng(0)
    positions = np.concatenate([ground.sample(rng, 4) for ground in GROUNDS])
    grounds = [ground for ground in GROUNDS for _ in range(4)]
    fields = [ground.field(ground.sample(rng, 1)[0]) for ground in grounds]
    headings = rng.uniform(-7, 7, 12)
    moved, collided = step(grounds, positions, headings, 0.25, True)
    actions = expert(grounds, fields, positions, headings, 0.25, TURN, 0.25)
    far = distances(fields, positions)
    assert far.dtype == np.float32
    assert actions.dtype == np.int64
    for i in range(12):
        one, hit = step(grounds[i : i + 1], positions[i : i + 1], headings[i : i + 1], 0.25, True)
        assert (one[0] == moved[i]).all()
        assert hit[0] == collided[i]
        assert (
            expert(grounds[i : i + 1], fields[i : i + 1], positions[i : i + 1], headings[i : i + 1], 0.25, TURN, 0.25)
            == actions[i]
        )
        assert np.float32(fields[i].distance(positions[i])) == far[i]


def test_sliding_along_a_wall():
    ground = build_ground(room(4, 3), BODY)
    start, heading = np.array([[2.0, 0, 0.151]]), np.array([np.radians(60)])
    end, collided = step([ground], start, heading, 0.25, sliding=True)
    assert collided[0]
    assert np.allclose(end[0], [2 - 0.25 * np.sin(np.radians(60)), 0, 0.15], atol=2e-3)


def test_without_sliding_a_body_stays_at_the_wall_it_has_touched():
    """As recorded from habitat-sim."""
    ground = build_ground(room(4, 3), BODY)
    position, collided = step([ground], np.array([[2.0, 0, 0.3]]), np.array([0.5]), 0.25, sliding=False)
    assert collided[0]
    assert position[0, 2] == pytest.approx(0.15, abs=1e-3)
    again, collided = step([ground], position, np.array([np.pi]), 0.25, sliding=False)
    assert collided[0]
    assert (again == position).all()


def test_bodies_that_do_not_move():
    ground = GROUNDS[0]
    position = np.array([[0.5, 0, 0.5]] * 2)
    moved, collided = step([ground] * 2, position, np.zeros(2), np.array([0.0, 0.25]), sliding=True)
    assert (moved[0] == position[0]).all()
    assert moved[1, 2] == pytest.approx(0.25)
    assert not collided.any()


def test_positions_must_be_numbers():
    with pytest.raises(ValueError, match="finite"):
        step([GROUNDS[0]], np.array([[np.nan, 0, 0]]), np.zeros(1), 0.25, sliding=True)


def test_the_expert_stops_where_there_is_no_way():
    ground = build_ground(two_rooms(door=0.0), BODY)
    assert expert([ground], [ground.field([7, 0, 3])], np.array([[1.0, 0, 1]]), np.zeros(1), 0.25, TURN, 0.25)[0] == 0
