"""The facts that a route passes are true, and the verifier proves that an instruction has one goal."""

import numpy as np
import pytest
from plan_house import BATHROOM, EAST_BEDROOM, HALLWAY, KITCHEN, LIVING_ROOM, WEST_BEDROOM, path, small_house, thing

from envs.houses.layout import Layout, left
from envs.houses.route import describe_path
from envs.houses.verify import possible_goals
from vln.instructions.clauses import Along, Cross, Enter, Face, Leave, Pass, Stop, Thing, Turn

NORTH, WEST, SOUTH, EAST = 0.0, np.pi / 2, np.pi, -np.pi / 2
STOP = Stop("middle", room="bedroom")


def told(corners, heading, objects=(), stop=STOP, target=-1):
    layout = Layout(small_house(objects))
    named = [Thing(each.category, each.colour) for each in objects]
    return describe_path(layout, path(*corners), heading, stop, named.__getitem__, target)


def test_left_is_left():
    assert left(np.array([0.0, -1.0])).tolist() == [-1.0, 0.0]


@pytest.mark.parametrize(
    ("x", "z", "room"), [(1, -1, BATHROOM), (9, -1, EAST_BEDROOM), (9, 1, HALLWAY), (7, 5, KITCHEN), (13, 1, -1)]
)
def test_points_are_in_rooms(x, z, room):
    assert Layout(small_house()).rooms_at(np.array([[x, 0.0, z]])).tolist() == [room]


def test_other_storeys_are_elsewhere():
    assert Layout(small_house()).rooms_at(np.array([[1.0, 2.8, -1.0]])).tolist() == [-1]


def test_doors_lead_outward():
    exits = {way.room: way.outward.round(6).tolist() for way in Layout(small_house()).exits[HALLWAY]}
    assert exits[WEST_BEDROOM] == [0, -1]
    assert exits[KITCHEN] == [0, 1]


def test_a_way_down_the_hallway():
    route = told([(3, 4), (3, 1.2), (6, 0.8), (6, -1)], heading=NORTH)
    assert route == (
        Leave("living room", "hallway"),
        Turn("right"),
        Along("hallway"),
        Enter("bedroom", "left", 1),
        STOP,
    )


def test_the_second_door():
    route = told([(3, 4), (3, 1.2), (10, 0.8), (10, -1)], heading=NORTH)
    assert Enter("bedroom", "left", 2) in route


def test_the_other_way_down_the_hallway():
    route = told([(9, 4), (9, 1.2), (2, 0.8), (2, -1)], heading=NORTH)
    assert Turn("left") in route
    assert Enter("bathroom", "right", 2) in route


@pytest.mark.parametrize(
    ("heading", "face"), [(NORTH, ()), (WEST, (Face("right"),)), (EAST, (Face("left"),)), (SOUTH, (Face("around"),))]
)
def test_the_first_turn(heading, face):
    route = told([(3, 5), (3, 3)], heading, stop=Stop("middle", room="living room"))
    assert route[:-1] == face


def test_rooms_are_crossed():
    route = told([(3, 1), (3, 4), (9, 4), (9, 1)], heading=SOUTH, stop=Stop("middle", room="hallway"))
    assert Leave("hallway", "living room") in route
    assert Cross("kitchen") in route
    assert route[-3:-1] == (Cross("kitchen"), Enter("hallway", "ahead"))


def test_a_way_on_the_slant_has_no_sides():
    route = told([(3, 1), (3, 2.2), (6, 4), (7, 4.5)], heading=SOUTH, stop=Stop("middle", room="kitchen"))
    assert route[-2] == Enter("kitchen")


def test_a_door_that_may_be_counted_or_not_is_not_counted(monkeypatch):
    corners, stop = [(2, -2), (2, 0.8), (9, 1.2), (9, 3)], Stop("middle", room="kitchen")
    assert Enter("kitchen", "right", 2) in told(corners, SOUTH, stop=stop)
    monkeypatch.setattr("envs.houses.route.AMBIGUOUS", 1.5)  # the first door is a metre from where one comes in
    assert Enter("kitchen", "right", 0) in told(corners, SOUTH, stop=stop)


def test_just_inside_is_behind_the_door_of_the_way():
    stop = Stop("inside", room="living room")
    assert told([(3, 1), (3, 2.9)], SOUTH, stop=stop) == (Leave("hallway", "living room"), stop)
    assert told([(3, 1), (3, 2.9), (5, 5)], SOUTH, stop=stop) is None
    assert told([(3, 5), (3, 2.9)], NORTH, stop=stop) is None


def test_landmarks_are_on_their_side():
    objects = [thing("green plant", HALLWAY, 4.5, 0.3), thing("red bench", HALLWAY, 7.5, 1.7)]
    route = told([(3, 4), (3, 1.1), (10, 0.9), (10, -1)], NORTH, objects)
    passed = [clause for clause in route if isinstance(clause, Pass)]
    assert passed == [Pass(Thing("plant", "green"), "left"), Pass(Thing("bench", "red"), "right")]


def test_landmarks_are_told_in_their_room():
    objects = [thing("green plant", HALLWAY, 7, 0.3), thing("white desk", EAST_BEDROOM, 9, -1.5)]
    route = told([(3, 4), (3, 1.1), (10, 0.9), (10, -3)], NORTH, objects)
    plant, door, desk = (
        Pass(Thing("plant", "green"), "left"),
        Enter("bedroom", "left", 2),
        Pass(Thing("desk", "white"), "left"),
    )
    assert route[-4:] == (plant, door, desk, STOP)


def test_landmarks_come_before_the_far_side_of_the_room():
    objects = [thing("white desk", KITCHEN, 8, 3)]
    route = told([(3, 5), (3, 4), (9, 4), (9, 1)], EAST, objects, stop=Stop("middle", room="hallway"))
    assert route.index(Pass(Thing("desk", "white"), "left")) < route.index(Cross("kitchen"))


def test_zigzags_around_furniture_are_not_told():
    route = told([(3, 1), (3, 3.5), (5, 3.5), (5, 5.5)], SOUTH, stop=Stop("middle", room="living room"))
    assert not any(isinstance(clause, Turn) for clause in route)


def test_landmarks_alike_are_counted():
    objects = [thing("blue chair", HALLWAY, x, 0.3) for x in (4.5, 5.5)]
    route = told([(3, 4), (3, 1.1), (10, 0.9), (10, -1)], NORTH, objects)
    assert Pass(Thing("chair", "blue", 2), "left") in route


def test_the_goal_is_not_passed():
    objects = [thing("green plant", HALLWAY, 4.5, 0.3)]
    route = told([(3, 4), (3, 1.1), (10, 0.9), (10, -1)], NORTH, objects, target=0)
    assert not any(isinstance(clause, Pass) for clause in route)


def test_paths_through_walls_have_no_route():
    assert told([(1, -1), (5, -1)], NORTH) is None


# The verifier on planted ambiguities.

BEDS = [thing("red bed", WEST_BEDROOM, 6, -3), thing("blue bed", EAST_BEDROOM, 10, -3)]


def found(objects, *clauses, start=LIVING_ROOM):
    return possible_goals(clauses, Layout(small_house(objects)), start)


def bed(colour="", room="", near=None):
    return Stop("by", Thing("bed", colour), room, near)


def test_a_colour_singles_out():
    assert found(BEDS, bed("red")) == {0}
    assert found(BEDS, bed()) == {0, 1}


def test_the_same_twice_is_ambiguous():
    twins = [*BEDS, thing("red bed", EAST_BEDROOM, 9, -1)]
    assert found(twins, bed("red")) == {0, 2}
    assert found(twins, bed("red", "bedroom")) == {0, 2}


def test_a_room_singles_out():
    sofas = [thing("red sofa", KITCHEN, 8, 5), thing("red sofa", LIVING_ROOM, 2, 5)]
    sofa = Thing("sofa", "red")
    assert found(sofas, Stop("by", sofa)) == {0, 1}
    assert found(sofas, Stop("by", sofa, "kitchen")) == {0}


def test_a_neighbour_singles_out():
    chairs = [
        thing("red chair", KITCHEN, 8, 5),
        thing("red chair", KITCHEN, 11, 3),
        thing("black stove", KITCHEN, 8.8, 5),
    ]
    chair = Thing("chair", "red")
    assert found(chairs, Stop("by", chair)) == {0, 1}
    assert found(chairs, Stop("by", chair, near=Thing("stove", "black"))) == {0}
    assert found(chairs, Stop("by", chair, near=Thing("stove", "white"))) == set()


def test_a_door_singles_out():
    twins = [thing("red bed", WEST_BEDROOM, 6, -3), thing("red bed", EAST_BEDROOM, 10, -3)]
    start = (Leave("living room", "hallway"), Turn("right"))
    assert found(twins, *start, Enter("bedroom"), bed("red")) == {0, 1}
    assert found(twins, *start, Enter("bedroom", "left"), bed("red")) == {0, 1}
    assert found(twins, *start, Enter("bedroom", "left", 1), bed("red")) == {0}
    assert found(twins, *start, Enter("bedroom", "left", 2), bed("red")) == {1}
    assert found(twins, *start, Enter("", "left", 2), bed("red")) == {1}
    assert found(twins, *start, Enter("bedroom", "right"), bed("red")) == set()


def test_a_turn_left_out_changes_what_left_is():
    twins = [thing("red bed", WEST_BEDROOM, 6, -3), thing("red bed", EAST_BEDROOM, 10, -3)]
    leave = Leave("living room", "hallway")
    assert found(twins, leave, Enter("bedroom", "left", 1), bed()) == set()  # one faces the bedrooms' wall
    assert found(twins, leave, Enter("bedroom", "ahead"), bed()) == {0, 1}


def test_an_unnamed_door_is_any_door():
    # The living room has two: to the hallway, and to the kitchen.
    assert found([], Leave("living room"), Stop("inside", room="kitchen")) == {KITCHEN}
    assert found([], Leave("living room"), Stop("inside", room="hallway")) == {HALLWAY}
    stoves = [thing("black stove", KITCHEN, 8, 5), thing("black stove", HALLWAY, 8, 1)]
    assert found(stoves, Leave("living room"), Stop("by", Thing("stove"))) == {0, 1}
    assert found(stoves, Leave("living room", "kitchen"), Stop("by", Thing("stove"))) == {0}


def test_nobody_goes_back_by_the_door_they_came():
    back = (Leave("bathroom", "hallway"), Enter("bathroom"), Stop("inside", room="bathroom"))
    assert found([], *back, start=BATHROOM) == set()


def test_rooms_along_the_way_must_be_there():
    wrong = (Leave("living room"), Cross("kitchen"), Enter("bedroom"), STOP)
    assert found([], *wrong) == set()
    assert found([], Leave("living room"), Along("hallway"), Enter("bathroom"), Stop("inside", room="bathroom")) == {0}


def test_a_route_ends_with_its_goal():
    with pytest.raises(TypeError, match="goal"):
        found([], Leave("living room"))
