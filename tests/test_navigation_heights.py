"""Geodesic distances over heights: three-dimensional lengths against exact solutions and themselves."""

from functools import cache

import numpy as np
import pytest

from envs.houses import make_house
from envs.navigation import Body, Ground, build_ground
from tests.rooms import bridge, ramp, room, two_floors, two_rooms

BODY = Body(radius=0.1, height=1.5, climb=0.2)
EXACT = 0.005  # share by which distances may be off
SLOPES = {"1:10": (1.2, 12.0), "1:5": (1.2, 6.0), "1:2": (1.2, 2.4), "1:1.25": (1.2, 1.5)}
HOUSE_WITH_STAIRS = 3
SCENES = {
    "flat": lambda: room(6, 4, ((2, 0, 1), (3, 0.7, 3))),
    "rooms": two_rooms,
    "stairs": two_floors,
    "ramp": lambda: ramp(1.2, 3.0),
    "bridge": lambda: bridge(2.0, 4.0, 1.5),
    "house": lambda: make_house(HOUSE_WITH_STAIRS),
}


@cache
def ground_of(scene: str) -> Ground:
    return build_ground(SCENES[scene](), Body(radius=0.15) if scene == "house" else BODY)


def along(path: np.ndarray) -> float:
    """Metres along points (k, 3)."""
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


@pytest.mark.parametrize("slope", SLOPES)
def test_ramps_are_as_long_as_they_are(slope):
    """Straight up, and at a slant, where the shortest way is a straight line on the unfolded floor."""
    rise, run = SLOPES[slope]
    ground, climbed = build_ground(ramp(rise, run), BODY), np.hypot(rise, run)
    straight = ground.field([6 + run, rise, 2]).distance([1, 0, 2])
    assert straight == pytest.approx(3 + climbed + 2, rel=EXACT)
    slanting = ground.field([5 + run, rise, 3.5]).distance([3, 0, 0.5])
    assert slanting == pytest.approx(np.hypot(2 + climbed, 3), rel=EXACT)
    half_way = ground.field([4 + run / 2, rise / 2, 2]).distance([1, 0, 2])
    assert half_way == pytest.approx(3 + climbed / 2, rel=EXACT)


def test_stairs_are_as_long_as_the_line_through_their_steps():
    ground = ground_of("stairs")  # 15 steps of 0.16 m, 0.24 m deep, that begin at x = 1.4
    there = ground.field([7, 2.4, 0.6]).distance([0.5, 0, 0.6])
    assert there == pytest.approx(0.9 + np.hypot(15 * 0.24, 15 * 0.16) + 2.0, rel=EXACT)
    assert ground.field([0.5, 0, 0.6]).distance([7, 2.4, 0.6]) == pytest.approx(there, abs=1e-6)


@pytest.mark.parametrize("run", [2.5, 6.0])
def test_a_way_over_a_bridge_goes_up_and_down(run):
    """The bridge is as wide as the room: start and goal are on one level, the way between them is not."""
    ground, climbed = build_ground(bridge(2.0, run, 4.0), BODY), np.hypot(2.0, run)
    end = ground.field([9 + 2 * run, 0, 2])
    assert end.distance([1, 0, 2]) == pytest.approx(3 + climbed + 2 + climbed + 3, rel=EXACT)
    assert end.distance([5 + run, 2.0, 2]) == pytest.approx(1 + climbed + 3, rel=EXACT)
    assert end.path([1, 0, 2])[:, 1].max() == pytest.approx(2.0, abs=0.05)


def test_a_bridge_is_walked_around_where_that_is_shorter():
    """Over it is the straight line, seen from above."""
    ground, climbed = build_ground(bridge(2.0, 2.2, 1.5), BODY), np.hypot(2.0, 2.2)
    start, goal = [1, 0, 2], [13.4, 0, 2]
    over = 3 + climbed + 2 + climbed + 3
    around = 2 * np.hypot(3.1, 0.85) + 6.2  # past the foot of the ramps, 0.1 m beside them
    assert ground.field(goal).distance(start) == pytest.approx(around, rel=EXACT)
    assert ground.shortest_path(start, goal)[:, 1].max() < 0.1
    assert ground.field([7.2, 2.0, 2]).distance(start) == pytest.approx(3 + climbed + 1, rel=EXACT)
    assert around < over


def test_on_a_level_floor_a_way_is_as_long_as_seen_from_above():
    ground = ground_of("rooms")
    start, goal = np.array([1, 0, 0.5]), np.array([7, 0, 0.5])
    path = ground.shortest_path(start, goal)
    assert len(path) == 4
    assert ground.field(goal).distance(start) == pytest.approx(along(path), abs=1e-6)
    assert ground.field([3, 0, 2.5]).distance(start) == np.hypot(2, 2)


def test_a_rug_is_no_hill():
    thick = ((1, 0, 1), (3, 0.014, 3))
    plain, laid = (build_ground(room(6, 4, *rugs), BODY) for rugs in ((), (thick,)))
    start, goal = [0.5, 0, 0.5], [2.5, 0.014, 2]
    assert laid.field(goal).distance(start) == pytest.approx(plain.field(goal).distance(start), abs=1e-4)
    assert len(laid.shortest_path([0.5, 0, 2], [5, 0, 2])) == 2


@pytest.mark.parametrize("scene", SCENES)
def test_distances_are_the_lengths_of_shortest_paths(scene):
    ground = ground_of(scene)
    points = ground.sample(np.random.default_rng(0), 120)
    for start, goal in zip(points[::2], points[1::2], strict=True):
        there = float(ground.field(goal).distance(start))
        assert there == pytest.approx(along(ground.shortest_path(start, goal)), abs=1e-4)
        assert there == pytest.approx(float(ground.field(start).distance(goal)), rel=1e-3, abs=1e-3)
        assert there >= np.linalg.norm(start - goal) - 1e-4


def test_walking_up_takes_as_many_metres_as_the_distance_says():
    """The body's own way on the stairs of a house, by small steps, against the distance it began with."""
    ground = ground_of("house")
    points = ground.sample(np.random.default_rng(1), 400)
    low, high = (points[np.abs(points[:, 1] - level) < 0.05] for level in (0.0, points[:, 1].max()))
    for start, goal in zip(low[:8], high[:8], strict=False):
        field, path = ground.field(goal), ground.shortest_path(start, goal)
        shares = np.linspace(0, 1, 200)
        at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
        places = np.stack([np.interp(shares * at[-1], at, axis) for axis in path.T], 1)
        left = field.distance(places)
        assert np.abs(left - (1 - shares) * at[-1]).max() < 0.02 * at[-1]
