"""Rewards: cases by hand, and properties of every walk."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from hypothesis import given
from hypothesis import strategies as st
from small_world import CORRIDOR, episode, single_env

from envs.environment import NavigationVectorEnv
from envs.graph import LowLevelGraph, PanoramicGraph
from envs.make import open_task
from vln.configuration import as_json, from_json
from vln.continuous_metrics import Walks, resample, score_walks
from vln.errors import InputError
from vln.language import Vocabulary
from vln.metrics import score_paths
from vln.tasks import CUSTOM, Reward, Task, find_task
from vln.tasks.rewards import ClsReward, NdtwReward, ProgressReward, final_reward, progress_reward

METRES = ProgressReward(progress="metres")


def rewarded(reward: ProgressReward) -> Task:
    """A task with a reward."""
    return replace(CUSTOM, reward=reward)


VOCABULARY = Vocabulary.build(["Go."], min_count=1)
DISTANCES = st.lists(st.floats(0, 100, width=32), min_size=2, max_size=20)


@pytest.mark.parametrize("array", [np.array, torch.tensor])
@pytest.mark.parametrize(
    ("config", "rewards"),
    [
        (METRES, [2.0, -1.5, 0.0]),
        (ProgressReward(progress="metres", progress_weight=0.5), [1.0, -0.75, 0.0]),
        (ProgressReward(progress="sign"), [1.0, -1.0, 0.0]),
        (ProgressReward(progress="sign", progress_weight=3.0), [3.0, -3.0, 0.0]),
    ],
)
def test_coming_nearer_is_rewarded(array, config, rewards):
    before, after = array([8.0, 2.5, 4.0]), array([6.0, 4.0, 4.0])
    assert progress_reward(before, after, config).tolist() == rewards


@pytest.mark.parametrize("array", [np.array, torch.tensor])
def test_the_end_is_judged_once(array):
    ended, success = array([True, True, False, False]), array([True, False, False, True])
    assert final_reward(ended, success, ProgressReward(success=3.0, failure=-1.0)).tolist() == [3.0, -1.0, 0.0, 0.0]


@given(DISTANCES)
def test_metres_sum_to_the_distance_won(distances):
    before, after = np.array(distances[:-1]), np.array(distances[1:])
    won = distances[0] - distances[-1]
    assert progress_reward(before, after, METRES).sum() == pytest.approx(won, abs=1e-9)


@given(DISTANCES)
def test_signs_are_those_of_the_metres(distances):
    before, after = np.array(distances[:-1]), np.array(distances[1:])
    metres, signs = (progress_reward(before, after, ProgressReward(progress=unit)) for unit in ("metres", "sign"))
    assert (np.sign(metres) == signs).all()


# --- in an environment: a - b - c - d - e in a row, 2 m apart, from a to e ---

LEFT, RIGHT, UP, FORWARD, STOP = 0, 1, 2, 4, 5


def rewards_of(env, actions):
    env.reset(seed=0)
    return [env.step(action)[1] for action in actions]


def test_a_walk_to_the_neighbour_of_the_goal():
    env = single_env(PanoramicGraph([CORRIDOR]), [episode("abcde")], VOCABULARY, task=rewarded(METRES))
    # At a the only neighbour is b; elsewhere slot 1 leads back and slot 2 on. The stop at d is 2 m from the goal.
    assert rewards_of(env, [1, 1, 1, 2, 2, 0]) == [2, -2, 2, 2, 2, 2]


def test_a_walk_that_stops_too_early_and_one_that_never_stops():
    reward = ProgressReward(progress="sign", success=5, failure=-3)
    env = single_env(PanoramicGraph([CORRIDOR]), [episode("abcde")], VOCABULARY, max_steps=3, task=rewarded(reward))
    assert rewards_of(env, [1, 2, 0]) == [1, 1, -3]
    assert rewards_of(env, [1, 2, 2, 2]) == [1, 1, 1 - 3, 0]


def test_low_level_actions():
    env = single_env(LowLevelGraph([CORRIDOR]), [episode("abcde")], VOCABULARY, task=rewarded(METRES))
    assert rewards_of(env, [RIGHT, RIGHT, RIGHT, FORWARD, UP, FORWARD, LEFT, STOP]) == [0, 0, 0, 2, 0, 2, 0, -2]


def test_arriving_counts_for_nothing_before_the_stop():
    env = NavigationVectorEnv(PanoramicGraph([CORRIDOR]), [episode("ab")], VOCABULARY, 2, task=rewarded(METRES))
    env.reset(seed=0)
    _, reward, *_, infos = env.step([1, 0])
    assert reward.tolist() == [2, 2]
    assert infos["success"].tolist() == [False, True]
    assert infos["distance"].tolist() == [0, 2]


@pytest.mark.parametrize("array", [np.array, torch.tensor])
@pytest.mark.parametrize("progress", ["metres", "sign"])
def test_a_goal_that_cannot_be_reached_gives_no_reward(array, progress):
    inf, nan = float("inf"), float("nan")
    before, after = array([5.0, inf, inf, nan]), array([inf, 5.0, inf, nan])
    assert progress_reward(before, after, ProgressReward(progress=progress)).tolist() == [0, 0, 0, 0]


class Chasm(PanoramicGraph):
    """A world where no way leads back from `b` to the goal."""

    def distance(self):
        metres = super().distance()
        return torch.where(metres == 6, torch.inf, metres)


@pytest.mark.parametrize("progress", ["metres", "sign"])
def test_a_goal_that_is_cut_off_on_the_way(progress):
    """From a (8 m) to b, from where there is no way, on to c (4 m), and back to b, where it stops."""
    reward = ProgressReward(progress=progress)
    env = single_env(Chasm([CORRIDOR]), [episode("abcde")], VOCABULARY, task=rewarded(reward))
    env.reset(seed=0)
    steps = [env.step(action) for action in (1, 2, 1, 0)]
    assert [step[1] for step in steps] == [0, 0, 0, 0]
    assert [step[4]["distance"] for step in steps] == [np.inf, 4, np.inf, np.inf]
    assert not steps[-1][4]["success"]


# --- rewards of the whole way ---


def random_walks(data, split, reward, seed, mode):
    """The sum of rewards (B,) of walks that follow the expert most of the time, their scores, and those of no walk."""
    env = data.of(replace(data.task, reward=reward)).make_env(split, 24, record=True, autoreset_mode=mode, blind=True)
    rng, chosen = np.random.default_rng(seed), np.arange(24) % len(env.episodes)
    _, infos = env.reset(options={"episode_index": chosen}, seed=seed)
    walks, total, ended = [[pose] for pose in infos["poses"]], np.zeros(24), np.zeros(24, dtype=bool)
    success = np.zeros(24, dtype=bool)
    while not ended.all():
        random = rng.integers(0, env.single_action_space.n, 24)
        _, reward, terminated, truncated, infos = env.step(np.where(rng.random(24) < 0.7, infos["expert"], random))
        same_step = "final_info" in infos
        last = infos["final_info"]["poses"] if same_step else infos["poses"]
        for row in np.flatnonzero(~ended):
            now = (terminated | truncated)[row] and same_step
            walks[row].append((last if now else infos["poses"])[row])
            total[row] += reward[row]
            success[row] = (infos["final_info"] if now else infos)["success"][row]
        ended |= terminated | truncated
    episodes = [env.episodes[number] for number in chosen]
    return total, scored(data, episodes, walks), scored(data, episodes, [walk[:1] for walk in walks]), success


def scored(data, episodes, walks):
    """Metrics of walks, by the functions that score trajectories."""
    if data.source.graphs:
        graphs = data.source.scoring.graphs({each.scan for each in episodes})
        return score_paths(graphs, episodes, [[pose.viewpoint for pose in walk] for walk in walks])
    places = [np.array([pose.position for pose in walk]) for walk in walks]
    references = [resample(np.array(each.positions)) for each in episodes]
    count = len(walks)
    found = Walks(places, [np.zeros(len(each)) for each in places], references, np.ones(count))
    return score_walks(found, data.task.success.metres)


@pytest.fixture(scope="module", params=["r2r", "r2r-low-level", "houses-short"])
def opened(request, small_data, tmp_path_factory):
    scenes = {"scenes": 1, "cache": tmp_path_factory.mktemp("cache")} if request.param == "houses-short" else {}
    return open_task(request.param, ["train"], data=small_data, min_count=1, **scenes)


@pytest.mark.parametrize("mode", [AutoresetMode.DISABLED, AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("seed", range(2))
def test_gains_in_ndtw_add_up_to_that_of_the_way(opened, seed, mode):
    total, end, start, success = random_walks(opened, "train", NdtwReward(weight=2.0, success=3.0), seed, mode)
    assert 0 < success.sum() < len(success)
    np.testing.assert_allclose(total, 2 * (end["nDTW"] - start["nDTW"]) + 3 * success, atol=1e-5)


@pytest.mark.parametrize("seed", range(2))
def test_the_end_of_a_way_is_worth_its_cls(opened, seed):
    total, end, _, success = random_walks(opened, "train", ClsReward(0.5, 2.0), seed, AutoresetMode.DISABLED)
    np.testing.assert_allclose(total, 0.5 * end["CLS"] + 2 * success, atol=1e-5)


@pytest.mark.parametrize("reward", [NdtwReward(), ClsReward()])
def test_a_withheld_goal_gives_no_reward(small_data, reward):
    data = open_task("r2r", ["test"], data=small_data)
    env = data.of(replace(data.task, reward=reward)).make_env("test", 4)
    env.reset(seed=0)
    assert [env.step(np.full(4, action))[1].tolist() for action in (1, 1, 0)] == [[0] * 4] * 3


def test_a_reward_of_another_shape_is_named(small_data):
    @dataclass(frozen=True)
    class Single(Reward):
        def __call__(self, before, after, task):
            return 1.0

    env = single_env(PanoramicGraph([CORRIDOR]), [episode("ab")], VOCABULARY, task=rewarded(Single()))
    env.reset(seed=0)
    with pytest.raises(InputError, match=r"reward 'Single': gives rewards of shape \(\); give \(1,\) numbers"):
        env.step(1)


def test_configurations_from_before_there_was_a_choice_have_the_progress_reward():
    task = as_json(find_task("houses"))
    assert task["reward"].pop("kind") == "progress"
    assert from_json(Task, task, "here") == find_task("houses")
