"""The next room on the path to the goal, and its pixels in the image."""

from functools import cache

import numpy as np
import torch

from envs.continuous import HousesSimulator, SceneCache, Sensors
from envs.continuous.guide import GOAL_ROOM, NO_ROOM, Guide
from envs.houses.route import resample
from envs.scene import MESH
from envs.scenes import load_scene
from vln.episodes import Episode
from vln.observation import PRIVILEGED

HOUSE = "house-000003"


@cache
def loaded():
    return SceneCache(load_scene).get(HOUSE)


def ways(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Points of shortest ways (k, 3), and the goals that they lead to."""
    ground = loaded().ground
    points = ground.sample(np.random.default_rng(0), 2 * count)
    return [(resample(ground.shortest_path(a, b)), b) for a, b in zip(points[::2], points[1::2], strict=True)]


def test_the_next_room_is_the_one_that_the_shortest_way_enters_next():
    layout, right, asked = loaded().layout, 0, 0
    for points, goal in ways(40):
        guide = Guide(layout, loaded().ground.field(goal))
        rooms = layout.rooms_at(points)
        if rooms[-1] == NO_ROOM:
            continue
        for place, here in enumerate(rooms):
            if here != NO_ROOM:
                later = [room for room in rooms[place:] if room not in (here, NO_ROOM)]
                asked += 1
                right += guide.next_room(points[place], NO_ROOM) == (later[0] if later else GOAL_ROOM)
    assert asked > 500
    assert right > 0.99 * asked


def test_in_a_doorway_it_is_still_the_room_behind_the_door():
    layout = loaded().layout
    door = layout.scene.doors[0]
    guide = Guide(layout, loaded().ground.field(loaded().ground.sample(np.random.default_rng(1), 1)[0]))
    centre = np.array(door.centre)
    assert layout.rooms_at(centre[None])[0] == NO_ROOM
    assert guide.next_room(centre, door.rooms[1]) == door.rooms[1]


def test_the_way_is_where_the_next_room_is_seen_and_at_last_the_target():
    layout, room_indices = loaded().layout, loaded().room_indices
    points, goal = max(ways(10), key=lambda way: len(way[0]))
    names = sorted({f"{thing.colour} {thing.category}".strip() for thing in layout.scene.objects if thing.colour})
    ends = tuple(points[0]), tuple(goal)
    episode = Episode("0_0", HOUSE, "train", "go", (), 0.0, positions=ends, target=names[0])
    simulator = HousesSimulator(Sensors(semantic=True, target=True, way=True), scenes=SceneCache(load_scene))
    simulator.load([episode])
    simulator.resize(1)
    simulator.place(torch.tensor([0]), torch.tensor([0]))
    guide, next_room = Guide(layout, loaded().ground.field(goal)), NO_ROOM
    arrived = shown = 0
    for _ in range(300):
        observed = simulator.observe()
        seen = {name: image[0].numpy() for name, image in {**observed.pop(PRIVILEGED), **observed}.items()}
        next_room = guide.next_room(np.array(simulator.poses()[0].position), next_room)
        expected = seen["target"] if next_room == GOAL_ROOM else room_indices[seen["semantic"]] == next_room
        assert np.array_equal(seen["way"], expected)
        arrived += next_room == GOAL_ROOM
        shown += bool(expected.any())
        action = simulator.expert()
        if int(action[0]) == simulator.stop:
            break
        simulator.act(action, torch.tensor([True]))
    assert arrived
    assert shown > arrived


def test_what_is_kept_of_a_house_to_find_ways_has_no_mesh():
    scene, kept = load_scene(HOUSE), loaded().layout.scene
    assert (kept.rooms, kept.doors, kept.objects) == (scene.rooms, scene.doors, scene.objects)
    assert not kept.textures
    for name in MESH:
        array = getattr(kept, name)
        assert len(array) == 0
        assert array.base is None  # a view of an array keeps all of it
        assert array.dtype == getattr(scene, name).dtype
