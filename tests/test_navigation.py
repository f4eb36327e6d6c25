"""The walkable area: rooms, doors, stairs, steps, head room."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

from envs.houses import make_house
from envs.navigation import Body, build_ground, step
from tests.rooms import boxes, room, two_floors, two_rooms
from vln.errors import InputError

BODY = Body(radius=0.1, height=1.5, climb=0.2)


def test_a_room_is_walkable_up_to_the_radius_of_the_body():
    ground = build_ground(room(4, 3), BODY)
    assert ground.contains([[2, 0, 1.5], [0.2, 0, 0.2], [3.8, 0, 2.8]]).all()
    assert not ground.contains([[0.05, 0, 1.5], [2, 0, 2.95], [-1, 0, 1], [2, 1.2, 1.5], [9, 0, 9]]).any()
    assert ground.area == pytest.approx(3.8 * 2.8, rel=0.05)


def test_furniture_is_walked_around():
    ground = build_ground(room(4, 3, ((1.5, 0, 1), (2.5, 0.7, 2))), BODY)
    assert not ground.contains([2, 0, 1.5])
    assert ground.field([3.5, 0, 1.5]).distance([0.5, 0, 1.5]) == pytest.approx(3.28, abs=0.08)


@pytest.mark.parametrize(("high", "walkable"), [(0.1, True), (0.15, True), (0.3, False), (0.6, False)])
def test_a_step_must_not_be_higher_than_the_climb(high, walkable):
    ground = build_ground(room(6, 3, ((3, 0, 0), (6, high, 3))), BODY)
    assert bool(np.isfinite(ground.field([5, high, 1.5]).distance([1, 0, 1.5]))) == walkable
    snapped, _ = ground.snap([5, high, 1.5])
    assert snapped[1] == pytest.approx(high, abs=1e-3)


@pytest.mark.parametrize(("under", "walkable"), [(0.7, False), (1.3, False), (1.8, True)])
def test_head_room(under, walkable):
    """A shelf over the whole width: what is under it is walkable if it is high enough."""
    ground = build_ground(room(6, 3, ((2, under, 0), (4, under + 0.1, 3))), BODY)
    assert bool(ground.contains([3, 0, 1.5])) == walkable
    assert bool(np.isfinite(ground.field([5, 0, 1.5]).distance([1, 0, 1.5]))) == walkable


def test_a_door_joins_rooms_and_a_closed_wall_parts_them():
    joined, parted = (build_ground(two_rooms(door), BODY) for door in (1.0, 0.0))
    assert joined.island([1, 0, 1]) == joined.island([7, 0, 3]) >= 0
    assert parted.island([1, 0, 1]) != parted.island([7, 0, 3])
    assert np.isinf(parted.field([7, 0, 3]).distance([1, 0, 1]))
    assert len(parted.shortest_path([1, 0, 1], [7, 0, 3])) == 0
    path = joined.shortest_path([1, 0, 0.5], [7, 0, 0.5])
    assert len(path) == 4
    assert np.allclose(path[1:3, 2], 1.6, atol=0.1), "it bends at the edge of the door, a body's radius away"


def test_two_floors_are_apart_but_for_the_stairs():
    ground = build_ground(two_floors(), BODY)
    above, below = np.array([7.5, 2.4, 3.5]), np.array([7.5, 0, 3.5])
    assert ground.contains([above, below]).all()
    heights = ground.snap([above, below])[0][:, 1]
    assert np.allclose(heights, [2.4, 0], atol=1e-3)
    assert ground.island(above) == ground.island(below)
    path = ground.shortest_path(below, above)
    assert path[:, 0].min() < 1.5, "the way up begins at the foot of the stairs"
    assert 12 < ground.field(above).distance(below) < 18
    assert ground.topdown(0.0)[30, 140]
    assert ground.topdown(2.4)[30, 140]
    assert not ground.topdown(2.4)[60, 20]


def test_walking_up_the_stairs():
    ground = build_ground(two_floors(), BODY)
    position = np.array([[0.7, 0, 0.6]])
    heights = []
    for _ in range(22):
        position, collided = step([ground], position, np.array([-np.pi / 2]), 0.25, sliding=True)
        heights.append(position[0, 1])
        assert not collided.any()
    assert heights[-1] == pytest.approx(2.4, abs=1e-3)
    assert (np.diff(heights) >= 0).all()


def test_samples_are_on_the_main_floor():
    table = ((1, 0, 1), (3.5, 0.7, 3))
    ground = build_ground(room(5, 4, table), BODY)
    assert (ground.arrays.island != ground.main_island).any(), "tables and roofs are walkable too"
    points = ground.sample(np.random.default_rng(0), 500)
    assert ground.contains(points).all()
    assert np.abs(points[:, 1]).max() < 1e-3
    assert (ground.island(points) == ground.main_island).all()
    again = ground.sample(np.random.default_rng(0), 500)
    assert (points == again).all()


def test_snapping_moves_to_the_nearest_place():
    ground = build_ground(room(4, 3), BODY)
    snapped, moved = ground.snap([[2, 0.3, 1], [-0.5, 0, 1.5], [2, 0, 9]])
    assert np.allclose(snapped, [[2, 0, 1], [0.1, 0, 1.5], [2, 0, 2.9]], atol=0.06)
    assert np.allclose(moved, [0.3, 0.6, 6.1], atol=0.06)
    assert ground.contains(snapped).all()


def test_a_start_outside_is_told_with_the_nearest_place():
    ground = build_ground(room(4, 3), BODY)
    assert np.allclose(ground.require([2, 0.1, 1], "start"), [2, 0, 1])
    with pytest.raises(
        InputError, match=r"room: the start \(7.00, 0.00, 1.00\) is outside .* place is \(3.[89]\d, 0.00"
    ):
        ground.require([7, 0, 1], "start")
    with pytest.raises(InputError, match="the goal .* three finite coordinates"):
        ground.require([np.nan, 0, 1], "goal")


def test_a_scene_without_floor():
    with pytest.raises(InputError, match="pit: it has no walkable floor .* up axis .* metres"):
        build_ground(boxes(((0, 0, 0), (0.5, 1, 0.5)), name="pit"), BODY)


def test_a_scene_in_centimetres():
    scene = room(4, 3)
    with pytest.raises(InputError, match="4200 x 3200 m, too large .* centimetres"):
        build_ground(replace(scene, vertices=scene.vertices * 1000), BODY)


@pytest.mark.parametrize("wrong", [{"height": 0}, {"cell": -1}, {"radius": -0.1}, {"climb": float("nan")}])
def test_a_body_that_cannot_be(wrong):
    with pytest.raises(InputError, match=f"body: its {next(iter(wrong))} is"):
        Body(**wrong)


def test_fields_are_kept_for_a_while():
    ground = build_ground(room(4, 3), BODY)
    field = ground.field([1, 0, 1])
    assert ground.field([1, 0, 1]) is field
    for x in np.linspace(1.1, 3, 80):
        ground.field([x, 0, 1])
    assert ground.field([1, 0, 1]) is not field


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda ground: pickle.loads(pickle.dumps(ground))])
def test_copies_stand_on_their_own(copied):
    ground = build_ground(two_rooms(), BODY)
    expected = ground.field([7, 0, 3]).distance([1, 0, 1])
    other = copied(ground)
    del ground
    assert other.field([7, 0, 3]).distance([1, 0, 1]) == expected


def test_the_same_scene_gives_the_same_ground():
    one, other = (build_ground(two_floors(), BODY) for _ in range(2))
    assert all((a == b).all() for a, b in zip(one.arrays, other.arrays, strict=True))
    assert one.nbytes < 2_000_000


def test_a_pocket_behind_the_narrowest_of_gaps_is_not_cut_off():
    """In this house a body slipped in beside a bed through a gap of millimetres, where it could see no corner."""
    ground = build_ground(make_house(5), Body(radius=0.15))
    field = ground.field(np.array([4.58, 0.0, 8.106]))
    pocket, outside = np.array([1.8301, 0.014, 7.7632]), np.array([1.918, 0.014, 6.93])
    assert ground.contains(pocket[None]).all()
    assert field.distance(outside) < field.distance(pocket) < field.distance(outside) + 1
    assert len(field.path(pocket)) >= 3
