"""What every simulator and every registered environment promises. New worlds join `WORLDS`, new ids `envs.IDS`."""

import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import envs
from envs.environment import NavigationEnv, NavigationVectorEnv
from envs.graph import LowLevelGraph, PanoramicGraph
from envs.simulator import Simulator
from vln.episodes import Episode, load_split
from vln.errors import InputError
from vln.features import ViewTable
from vln.graph import VIEWS, load_graphs
from vln.language import EOS, PAD, Vocabulary
from vln.rewards import RewardConfig

DISABLED = {"autoreset_mode": AutoresetMode.DISABLED}
LONG = 60  # actions, more than an expert needs anywhere here


@dataclass(frozen=True)
class World:
    """A simulator to be held to its promises.

    Attributes:
        simulator: Makes it, by keyword `device`.
        episodes: With goals.
        withheld: Without.
        vocabulary: Of the instructions.
        journeys: Episodes between every ordered pair of some places, by the pair.
    """

    simulator: Callable[..., Simulator]
    episodes: Sequence[Episode]
    withheld: Sequence[Episode]
    vocabulary: Vocabulary
    journeys: dict[tuple[str, str], Episode]

    def vector(self, num_envs: int, episodes: Sequence[Episode] = (), device: str = "cpu", **options: Any):
        simulator = self.simulator(device=device)
        return NavigationVectorEnv(simulator, episodes or self.episodes, self.vocabulary, num_envs, **options)

    def single(self, **options: Any) -> NavigationEnv:
        return NavigationEnv(self.simulator(), self.episodes, self.vocabulary, **options)


def graph_world(kind: type[PanoramicGraph | LowLevelGraph], features: bool, data: Path) -> World:
    graphs = load_graphs(data / "connectivity")
    episodes = [episode for split in ("val_seen", "val_unseen") for episode in load_split(data, split)]
    vocabulary = Vocabulary.build((episode.instruction for episode in episodes), min_count=1)
    graph = next(iter(graphs.values()))
    journeys = {
        pair: Episode("0_0", graph.scan, "made", "Go.", pair, 0.0)
        for pair in [*permutations(graph.viewpoints, 2), *((place, place) for place in graph.viewpoints)]
    }
    simulator = partial(kind, list(graphs.values()), random_features(graphs.values()) if features else None)
    return World(simulator, episodes, load_split(data, "test"), vocabulary, journeys)


def random_features(graphs) -> ViewTable:
    keys = [(graph.scan, viewpoint) for graph in graphs for viewpoint in graph.viewpoints]
    dense = np.random.default_rng(0).normal(size=(len(keys), VIEWS, 4)).astype(np.float16)
    return ViewTable("random", "random", "", {key: row for row, key in enumerate(keys)}, dense)


WORLDS = {
    "graph": partial(graph_world, PanoramicGraph, False),
    "graph-low-level": partial(graph_world, LowLevelGraph, False),
    "graph-features": partial(graph_world, PanoramicGraph, True),
}


@pytest.fixture(params=WORLDS, scope="module")
def world(request, small_data) -> World:
    return WORLDS[request.param](small_data)


def assert_same(here: Any, there: Any) -> None:
    """The same names, types and numbers in nested results; NaN equals NaN, a tensor its array."""
    if isinstance(here, dict):
        assert here.keys() == there.keys()
        for name in here:
            assert_same(here[name], there[name])
    elif isinstance(here, (tuple, list)):
        assert len(here) == len(there)
        for one, other in zip(here, there, strict=True):
            assert_same(one, other)
    elif isinstance(here, (np.ndarray, np.generic, torch.Tensor)):
        one, other = (value.numpy(force=True) if isinstance(value, torch.Tensor) else value for value in (here, there))
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    else:
        assert here == there


def random_actions(env, steps: int, seed: int = 0) -> np.ndarray:
    """(steps, B) actions of all kinds, few of them stops."""
    random = np.random.default_rng(seed)
    actions = random.integers(0, env.single_action_space.n, (steps, env.num_envs))
    moves = [action for action in range(env.single_action_space.n) if action != env.simulator.stop]
    again = (actions == env.simulator.stop) & (random.random(actions.shape) < 0.7)
    return np.where(again, random.choice(moves, actions.shape), actions)


def walk(env, steps: int = 40, seed: int = 3) -> list[Any]:
    """Everything an environment hands out on a random walk: the reset, then the steps."""
    return [env.reset(seed=seed), *(env.step(actions) for actions in random_actions(env, steps))]


def row(results: dict[str, Any], index: int) -> dict[str, Any]:
    return {name: value[index] for name, value in results.items()}


# --- determinism, and rows that do not depend on one another ---


def test_the_seed_decides_everything(world):
    first, second, other = (walk(world.vector(8, record=True), seed=seed) for seed in (3, 3, 4))
    assert_same(first, second)
    assert first[0][1]["episode"].tolist() != other[0][1]["episode"].tolist()


def test_a_reset_without_a_seed_goes_on_where_the_seed_led(world):
    env = world.vector(2, **DISABLED)
    drawn = [env.reset(seed=5 if number == 0 else None)[1]["episode"].tolist() for number in range(6)]
    again = [env.reset(seed=5 if number == 0 else None)[1]["episode"].tolist() for number in range(6)]
    assert drawn == again
    assert len({tuple(episodes) for episodes in drawn}) > 3


def test_without_any_seed_runs_differ(world):
    drawn = [tuple(world.vector(8).reset()[1]["episode"].tolist()) for _ in range(2)]
    assert drawn[0] != drawn[1]


def test_episodes_are_drawn_evenly(world):
    env = world.vector(3000)
    drawn = np.concatenate([env.reset(seed=0)[1]["episode"], env.reset()[1]["episode"]])
    counts = np.bincount(drawn, minlength=len(world.episodes))
    expected = len(drawn) / len(world.episodes)
    # Chi-square with 59 degrees of freedom: mean 59, standard deviation 10.9.
    assert ((counts - expected) ** 2 / expected).sum() < 59 + 4 * 10.9


def test_seeds_one_by_one(world):
    env = world.vector(3)
    together, _ = env.reset(seed=[9, 7, 9])
    assert_same(row(together, 0), row(together, 2))
    for index, seed in enumerate((9, 7)):
        assert_same(row(together, index), row(world.vector(1).reset(seed=seed)[0], 0))
    env.reset(seed=[None, 7, None])
    with pytest.raises(ValueError, match="2 seeds are given for 3 environments"):
        env.reset(seed=[1, 2])


def test_a_body_goes_its_way_whatever_the_others_do(world):
    several, alone = world.vector(4, record=True, **DISABLED), world.vector(1, record=True, **DISABLED)
    actions = random_actions(several, 30)
    seen = [several.reset(options={"episodes": [1, 2, 3, 4]})[1], *(several.step(each)[4] for each in actions)]
    alone_seen = [alone.reset(options={"episodes": [3]})[1], *(alone.step(each[2:3])[4] for each in actions)]
    for infos, alone_infos in zip(seen, alone_seen, strict=True):
        assert_same({**row(infos, 2), "episode": 3}, {**row(alone_infos, 0), "episode": 3})


def test_chosen_episodes_start_where_they_say(world):
    env = world.vector(len(world.episodes), record=True)
    _, infos = env.reset(options={"episodes": np.arange(len(world.episodes))})
    assert infos["episode"].tolist() == list(range(len(world.episodes)))
    assert [pose.viewpoint for pose in infos["poses"]] == [episode.start for episode in world.episodes]
    assert not infos["steps"].any()
    assert not infos["success"].any()
    assert not infos["collided"].any()


# --- moving ---


def test_collisions_and_stops_move_nothing(world):
    env = world.vector(32, record=True, max_steps=LONG, **DISABLED)
    _, infos = env.reset(seed=0)
    ended, collisions = np.zeros(32, dtype=bool), 0
    for actions in random_actions(env, 30):
        before = infos["poses"]
        _, reward, terminated, truncated, infos = env.step(actions)
        stops = ended | (actions == env.simulator.stop)
        assert not (infos["collided"] & stops).any()
        assert not reward[infos["collided"] & ~truncated].any()
        still = infos["collided"] | stops
        assert all(one == other for one, other, held in zip(before, infos["poses"], still, strict=True) if held)
        ended, collisions = terminated | truncated, collisions + infos["collided"].sum()
    assert collisions


def test_what_actions_mean(world):
    env = world.vector(16, record=True, **DISABLED)
    _, infos = env.reset(seed=1)
    alive = np.ones(16, dtype=bool)
    for actions in random_actions(env, 20):
        choices = infos["choices"]
        assert {len(names) for names in choices} == {env.single_action_space.n}
        assert all(names[env.simulator.stop] == "stop" for names in choices)
        before = infos["poses"]
        _, _, terminated, truncated, infos = env.step(actions)
        for number in np.flatnonzero(alive):
            meant, pose = choices[number][actions[number]], infos["poses"][number]
            # An action that is not offered is without a name and collides; a place's name is where one arrives.
            assert meant or infos["collided"][number]
            if pose.viewpoint != before[number].viewpoint:
                assert meant in (pose.viewpoint, "forward")
        alive = ~(terminated | truncated)


def test_geodesic_distances_are_a_metric(world):
    simulator = world.simulator()
    simulator.load(list(world.journeys.values()))
    simulator.resize(len(world.journeys))
    everyone = torch.arange(len(world.journeys))
    simulator.place(everyone, everyone)
    places = sorted({place for pair in world.journeys for place in pair})
    measured = dict(zip(world.journeys, simulator.distance().tolist(), strict=True))
    between = np.array([[measured[here, there] for there in places] for here in places])
    position = {pose.viewpoint: np.array(pose.position) for pose in simulator.poses()}
    straight = np.array([[np.linalg.norm(position[here] - position[there]) for there in places] for here in places])
    assert (between[~np.eye(len(places), dtype=bool)] > 0).all()
    assert (np.diag(between) == 0).all()
    np.testing.assert_allclose(between, between.T, rtol=1e-6)
    assert (between >= straight - 1e-4).all()
    assert (between[:, None, :] <= between[:, :, None] + between[None] + 1e-4).all()


def test_the_expert_reaches_every_goal_and_stops(world):
    env = world.vector(len(world.episodes), max_steps=LONG, **DISABLED)
    _, infos = env.reset(options={"episodes": np.arange(len(world.episodes))})
    distance = infos["distance"]
    for _ in range(LONG):
        _, _, terminated, _, infos = env.step(infos["expert"])
        assert (infos["distance"] <= distance + 1e-4).all()
        distance = infos["distance"]
    assert terminated.all()
    assert (infos["distance"] == 0).all()
    assert infos["success"].all()
    assert (infos["expert"] == env.simulator.stop).all()


# --- spaces ---


def test_observations_are_inside_the_spaces(world):
    env = world.vector(8, max_steps=12)
    for observation, *_ in walk(env, steps=50):
        assert observation in env.observation_space
        for index in range(env.num_envs):
            single = {name: np.asarray(value) for name, value in row(observation, index).items()}
            assert single in env.single_observation_space
        for name, space in env.observation_space.items():
            assert observation[name].dtype == space.dtype, name


def test_observations_of_a_single_environment_are_inside_its_space(world):
    env = world.single(max_steps=12)
    env.action_space.seed(0)
    observation, _ = env.reset(seed=0)
    for _ in range(60):
        assert observation in env.observation_space
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        assert (type(reward), type(terminated), type(truncated)) == (float, bool, bool)
        if terminated or truncated:
            observation, _ = env.reset()


def test_the_instruction_is_what_the_vocabulary_makes_of_it(world):
    env = world.vector(len(world.episodes), max_length=12)
    observation, _ = env.reset(options={"episodes": np.arange(len(world.episodes))})
    for tokens, episode in zip(observation["instruction"], world.episodes, strict=True):
        expected = world.vocabulary.encode(episode.instruction, 12)
        assert tokens.tolist() == [*expected, *[PAD] * (12 - len(expected))]


# --- Gymnasium ---


def registered(name: str, data: Path, **options: Any) -> gymnasium.Env:
    return gymnasium.make(name, data=data, split="val_seen", **options)


def test_the_simulators_environment_passes_gymnasiums_check(world):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(world.single(), skip_render_check=True)


@pytest.mark.parametrize("name", envs.IDS)
def test_every_id_passes_gymnasiums_check(name, small_data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(registered(name, small_data).unwrapped)


@pytest.mark.parametrize("name", envs.IDS)
def test_every_id_is_made_alone_and_as_a_vector(name, small_data):
    options = {"data": small_data, "split": "val_seen", "max_steps": 5}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vector = gymnasium.make_vec(name, num_envs=3, **options)
        singles = [gymnasium.make(name, **options) for _ in range(3)]
        assert isinstance(vector.unwrapped, NavigationVectorEnv)
        assert (vector.num_envs, vector.metadata["autoreset_mode"]) == (3, AutoresetMode.NEXT_STEP)
        assert_vector_is_singles(vector, singles)


def test_a_vector_is_its_singles(world):
    options = {"max_steps": 9, "record": True}
    assert_vector_is_singles(world.vector(5, **options), [world.single(**options) for _ in range(5)])


def assert_vector_is_singles(vector, singles: Sequence[gymnasium.Env]) -> None:
    """Environment i of the vector lives like a single one with seed + i, reset where the vector resets itself."""
    observations, infos = vector.reset(seed=11)
    for index, env in enumerate(singles):
        assert_rows_are(observations, infos, index, *env.reset(seed=11 + index))
    ended, ends = np.zeros(len(singles), dtype=bool), 0
    for actions in random_actions(vector.unwrapped, 40):
        observations, rewards, terminated, truncated, infos = vector.step(actions)
        for index, env in enumerate(singles):
            if ended[index]:
                assert (rewards[index], terminated[index], truncated[index]) == (0, False, False)
                assert_rows_are(observations, infos, index, *env.reset())
                continue
            observation, *result, info = env.step(actions[index])
            assert [rewards[index], terminated[index], truncated[index]] == result
            assert_rows_are(observations, infos, index, observation, info)
        ended = terminated | truncated
        ends += ended.sum()
    assert ends > len(singles)


def assert_rows_are(observations, infos, index: int, observation, info) -> None:
    assert_same(row(observations, index), observation)
    lists = {name: infos[name][index] for name in ("poses", "choices") if name in infos}
    arrays = {name: infos[name][index] for name in infos if not name.startswith("_") and name not in lists}
    assert_same({**arrays, **lists}, {name: value for name, value in info.items() if name != "instruction"})


# --- the ends of episodes ---


def test_the_time_limit_truncates_and_counts_the_stop(world):
    env = world.vector(2, max_steps=4, **DISABLED)
    env.reset(seed=0)
    idle = next(action for action in range(env.single_action_space.n) if action != env.simulator.stop)
    for number in range(4):
        last = number == 3
        _, _, terminated, truncated, infos = env.step([idle, env.simulator.stop if last else idle])
        assert terminated.tolist() == [False, last]
        assert truncated.tolist() == [last, False]
        assert infos["steps"].tolist() == [number + 1] * 2
    assert not infos["success"][0]


def test_without_autoreset_an_ended_episode_stays_until_its_reset(world):
    env = world.vector(6, max_steps=7, record=True, **DISABLED)
    before = env.reset(seed=2)
    ended = np.zeros(6, dtype=bool)
    rewards = []
    for actions in random_actions(env, 12, seed=1):
        observation, reward, terminated, truncated, infos = env.step(actions)
        for index in np.flatnonzero(ended):
            assert_same(row(observation, index), row(before[0], index))
            for name in ("episode", "steps", "distance", "poses", "success"):
                assert_same(infos[name][index], before[1][name][index])
        assert (reward[ended] == 0).all()
        assert ((terminated | truncated) >= ended).all()
        ended, before = terminated | truncated, (observation, infos)
        rewards.append(reward)
    assert ended.all()
    assert not (terminated & truncated).any()
    mask = np.array([True, False] * 3)
    observation, after = env.reset(options={"reset_mask": mask, "episodes": np.arange(6)})
    for index in np.flatnonzero(~mask):
        assert_same(row(observation, index), row(before[0], index))
    assert after["episode"][mask].tolist() == [0, 2, 4]
    assert after["steps"].tolist() == np.where(mask, 0, infos["steps"]).tolist()
    _, _, terminated, truncated, infos = env.step(np.full(6, env.simulator.stop))
    assert infos["steps"].tolist() == np.where(mask, 1, after["steps"]).tolist()
    assert (terminated | truncated).all()


def test_a_masked_reset_draws_for_the_masked_alone(world):
    env = world.vector(2, **DISABLED)
    _, first = env.reset(seed=8)
    _, second = env.reset(options={"reset_mask": np.array([False, True])})
    alone = world.vector(1, **DISABLED)
    drawn = [alone.reset(seed=9)[1]["episode"][0], alone.reset()[1]["episode"][0]]
    assert second["episode"].tolist() == [first["episode"][0], drawn[1]]


def test_a_success_is_told_once_and_not_of_the_next_episode(world):
    env = world.vector(4, max_steps=LONG)
    _, infos = env.reset(seed=0)
    ended, successes = np.zeros(4, dtype=bool), 0
    for _ in range(2 * LONG):
        _, _, terminated, _, infos = env.step(infos["expert"])
        assert (infos["success"] == (terminated & ~ended)).all()
        assert (infos["steps"][ended] == 0).all()
        ended, successes = terminated, successes + infos["success"].sum()
    assert successes > 4


# --- rewards ---


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_rewards_sum_to_the_distance_won_and_the_verdict(world, mode):
    reward = RewardConfig(success=5.0, failure=-3.0)
    env = world.vector(8, max_steps=10, reward=reward, autoreset_mode=mode)
    _, infos = env.reset(seed=0)
    start, ended, total = infos["distance"], np.zeros(8, dtype=bool), np.zeros(8)
    checked = 0
    random = np.random.default_rng(0)
    for actions in random_actions(env, 60):
        wise = random.random(8) < 0.8
        _, reward, terminated, truncated, infos = env.step(np.where(wise, infos["expert"], actions))
        total += reward
        ends = (terminated | truncated) & ~ended
        verdict = np.where(infos["success"], 5.0, -3.0)
        np.testing.assert_allclose(total[ends], (start - infos["distance"] + verdict)[ends], atol=1e-4)
        checked += ends.sum()
        if mode is AutoresetMode.NEXT_STEP:
            start, total = np.where(ended, infos["distance"], start), np.where(ended, 0, total)
        ended = terminated | truncated
    assert checked >= 8


def test_withheld_goals_give_no_distance_no_reward_and_no_hint(world):
    env = world.vector(len(world.withheld), world.withheld, max_steps=8, **DISABLED)
    results = walk(env, steps=10)
    stripped = [
        Episode(episode.episode_id, episode.scan, "made", episode.instruction, episode.path[:1], episode.heading)
        for episode in world.episodes
    ]
    results += walk(world.vector(16, stripped, max_steps=8))
    for *_, infos in results:
        assert np.isnan(infos["distance"]).all()
        assert not infos["success"].any()
    assert not any(result[1].any() for result in results if len(result) == 5)
    open_goals = walk(world.vector(16, max_steps=8))
    for hidden, shown in zip(results[11:], open_goals, strict=True):
        assert_same(hidden[0], shown[0])


def test_the_expert_stays_at_the_start_of_an_episode_whose_goal_is_withheld(world):
    env = world.vector(len(world.withheld), world.withheld)
    _, infos = env.reset(options={"episodes": np.arange(len(world.withheld))})
    assert (infos["expert"] == env.simulator.stop).all()


def test_success_is_a_stop_nearer_than_the_success_distance(world):
    env = world.vector(len(world.episodes), success_distance=1e9, **DISABLED)
    env.reset(options={"episodes": np.arange(len(world.episodes))})
    *_, infos = env.step(np.full(env.num_envs, env.simulator.stop))
    assert infos["success"].all()
    env = world.vector(len(world.episodes), success_distance=float(infos["distance"].min()), **DISABLED)
    env.reset(options={"episodes": np.arange(len(world.episodes))})
    *_, infos = env.step(np.full(env.num_envs, env.simulator.stop))
    assert not infos["success"].any()


# --- what is handed out ---


@pytest.mark.parametrize("tensors", [False, True])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_later_steps_do_not_change_what_was_handed_out(world, mode, tensors):
    env = world.vector(6, max_steps=5, autoreset_mode=mode, tensors=tensors)
    handed = [env.reset(seed=0)]
    copies = [deepcopy(handed[-1])]
    for actions in random_actions(env, 20):
        handed.append(env.step(actions))
        copies.append(deepcopy(handed[-1]))
    env.reset(options={"reset_mask": np.array([True, False] * 3)})
    assert_same(handed, copies)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_writing_into_what_was_handed_out_changes_nothing(world, mode):
    clean, soiled = (world.vector(6, max_steps=5, autoreset_mode=mode) for _ in range(2))
    results = clean.reset(seed=0), soiled.reset(seed=0)
    for actions in random_actions(clean, 20):
        assert_same(*results)
        for part in results[1]:
            for array in part.values() if isinstance(part, dict) else [part]:
                array[...] = 1
        results = clean.step(actions), soiled.step(actions)


def test_tensors_are_the_arrays(world):
    arrays, tensors = walk(world.vector(6)), walk(world.vector(6, tensors=True))
    assert_same(tensors, arrays)
    for observation, *_ in tensors:
        assert all(isinstance(value, torch.Tensor) for value in observation.values())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_device_does_not_matter(world):
    here, there = walk(world.vector(6, tensors=True)), walk(world.vector(6, tensors=True, device="cuda"))
    for one, other in zip(here, there, strict=True):
        assert other[0]["viewpoint"].is_cuda
        for name, value in one[0].items():
            torch.testing.assert_close(value, other[0][name].cpu())


def test_the_deaf_are_told_nothing(world):
    env = world.vector(4, silent=True)
    for observation, *_ in walk(env):
        assert (observation["instruction"][:, 0] == EOS).all()
        assert (observation["instruction"][:, 1:] == PAD).all()
    heard, unheard = world.single(), world.single(silent=True)
    _, infos = heard.reset(seed=0)
    assert infos["instruction"] == world.episodes[int(infos["episode"])].instruction
    assert unheard.reset(seed=0)[1]["instruction"] == ""
    assert unheard.step(heard.action_space.sample())[4]["instruction"] == ""


# --- what cannot be ---


def test_other_autoreset_modes_and_no_episodes_are_errors(world):
    with pytest.raises(ValueError, match="use NEXT_STEP or DISABLED"):
        world.vector(2, autoreset_mode=AutoresetMode.SAME_STEP)
    with pytest.raises(InputError, match="there are none to meet"):
        NavigationVectorEnv(world.simulator(), [], world.vocabulary, 2)


def test_an_episode_elsewhere_is_an_error(world):
    lost = Episode("7_0", "atlantis", "made", "Dive.", ("a", "b"), 0.0)
    with pytest.raises(InputError, match="episode '7_0': field 'scan' is the unknown scan 'atlantis'"):
        world.vector(2, [lost])
