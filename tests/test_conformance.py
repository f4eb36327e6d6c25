"""Promises of every simulator and registered environment: determinism, motion, spaces, Gymnasium's interface."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from conformance import DISABLED, assert_at_start, assert_same, random_actions, row, walk
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from habitat_worlds import look_alike_workers

import envs
from envs.continuous import Sensors
from envs.environment import NavigationVectorEnv
from vln.language import PAD

# --- determinism, and rows that do not depend on one another ---


def test_the_seed_decides_everything(world):
    first, second, other = (walk(world.vector(8, record=True), seed=seed) for seed in (3, 3, 4))
    assert_same(first, second)
    assert first[0][1]["episode_index"].tolist() != other[0][1]["episode_index"].tolist()


def test_a_reset_without_a_seed_goes_on_where_the_seed_led(world):
    env = world.vector(2, **DISABLED)
    drawn = [env.reset(seed=5 if number == 0 else None)[1]["episode_index"].tolist() for number in range(6)]
    again = [env.reset(seed=5 if number == 0 else None)[1]["episode_index"].tolist() for number in range(6)]
    assert drawn == again
    assert len({tuple(episodes) for episodes in drawn}) > 3


def test_without_any_seed_runs_differ(world):
    drawn = [tuple(world.vector(8).reset()[1]["episode_index"].tolist()) for _ in range(2)]
    assert drawn[0] != drawn[1]


def test_episodes_are_drawn_evenly(world):
    env = world.vector(3000)
    drawn = np.concatenate([env.reset(seed=0)[1]["episode_index"], env.reset()[1]["episode_index"]])
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
    seen = [several.reset(options={"episode_index": [1, 2, 3, 4]})[1], *(several.step(each)[4] for each in actions)]
    alone_seen = [alone.reset(options={"episode_index": [3]})[1], *(alone.step(each[2:3])[4] for each in actions)]
    for infos, alone_infos in zip(seen, alone_seen, strict=True):
        assert_same({**row(infos, 2), "episode_index": 3}, {**row(alone_infos, 0), "episode_index": 3})


def test_chosen_episodes_start_where_they_say(world):
    env = world.vector(len(world.episodes), record=True)
    _, infos = env.reset(options={"episode_index": np.arange(len(world.episodes))})
    assert infos["episode_index"].tolist() == list(range(len(world.episodes)))
    for pose, episode in zip(infos["poses"], world.episodes, strict=True):
        assert_at_start(pose, episode)
    assert not infos["steps"].any()
    assert not infos["success"].any()
    assert not infos["collided"].any()


# --- moving ---


def test_collisions_and_stops_move_nothing(world):
    env = world.vector(32, record=True, max_steps=world.patience, **DISABLED)
    _, infos = env.reset(seed=0)
    ended, collisions = np.zeros(32, dtype=bool), 0
    for actions in random_actions(env, 30):
        before = infos["poses"]
        _, reward, terminated, truncated, infos = env.step(actions)
        stops = ended | (actions == env.simulator.stop)
        assert not (infos["collided"] & stops).any()
        still = stops if world.moves_on else infos["collided"] | stops
        assert not reward[still & ~truncated & ~(terminated & ~ended)].any()
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
    starts = zip(world.journeys, simulator.poses(), strict=True)
    position = {here: np.array(pose.position) for (here, _), pose in starts}
    straight = np.array([[np.linalg.norm(position[here] - position[there]) for there in places] for here in places])
    assert (between[~np.eye(len(places), dtype=bool)] > 0).all()
    metres, share = world.accuracy
    off = metres + share * between
    assert (np.diag(between) <= metres * (share > 0)).all()
    assert (np.abs(between - between.T) <= off).all()
    assert (between >= straight - off).all()
    assert (between[:, None, :] <= between[:, :, None] + between[None] + off[:, None, :]).all()


def test_the_expert_reaches_every_goal_and_stops(world):
    env = world.vector(len(world.episodes), max_steps=world.patience, **DISABLED)
    _, infos = env.reset(options={"episode_index": np.arange(len(world.episodes))})
    distance = infos["distance"]
    for _ in range(world.patience):
        _, _, terminated, _, infos = env.step(infos["expert"])
        assert (infos["distance"] <= distance + world.accuracy[0]).all()
        distance = infos["distance"]
    assert terminated.mean() >= world.sure
    assert (infos["distance"][terminated] <= world.near).all()
    assert (infos["success"] == terminated).all()
    assert (infos["expert"][terminated] == env.simulator.stop).all()


# --- spaces ---


def test_observations_are_inside_the_spaces(world):
    env = world.vector(8, max_steps=12)
    for observation, *_ in walk(env, steps=50):
        assert observation in env.observation_space
        for index in range(env.num_envs):
            assert arrays(row(observation, index)) in env.single_observation_space
        assert_types(observation, env.observation_space)


def arrays(observation: dict[str, Any]) -> dict[str, Any]:
    """An observation with arrays in place of numbers."""
    return {
        name: arrays(value) if isinstance(value, dict) else np.asarray(value) for name, value in observation.items()
    }


def assert_types(observation: dict[str, Any], space: gymnasium.spaces.Dict) -> None:
    """Arrays have the types of their spaces, in groups as well."""
    for name, part in space.items():
        if isinstance(part, gymnasium.spaces.Dict):
            assert_types(observation[name], part)
        else:
            assert observation[name].dtype == part.dtype, name


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
    observation, _ = env.reset(options={"episode_index": np.arange(len(world.episodes))})
    for tokens, episode in zip(observation["instruction"], world.episodes, strict=True):
        expected = world.vocabulary.encode(episode.instruction, 12)
        assert tokens.tolist() == [*expected, *[PAD] * (12 - len(expected))]


# --- Gymnasium ---

# One of habitat's ids stands for all, which differ in their data set; each opens workers of its own.
IDS = [pytest.param(name, marks=pytest.mark.slow) if name in list(envs.HABITAT_IDS)[1:] else name for name in envs.IDS]


@pytest.fixture(scope="module")
def options_of(small_data, tmp_path_factory) -> Callable[[str], dict[str, Any]]:
    """What is needed to make each registered id here."""
    folder = tmp_path_factory.mktemp("houses")

    def options(name: str) -> dict[str, Any]:
        houses = {"split": "train", "cache": folder, "scenes": 2, "sensors": Sensors(12, 8)}
        if name in envs.HOUSES_IDS:
            return houses
        if name in envs.HABITAT_IDS:
            return {**houses, "exported": folder / "exported", "workers": look_alike_workers(folder)}
        return {"split": "val_seen", "data": small_data}

    return options


def test_the_simulators_environment_passes_gymnasiums_check(world):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(world.single(), skip_render_check=True)


@pytest.mark.parametrize("name", IDS)
def test_every_id_passes_gymnasiums_check(name, options_of):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(name, **options_of(name)).unwrapped)


@pytest.mark.parametrize("name", IDS)
def test_every_id_is_made_alone_and_as_a_vector(name, options_of):
    options = {**options_of(name), "max_steps": 5}
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
    assert_same({**arrays, **lists}, info)
