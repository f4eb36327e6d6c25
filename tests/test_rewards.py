"""Rewards: cases by hand, and properties of every walk."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_world import CORRIDOR, episode, single_env

from envs.environment import NavigationVectorEnv
from envs.graph import LowLevelGraph, PanoramicGraph
from vln.language import Vocabulary
from vln.rewards import RewardConfig, final_reward, progress_reward
from vln.tasks import CUSTOM, Task

METRES = RewardConfig(progress="metres")


def rewarded(reward: RewardConfig) -> Task:
    """A task with a reward."""
    return replace(CUSTOM, reward=reward)


VOCABULARY = Vocabulary.build(["Go."], min_count=1)
DISTANCES = st.lists(st.floats(0, 100, width=32), min_size=2, max_size=20)


@pytest.mark.parametrize("array", [np.array, torch.tensor])
@pytest.mark.parametrize(
    ("config", "rewards"),
    [
        (METRES, [2.0, -1.5, 0.0]),
        (RewardConfig(progress="metres", progress_weight=0.5), [1.0, -0.75, 0.0]),
        (RewardConfig(progress="sign"), [1.0, -1.0, 0.0]),
        (RewardConfig(progress="sign", progress_weight=3.0), [3.0, -3.0, 0.0]),
    ],
)
def test_coming_nearer_is_rewarded(array, config, rewards):
    before, after = array([8.0, 2.5, 4.0]), array([6.0, 4.0, 4.0])
    assert progress_reward(before, after, config).tolist() == rewards


@pytest.mark.parametrize("array", [np.array, torch.tensor])
def test_the_end_is_judged_once(array):
    ended, success = array([True, True, False, False]), array([True, False, False, True])
    assert final_reward(ended, success, RewardConfig(success=3.0, failure=-1.0)).tolist() == [3.0, -1.0, 0.0, 0.0]


@given(DISTANCES)
def test_metres_sum_to_the_distance_won(distances):
    before, after = np.array(distances[:-1]), np.array(distances[1:])
    won = distances[0] - distances[-1]
    assert progress_reward(before, after, METRES).sum() == pytest.approx(won, abs=1e-9)


@given(DISTANCES)
def test_signs_are_those_of_the_metres(distances):
    before, after = np.array(distances[:-1]), np.array(distances[1:])
    metres, signs = (progress_reward(before, after, RewardConfig(progress=unit)) for unit in ("metres", "sign"))
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
    reward = RewardConfig(progress="sign", success=5, failure=-3)
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
    assert progress_reward(before, after, RewardConfig(progress=progress)).tolist() == [0, 0, 0, 0]


class Chasm(PanoramicGraph):
    """A world where no way leads back from `b` to the goal."""

    def distance(self):
        metres = super().distance()
        return torch.where(metres == 6, torch.inf, metres)


@pytest.mark.parametrize("progress", ["metres", "sign"])
def test_a_goal_that_is_cut_off_on_the_way(progress):
    """From a (8 m) to b, from where there is no way, on to c (4 m), and back to b, where it stops."""
    reward = RewardConfig(progress=progress)
    env = single_env(Chasm([CORRIDOR]), [episode("abcde")], VOCABULARY, task=rewarded(reward))
    env.reset(seed=0)
    steps = [env.step(action) for action in (1, 2, 1, 0)]
    assert [step[1] for step in steps] == [0, 0, 0, 0]
    assert [step[4]["distance"] for step in steps] == [np.inf, 4, np.inf, np.inf]
    assert not steps[-1][4]["success"]
