"""What environments promise in every world: ends of episodes, rewards, and that what they hand out is the caller's."""

import re
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from conformance import DISABLED, assert_same, random_actions, row, walk, withhold
from gymnasium.vector import AutoresetMode

from envs.environment import NavigationVectorEnv
from vln.errors import InputError
from vln.language import EOS, PAD
from vln.rewards import RewardConfig

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
            for name in ("episode_index", "steps", "distance", "poses", "success"):
                assert_same(infos[name][index], before[1][name][index])
        assert (reward[ended] == 0).all()
        assert ((terminated | truncated) >= ended).all()
        ended, before = terminated | truncated, (observation, infos)
        rewards.append(reward)
    assert ended.all()
    assert not (terminated & truncated).any()
    mask = np.array([True, False] * 3)
    observation, after = env.reset(options={"reset_mask": mask, "episode_index": np.arange(6)})
    for index in np.flatnonzero(~mask):
        assert_same(row(observation, index), row(before[0], index))
    assert after["episode_index"][mask].tolist() == [0, 2, 4]
    assert after["steps"].tolist() == np.where(mask, 0, infos["steps"]).tolist()
    _, _, terminated, truncated, infos = env.step(np.full(6, env.simulator.stop))
    assert infos["steps"].tolist() == np.where(mask, 1, after["steps"]).tolist()
    assert (terminated | truncated).all()


def test_a_masked_reset_draws_for_the_masked_alone(world):
    env = world.vector(2, **DISABLED)
    _, first = env.reset(seed=8)
    _, second = env.reset(options={"reset_mask": np.array([False, True])})
    alone = world.vector(1, **DISABLED)
    drawn = [alone.reset(seed=9)[1]["episode_index"][0], alone.reset()[1]["episode_index"][0]]
    assert second["episode_index"].tolist() == [first["episode_index"][0], drawn[1]]


def test_a_success_is_told_once_and_not_of_the_next_episode(world):
    env = world.vector(4, max_steps=world.patience)
    _, infos = env.reset(seed=0)
    ended, successes = np.zeros(4, dtype=bool), 0
    for _ in range(2 * world.patience):
        _, _, terminated, _, infos = env.step(infos["expert"])
        assert (infos["success"] == (terminated & ~ended)).all()
        assert (infos["steps"][ended] == 0).all()
        ended, successes = terminated, successes + infos["success"].sum()
    assert successes > 4


# --- rewards ---


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_rewards_sum_to_the_distance_won_and_the_verdict(world, mode):
    reward = RewardConfig(progress="metres", success=5.0, failure=-3.0)
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


@pytest.mark.parametrize("progress", ["metres", "sign"])
def test_withheld_goals_give_no_distance_no_reward_and_no_hint(world, progress):
    reward = RewardConfig(progress=progress)
    env = world.vector(len(world.withheld), world.withheld, max_steps=8, reward=reward, **DISABLED)
    results = walk(env, steps=10)
    stripped = [replace(withhold(episode), split="made") for episode in world.episodes]
    results += walk(world.vector(16, stripped, max_steps=8, reward=reward))
    for *_, infos in results:
        assert np.isnan(infos["distance"]).all()
        assert not infos["success"].any()
    assert not any(result[1].any() for result in results if len(result) == 5)
    open_goals = walk(world.vector(16, max_steps=8))
    for hidden, shown in zip(results[11:], open_goals, strict=True):
        assert_same(hidden[0], shown[0])


def test_the_expert_stays_at_the_start_of_an_episode_whose_goal_is_withheld(world):
    env = world.vector(len(world.withheld), world.withheld)
    _, infos = env.reset(options={"episode_index": np.arange(len(world.withheld))})
    assert (infos["expert"] == env.simulator.stop).all()


def test_success_is_a_stop_nearer_than_the_success_distance(world):
    env = world.vector(len(world.episodes), success_distance=1e9, **DISABLED)
    env.reset(options={"episode_index": np.arange(len(world.episodes))})
    *_, infos = env.step(np.full(env.num_envs, env.simulator.stop))
    assert infos["success"].all()
    env = world.vector(len(world.episodes), success_distance=float(infos["distance"].min()), **DISABLED)
    env.reset(options={"episode_index": np.arange(len(world.episodes))})
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
    if world.on_cpu:
        pytest.skip("lives on the CPU alone")
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
    assert infos["instruction"] == world.episodes[int(infos["episode_index"])].instruction
    assert unheard.reset(seed=0)[1]["instruction"] == ""
    assert unheard.step(heard.action_space.sample())[4]["instruction"] == ""


# --- what cannot be ---


def test_other_autoreset_modes_and_no_episodes_are_errors(world):
    with pytest.raises(ValueError, match="use NEXT_STEP or DISABLED"):
        world.vector(2, autoreset_mode=AutoresetMode.SAME_STEP)
    with pytest.raises(InputError, match="there are none to meet"):
        NavigationVectorEnv(world.simulator(), [], world.vocabulary, 2)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"episodes": [0, 1]}, "'episodes' is unknown; use 'episode_index' or 'reset_mask'"),
        ({"episode_index": [0, -1]}, "'episode_index' is -1; give an index from 0 to 59"),
        ({"episode_index": [60, 1]}, "'episode_index' is 60; give an index from 0 to 59"),
        ({"episode_index": [0]}, "'episode_index' has shape (1,) and type int64; give integers of shape (2,)"),
        ({"episode_index": [0.0, 1.0]}, "'episode_index' has shape (2,) and type float64"),
        ({"episode_index": 0}, "'episode_index' has shape () and type int64"),
        ({"reset_mask": [True]}, "'reset_mask' has shape (1,) and type bool; give bools of shape (2,)"),
        ({"reset_mask": [1, 0]}, "'reset_mask' has shape (2,) and type int64"),
    ],
)
def test_bad_options_of_a_reset_are_one_sentence_and_change_nothing(world, options, sentence):
    clean, env = (world.vector(2, **DISABLED) for _ in range(2))
    results = clean.reset(seed=3), env.reset(seed=3)
    with pytest.raises(InputError, match=re.escape(f"reset options: {sentence}")):
        env.reset(seed=4, options=options)
    assert_same(*results)
    assert_same(clean.step([1, 1]), env.step([1, 1]))
    assert_same(clean.reset(), env.reset())


def test_a_masked_reset_does_not_look_at_the_episodes_of_others(world):
    env = world.vector(2, **DISABLED)
    _, before = env.reset(seed=0)
    _, infos = env.reset(options={"reset_mask": np.array([True, False]), "episode_index": [7, 99]})
    assert infos["episode_index"].tolist() == [7, before["episode_index"][1]]


def test_a_single_environment_starts_the_episode_asked_for(world):
    env = world.single()
    assert env.reset(options={"episode_index": 7})[1]["episode_index"] == 7
    assert env.reset(options={"episode_index": np.int64(8)})[1]["episode_index"] == 8
    for options in ({"episode_index": 60}, {"episode_index": -1}, {"episode_index": 0.5}, {"episode_index": [1, 2]}):
        with pytest.raises(InputError, match="'episode_index'"):
            env.reset(options=options)
    for options in ({"episode": 1}, {"reset_mask": [True]}):
        with pytest.raises(InputError, match="is unknown; use 'episode_index'"):
            env.reset(options=options)
    env.step(env.action_space.sample())


def test_an_episode_elsewhere_is_an_error(world):
    lost = replace(world.episodes[0], episode_id="7_0", scan="atlantis")
    with pytest.raises((InputError, KeyError), match="atlantis"):
        world.vector(2, [lost]).reset(seed=0)


def test_an_episode_that_says_nothing_is_an_error(world):
    silent = replace(world.episodes[0], episode_id="7_0", instruction="  ")
    with pytest.raises(InputError, match="episode '7_0': its instruction is empty"):
        world.vector(2, [silent])
