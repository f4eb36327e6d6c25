"""Continuous worlds beyond the promises of all simulators: motion, images, loaded scenes."""

import gc
import math
import re
import weakref
from dataclasses import replace

import numba
import numpy as np
import pytest
import torch
from small_house import DEPTH, WIDTH, small_episodes, small_house

from envs.continuous import ACTIONS, HousesSimulator, SceneCache, Sensors
from envs.environment import NavigationVectorEnv
from envs.houses.categories import CATEGORIES
from vln.errors import InputError
from vln.language import Vocabulary
from vln.observation import PRIVILEGED
from vln.tasks import Motion

STOP, FORWARD, LEFT, RIGHT = range(4)
EPISODES = small_episodes("one", 8) + small_episodes("two", 8)
SENSORS = Sensors(width=24, height=16, semantic=True, category=True)


@pytest.fixture(scope="module")
def scenes() -> SceneCache:
    return SceneCache(small_house)


def flat(observation):
    """An observation with its privileged part among the others."""
    return {
        **observation.get(PRIVILEGED, {}),
        **{name: observation[name] for name in observation if name != PRIVILEGED},
    }


def placed(scenes: SceneCache, count: int = len(EPISODES), **options) -> HousesSimulator:
    """Bodies at the starts of the first episodes."""
    simulator = HousesSimulator(**{"sensors": SENSORS, **options}, scenes=scenes)
    simulator.load(EPISODES)
    simulator.resize(count)
    simulator.place(torch.arange(count), torch.arange(count))
    return simulator


def everyone(simulator: HousesSimulator, action: int) -> torch.Tensor:
    """All take an action; returns who collided."""
    count = len(simulator.poses())
    return simulator.act(torch.full((count,), action), torch.ones(count, dtype=torch.bool))


# --- moving ---


def test_turns_are_of_fifteen_degrees_and_a_circle_ends_where_it_began(scenes):
    simulator = placed(scenes)
    before = simulator.poses()
    for action, sign in ((LEFT, 1), (RIGHT, -1)):
        everyone(simulator, action)
        for one, other in zip(before, simulator.poses(), strict=True):
            assert math.remainder(other.heading - one.heading - sign * math.radians(15), math.tau) == pytest.approx(0)
            assert other.position == one.position
        for _ in range(23):
            everyone(simulator, action)
        assert [pose.heading for pose in simulator.poses()] == pytest.approx([pose.heading for pose in before])


def test_forward_goes_where_one_looks(scenes):
    simulator = placed(scenes)
    free = 0
    for _ in range(30):
        before = simulator.poses()
        collided = everyone(simulator, FORWARD)
        for one, other, blocked in zip(before, simulator.poses(), collided.tolist(), strict=True):
            moved = np.subtract(other.position, one.position)
            ahead = np.array([-math.sin(one.heading), 0, -math.cos(one.heading)])
            assert other.heading == one.heading
            assert np.linalg.norm(moved) <= 0.25 + 1e-6
            if not blocked:
                np.testing.assert_allclose(moved, 0.25 * ahead, atol=1e-6)
                free += 1
    assert free > len(EPISODES)
    assert collided.any()


def test_only_sliding_bodies_move_sideways(scenes):
    for sliding in (True, False):
        simulator = placed(scenes, motion=Motion(sliding=sliding))
        sideways = 0
        for _ in range(40):
            before = simulator.poses()
            collided = everyone(simulator, FORWARD).numpy()
            for one, other in zip(before, simulator.poses(), strict=True):
                x, _, z = np.subtract(other.position, one.position)
                sideways += abs(x * math.cos(one.heading) - z * math.sin(one.heading)) > 1e-3
        assert collided.all()
        assert bool(sideways) == sliding
        if not sliding:
            assert simulator.poses() == before


def test_settings_of_moves(scenes):
    simulator = placed(scenes, motion=Motion(forward=0.1, turn=30))
    before = simulator.poses()
    everyone(simulator, LEFT)
    collided = everyone(simulator, FORWARD)
    for one, other, blocked in zip(before, simulator.poses(), collided.tolist(), strict=True):
        assert math.remainder(other.heading - one.heading, math.tau) == pytest.approx(math.pi / 6)
        assert blocked or math.dist(one.position, other.position) == pytest.approx(0.1)


def test_nobody_leaves_the_house(scenes):
    simulator, random = placed(scenes), np.random.default_rng(0)
    for _ in range(200):
        actions = torch.from_numpy(random.choice([FORWARD, FORWARD, FORWARD, LEFT, RIGHT], len(EPISODES)))
        simulator.act(actions, torch.ones(len(EPISODES), dtype=torch.bool))
        x, y, z = np.array([pose.position for pose in simulator.poses()]).T
        assert (x > 0).all() and (x < WIDTH).all()  # noqa: PT018 - both ends of one range
        assert (z > 0).all() and (z < DEPTH).all()  # noqa: PT018
        np.testing.assert_allclose(y, 0, atol=0.06)
        for values in (*flat(simulator.observe()).values(), simulator.distance()):
            assert not values.isnan().any()


# --- seeing ---


def test_what_a_camera_sees(scenes):
    simulator = placed(scenes)
    seen = simulator.observe()
    assert seen["rgb"].shape == (len(EPISODES), 16, 24, 3)
    assert seen["depth"].shape == (len(EPISODES), 16, 24, 1)
    assert (seen["depth"] > 0).all()  # a closed house
    assert seen["depth"].max() < math.hypot(WIDTH, DEPTH)
    sofa = seen["semantic"] == 1
    assert sofa.any()
    assert ((seen["privileged"]["category"] == CATEGORIES.index("sofa")) == sofa).all()
    red = seen["rgb"][sofa].float().mean(0)
    assert red[0] > 2 * red[1]


def test_images_are_of_where_one_is_now(scenes):
    simulator, fresh = placed(scenes), placed(scenes)
    simulator.observe()
    random = np.random.default_rng(1)
    for _ in range(12):
        actions = torch.from_numpy(random.integers(0, 4, len(EPISODES)))
        moving = torch.from_numpy(random.random(len(EPISODES)) < 0.7)
        for each in (simulator, fresh):
            each.act(actions, moving)
        seen = flat(simulator.observe())
    for name, image in flat(fresh.observe()).items():
        assert torch.equal(image, seen[name]), name


def test_the_previous_action_is_that_of_the_living(scenes):
    simulator = placed(scenes, 3)
    assert simulator.observe()["previous_action"].tolist() == [4, 4, 4]
    simulator.act(torch.tensor([1, 2, 3]), torch.tensor([True, True, False]))
    assert simulator.observe()["previous_action"].tolist() == [1, 2, 4]
    simulator.place(torch.tensor([0]), torch.tensor([5]))
    assert simulator.observe()["previous_action"].tolist() == [4, 2, 4]


def test_a_blind_body_goes_the_same_way_without_anything_drawn(scenes):
    blind, seeing = (
        placed(SceneCache(small_house, drawn=False), sensors=Sensors(rgb=False, depth=False)),
        placed(scenes),
    )
    assert set(blind.observe()) == set(blind.observation_space) == {"previous_action"}
    for action in (FORWARD, LEFT, FORWARD, FORWARD):
        assert torch.equal(everyone(blind, action), everyone(seeing, action))
    assert blind.poses() == seeing.poses()
    assert torch.equal(blind.expert(), seeing.expert())


def test_threads_do_not_matter(scenes):
    several = numba.get_num_threads()
    seen = []
    for threads in (1, several):
        numba.set_num_threads(threads)
        simulator = placed(scenes)
        for action in (FORWARD, LEFT, FORWARD):
            everyone(simulator, action)
        seen.append({**flat(simulator.observe()), "expert": simulator.expert(), "distance": simulator.distance()})
    numba.set_num_threads(several)
    assert all(torch.equal(seen[0][name], seen[1][name]) for name in seen[0])


def test_only_what_is_asked_for_is_observed(scenes):
    simulator = placed(scenes, sensors=Sensors(8, 8, rgb=False))
    assert set(simulator.observe()) == set(simulator.observation_space) == {"depth", "previous_action"}


# --- scenes ---


def test_scenes_used_longest_ago_are_forgotten():
    loads = []

    def load(name):
        loads.append(name)
        return small_house(name)

    one = SceneCache(small_house)
    one.get("one")
    cache = SceneCache(load, memory=int(2.5 * one.bytes))
    forgotten = weakref.ref(cache.get("one"))
    cache.get("two")
    cache.get("three")
    gc.collect()
    assert forgotten() is None
    assert len(cache) == 2
    assert cache.bytes <= cache.memory
    cache.get("two")
    assert loads == ["one", "two", "three"]
    assert cache.content_hash("one") == small_house("one").content_hash
    assert loads == ["one", "two", "three"]
    cache.get("four")
    cache.get("three")
    assert loads == ["one", "two", "three", "four", "three"]


def test_a_scene_too_large_to_keep_is_used_all_the_same():
    scenes = SceneCache(small_house, memory=1)
    simulator = placed(scenes)
    assert len(scenes) == 1
    assert torch.equal(simulator.observe()["rgb"], placed(SceneCache(small_house)).observe()["rgb"])


# --- bad input ---


@pytest.mark.parametrize("end", ["start", "goal"])
def test_a_place_outside_is_named(scenes, end):
    outside = (-3.0, 0.0, 1.0)
    inside = EPISODES[0].positions[0]
    positions = (outside, inside) if end == "start" else (inside, outside)
    problem = f"episode 'one-0_0': its {end} (-3.00, 0.00, 1.00) is outside the walkable area of scene 'one'"
    with pytest.raises(InputError, match=re.escape(problem)):
        start(scenes, replace(EPISODES[0], positions=positions))


def test_a_goal_without_a_way_is_named():
    def walled(name):
        scene = small_house(name)
        apart = replace(scene, vertices=scene.vertices + np.array([50, 0, 0], np.float32))
        joined = {
            field: np.concatenate([getattr(scene, field), getattr(apart, field)])
            for field in ("vertices", "colours", "uv", "texture", "object_ids")
        }
        triangles = np.concatenate([scene.triangles, apart.triangles + len(scene.vertices)])
        return replace(scene, triangles=triangles, **joined)

    here = EPISODES[0].positions[0]
    episode = replace(EPISODES[0], positions=(here, (here[0] + 50, *here[1:])))
    with pytest.raises(InputError, match="episode 'one-0_0': no way leads from its start to its goal in scene 'one'"):
        start(SceneCache(walled), episode)


def test_an_episode_of_a_graph_is_named(scenes):
    with pytest.raises(InputError, match="episode 'one-0_0': field 'positions' is empty"):
        start(scenes, replace(EPISODES[0], path=("a", "b"), positions=()))


def start(scenes: SceneCache, episode) -> None:
    vocabulary = Vocabulary.build([episode.instruction], min_count=1)
    NavigationVectorEnv(HousesSimulator(SENSORS, scenes=scenes), [episode], vocabulary, 2).reset(seed=0)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Sensors(width=0), "width of 0 pixels"),
        (lambda: Sensors(height=-5), "height of -5 pixels"),
        (lambda: Sensors(width=10**6), "width of 1000000 pixels"),
        (lambda: Sensors(hfov=180), "field of view of 180 degrees"),
        (lambda: Sensors(hfov=math.nan), "field of view of nan degrees"),
        (lambda: Sensors(eye=0), "a height of 0 m"),
        (lambda: Motion(forward=0).check(), "a move of 0 m"),
        (lambda: Motion(forward=math.inf).check(), "a move of inf m"),
        (lambda: Motion(turn=-15).check(), "a turn of -15 degrees"),
    ],
)
def test_settings_out_of_range_are_named(make, problem):
    with pytest.raises(InputError, match=problem):
        make()


def test_the_names_of_the_actions(scenes):
    assert placed(scenes, 2).choices() == [ACTIONS] * 2
