"""Promises of environments in every world: ends of episodes, rewards, and arrays that belong to the caller."""

import re
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from conformance import assert_same, withhold
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from torch.utils import _pytree as pytree

from envs.conformance import DISABLED, random_actions, walk
from envs.environment import NavigationVectorEnv, row_of
from vln.errors import InputError
from vln.language import EOS, PAD
from vln.tasks import CUSTOM, WithinRadius
from vln.tasks.rewards import ProgressReward

GOAL_YELLOW = (0xF0, 0xE4, 0x42)

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
            assert_same(row_of(observation, index), row_of(before[0], index))
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
        assert_same(row_of(observation, index), row_of(before[0], index))
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


@pytest.mark.parametrize("mode", AutoresetMode)
def test_autoreset_modes_have_the_names_that_gymnasium_gives_them(world, mode):
    named, given = (world.vector(2, max_steps=4, autoreset_mode=each) for each in (mode.value, mode))
    assert named.metadata["autoreset_mode"] is mode
    assert_same(walk(named, steps=10), walk(given, steps=10))


def test_with_same_step_autoreset_the_step_that_ends_an_episode_starts_the_next(world):
    env = world.vector(4, max_steps=6, record=True, autoreset_mode="SameStep")
    singles = [world.single(max_steps=6, record=True) for _ in range(4)]
    env.reset(seed=3)
    for number, single in enumerate(singles):
        single.reset(seed=3 + number)
    ends = 0
    for actions in random_actions(env, 20, seed=1):
        observation, reward, terminated, truncated, infos = env.step(actions)
        over = terminated | truncated
        assert infos.get("_final_obs", np.zeros(4, bool)).tolist() == over.tolist()
        for number, single in enumerate(singles):
            alone = single.step(actions[number])
            assert (reward[number], terminated[number], truncated[number]) == alone[1:4]
            if over[number]:
                final = {name: value for name, value in infos["final_info"].items() if not name.startswith("_")}
                assert_same(infos["final_obs"][number], alone[0])
                assert_same(row_of(final, number), alone[4])
                assert all(infos["final_info"][f"_{name}"].tolist() == over.tolist() for name in final)
                first, told = single.reset()
            else:
                first, told = alone[0], alone[4]
                assert not over.any() or infos["final_obs"][number] is None
            assert_same(row_of(observation, number), first)
            kept = {name: value for name, value in infos.items() if "final" not in name}
            assert_same(row_of(kept, number), told)
        ends += over.sum()
    assert ends > 8


# --- rewards ---


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_rewards_sum_to_the_distance_won_and_the_verdict(world, mode):
    reward = ProgressReward(progress="metres", success=5.0, failure=-3.0)
    env = world.vector(8, max_steps=10, task=replace(CUSTOM, reward=reward), autoreset_mode=mode)
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
    reward = ProgressReward(progress=progress)
    task = replace(CUSTOM, reward=reward)
    env = world.vector(len(world.withheld), world.withheld, max_steps=8, task=task, **DISABLED)
    results = walk(env, steps=10)
    stripped = [replace(withhold(episode), split="made") for episode in world.episodes]
    results += walk(world.vector(16, stripped, max_steps=8, task=replace(CUSTOM, reward=reward)))
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


def test_success_is_a_stop_nearer_than_the_success_radius(world):
    env = world.vector(len(world.episodes), task=replace(CUSTOM, success=WithinRadius(1e9)), **DISABLED)
    env.reset(options={"episode_index": np.arange(len(world.episodes))})
    *_, infos = env.step(np.full(env.num_envs, env.simulator.stop))
    assert infos["success"].all()
    nearer = replace(CUSTOM, success=WithinRadius(float(infos["distance"].min())))
    env = world.vector(len(world.episodes), task=nearer, **DISABLED)
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
        assert all(isinstance(value, torch.Tensor) for value in pytree.tree_leaves(observation))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_device_does_not_matter(world):
    if world.on_cpu:
        pytest.skip("lives on the CPU alone")
    here, there = walk(world.vector(6, tensors=True)), walk(world.on("cuda").vector(6, tensors=True))
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


# --- pictures ---


def test_pictures_are_of_one_size_and_change_with_the_body(world):
    env = world.vector(3, max_steps=8, render_mode="rgb_array")
    with pytest.raises(ResetNeeded):
        env.render()
    env.reset(seed=0)
    first = env.render()
    for actions in random_actions(env, 12):
        env.step(actions)
        pictures = env.render()
        assert len(pictures) == 3
        for picture in pictures:
            assert picture.dtype == np.uint8
            assert picture.shape == first[0].shape
    assert any((one != other).any() for one, other in zip(first, pictures, strict=True))


def test_a_single_picture_is_that_of_the_vector(world):
    one, vector = world.single(render_mode="rgb_array"), world.vector(1, render_mode="rgb_array")
    for env in (one, vector):
        env.reset(options={"episode_index": 2 if env is one else [2]})
    np.testing.assert_array_equal(one.render(), vector.render()[0])
    assert one.metadata["render_modes"] == vector.metadata["render_modes"] == ["rgb_array"]


def test_pictures_of_withheld_goals_show_no_goal(world):
    for episodes, shown in ((world.withheld, False), (world.episodes, True)):
        env = world.vector(4, episodes, render_mode="rgb_array")
        env.reset(options={"episode_index": [0, 1, 2, 3]})
        yellow = [(picture == GOAL_YELLOW).all(-1).any() for picture in env.render()]
        assert any(yellow) == shown


def test_without_a_render_mode_there_are_no_pictures(world):
    env = world.vector(2)
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="render_mode='rgb_array'"):
        assert env.render() is None


# --- what cannot be ---


@pytest.mark.parametrize(
    ("actions", "sentence"),
    [
        ([1, 99], "action 99 of environment 1 is not in Discrete"),
        ([-1, 1], "action -1 of environment 0 is not in Discrete"),
        ([1, 0.5], "action 0.5 of environment 1 is not in Discrete"),
        ([1.0, float("nan")], "action nan of environment 1 is not in Discrete"),
        ([1.0, 1.0], "action 1.0 of environment 0 is not in Discrete"),
        (torch.tensor([0.5, 1]), "action 0.5 of environment 0 is not in Discrete"),
        ([True, False], "action True of environment 0 is not in Discrete"),
        ([1, None], "action None of environment 1 is not in Discrete"),
        ([1, 10**30], f"action {10**30} of environment 1 is not in Discrete"),
        (np.array([1, 2**63], np.uint64), f"action {2**63} of environment 1 is not in Discrete"),
        ([1], "actions of shape (1,) are not in MultiDiscrete"),
        ([[1], [1]], "actions of shape (2, 1) are not in MultiDiscrete"),
        (1, "actions of shape () are not in MultiDiscrete"),
    ],
)
def test_actions_that_are_not_in_the_space_are_one_sentence_and_change_nothing(world, actions, sentence):
    clean, env = (world.vector(2, **DISABLED) for _ in range(2))
    assert_same(clean.reset(seed=3), env.reset(seed=3))
    with pytest.raises(InputError, match=re.escape(sentence)):
        env.step(actions)
    for good in random_actions(clean, 4):
        assert_same(clean.step(good), env.step(good))


def test_a_single_environment_refuses_what_is_no_action(world):
    clean, env = world.single(), world.single()
    assert_same(clean.reset(seed=3), env.reset(seed=3))
    for action in (99, -1, 0.5, 1.0, float("nan"), None, "left", True, [1], np.array([1]), 10**30, np.float32(1)):
        with pytest.raises(InputError, match=r"environment '.*': action .* is not in Discrete.*give an integer from 0"):
            env.step(action)
    for good in (1, np.int64(1), np.array(1), np.uint8(1), torch.tensor(1)):
        assert_same(clean.step(1), env.step(good))


def test_unknown_modes_and_no_episodes_are_errors(world):
    with pytest.raises(InputError, match="'Sometimes' is unknown; use 'NextStep' or 'SameStep' or 'Disabled'"):
        world.vector(2, autoreset_mode="Sometimes")
    with pytest.raises(InputError, match="render_mode: 'human' is unknown; use 'rgb_array', or None"):
        world.vector(2, render_mode="human")
    with pytest.raises(InputError, match="max_steps: is 0"):
        world.vector(2, max_steps=0)
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
