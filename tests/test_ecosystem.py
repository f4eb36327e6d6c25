"""The registered environments in other libraries: Gymnasium's wrappers and vectors, stable-baselines3, TorchRL."""

import multiprocessing
import os
import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium
import imageio.v3 as imageio
import numpy as np
import pytest
import torch
from gymnasium.error import DeprecatedEnv
from gymnasium.vector import AsyncVectorEnv
from gymnasium.wrappers import RecordEpisodeStatistics, RecordVideo
from gymnasium.wrappers.vector import RecordEpisodeStatistics as RecordVectorStatistics
from gymnasium.wrappers.vector import RecordVideo as RecordVectorVideo

import envs
from envs.environment import NavigationVectorEnv
from vln.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
GRAPH, HOUSES = "vln/GraphLowLevel-v2", "vln/HousesShort-v2"
NAMES = [GRAPH, HOUSES]
STEPS = 6


@pytest.fixture(scope="module")
def options(small_data, tmp_path_factory):
    """What is needed to make each id here; spaces are the default ones."""
    folder = tmp_path_factory.mktemp("houses")

    def of(name: str, **more):
        houses = {"split": "train", "cache": folder, "scenes": 2}
        return {**(houses if name in envs.HOUSES_IDS else {"split": "val_seen", "data": small_data}), **more}

    return of


# --- ids and specifications ---


@pytest.mark.parametrize("name", envs.IDS)
def test_the_ids_before_are_deprecated_by_gymnasium(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DeprecatedEnv, match=f"Please use `{name}` instead"):
            gymnasium.make(name.replace("-v2", "-v1"))


def test_the_time_limit_is_told_and_is_the_only_one(options):
    for env, limit in (
        (gymnasium.make(HOUSES, **options(HOUSES)), 60),
        (gymnasium.make(GRAPH, **options(GRAPH)), 40),
        (gymnasium.make(GRAPH, **options(GRAPH), max_steps=7), 7),
        (gymnasium.make_vec(HOUSES, num_envs=2, **options(HOUSES)), 60),
        (gymnasium.make_vec(GRAPH, num_envs=2, max_episode_steps=5, **options(GRAPH)), 5),
    ):
        assert env.spec.max_episode_steps == limit
        assert "TimeLimit" not in str(env)
        again = env.spec.make() if isinstance(env, gymnasium.Env) else gymnasium.make_vec(env.spec)
        assert again.spec.max_episode_steps == limit


# --- Gymnasium's wrappers ---


@pytest.mark.parametrize("name", NAMES)
def test_statistics_of_single_environments(name, options):
    env = RecordEpisodeStatistics(gymnasium.make(name, max_steps=STEPS, **options(name)))
    _, info = env.reset(seed=0)
    total, over = 0.0, False
    while not over:
        _, reward, terminated, truncated, info = env.step(1)
        total, over = total + reward, terminated or truncated
    assert (info["episode"]["r"], info["episode"]["l"]) == (pytest.approx(total), STEPS)
    assert info["episode_index"] >= 0


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("name", NAMES)
def test_statistics_of_vectors(name, mode, options):
    made = gymnasium.make_vec(name, num_envs=3, max_steps=STEPS, autoreset_mode=mode, **options(name))
    env = RecordVectorStatistics(made)
    env.reset(seed=0)
    lengths = []
    for _ in range(2 * STEPS + 2):
        *_, infos = env.step(np.ones(3, int))
        lengths += infos["episode"]["l"][infos["_episode"]].tolist() if "episode" in infos else []
    assert lengths == [STEPS] * 6


@pytest.mark.parametrize("name", NAMES)
def test_videos(name, options, tmp_path):
    pytest.importorskip("moviepy")
    made = {"render_mode": "rgb_array", "max_steps": STEPS, **options(name)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # moviepy 1 has some of its own
        env = RecordVideo(gymnasium.make(name, **made), str(tmp_path / "single"), episode_trigger=lambda _: True)
        vector = gymnasium.make_vec(name, num_envs=2, **made)
        vector = RecordVectorVideo(vector, str(tmp_path / "vector"), episode_trigger=lambda number: number == 0)
        env.reset(seed=0)
        vector.reset(seed=0)
        for _ in range(STEPS):
            env.step(1)
            vector.step(np.ones(2, int))
        size = env.render().shape
        env.close()
        vector.close()
    (film,), (both,) = ([*(tmp_path / kind).glob("*.mp4")] for kind in ("single", "vector"))
    assert imageio.imread(film).shape == (STEPS + 1, *size)
    assert imageio.imread(both)[0].size == 2 * np.prod(size)


# --- vectors of processes ---


def test_async_vectors_that_would_fork_are_refused_at_once(options):
    if multiprocessing.get_start_method() != "fork":
        pytest.skip("the default context does not fork here")
    for name in NAMES:
        with pytest.raises(
            InputError, match=r"leave it out for the native vector.* vector_kwargs={'context': 'spawn'}"
        ):
            gymnasium.make_vec(name, num_envs=2, vectorization_mode="async", **options(name))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_an_environment_is_not_made_in_a_fork_of_a_process_with_environments(options):
    gymnasium.make(GRAPH, **options(GRAPH))
    context = multiprocessing.get_context("fork")
    told = context.SimpleQueue()
    child = context.Process(target=_make_and_tell, args=(told, options(GRAPH)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's own, about forks and threads
        child.start()
    assert "was forked from one in which environments have been made" in told.get()
    child.join()


def _make_and_tell(told, options) -> None:
    try:
        gymnasium.make(GRAPH, **options)
        told.put("made")
    except InputError as error:
        told.put(str(error))


@pytest.mark.parametrize("name", [GRAPH, pytest.param(HOUSES, marks=pytest.mark.slow)])
def test_async_vectors_of_the_context_spawn_are_the_native_vector(name, options):
    made = options(name, max_steps=3)
    spawned = gymnasium.make_vec(
        name, num_envs=1, vectorization_mode="async", vector_kwargs={"context": "spawn"}, **made
    )
    try:
        assert isinstance(spawned, AsyncVectorEnv)
        native = gymnasium.make_vec(name, num_envs=1, **made)
        results = spawned.reset(seed=3), native.reset(seed=3)
        for _ in range(8):
            for key in native.single_observation_space:
                np.testing.assert_array_equal(*(result[0][key] for result in results))
            results = spawned.step(np.ones(1, int)), native.step(np.ones(1, int))
    finally:
        spawned.close()


def test_a_plain_script_without_a_main_guard_makes_houses(tmp_path):
    script = tmp_path / "plain.py"
    script.write_text(
        "from envs.houses.dataset import houses_split\n"
        f"episodes = houses_split('train', 'houses-short', {str(tmp_path)!r}, houses=2, workers=2)\n"
        "print(len({episode.scan for episode in episodes}))\n"
    )
    ours = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=ours, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr


# --- stable-baselines3 ---


@pytest.mark.parametrize("name", [*envs.GRAPH_IDS, HOUSES])
def test_stable_baselines_checks_the_default_spaces(name, options):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice about what is good for learning
        checker.check_env(gymnasium.make(name, render_mode="rgb_array", **options(name)))


@pytest.mark.parametrize("name", NAMES)
def test_recurrent_ppo_trains_and_is_evaluated(name, options):
    recurrent = pytest.importorskip("sb3_contrib")
    evaluation = pytest.importorskip("stable_baselines3.common.evaluation")
    size = {"policy_kwargs": {"lstm_hidden_size": 16, "net_arch": [16]}, "n_steps": 500, "batch_size": 500}
    env = gymnasium.make(name, **options(name))
    model = recurrent.RecurrentPPO("MultiInputLstmPolicy", env, n_epochs=1, seed=0, device="cpu", **size)
    before = [each.clone() for each in model.policy.parameters()]
    model.learn(2000)
    assert model.num_timesteps == 2000
    assert model.ep_info_buffer  # what Monitor keeps of episodes
    assert any((one != other).any() for one, other in zip(before, model.policy.parameters(), strict=True))
    mean, _ = evaluation.evaluate_policy(model, gymnasium.make(name, **options(name)), n_eval_episodes=2, warn=False)
    assert np.isfinite(mean)


# --- TorchRL ---


@pytest.mark.parametrize("pixels", [False, True])
@pytest.mark.parametrize("name", [*envs.GRAPH_IDS, HOUSES])
def test_torchrl_checks_the_specs(name, pixels, options):
    torchrl = pytest.importorskip("torchrl.envs")
    made = {"from_pixels": True, "pixels_only": False} if pixels else {}
    env = torchrl.GymEnv(name, **made, **options(name))
    torchrl.check_env_specs(env)
    rollout = env.rollout(4)
    assert ("pixels" in list(rollout.keys())) == pixels
    assert rollout["instruction"].dtype == torch.int64
    env.close()


def test_native_vectors_stay_what_make_vec_gives(options):
    assert isinstance(gymnasium.make_vec(GRAPH, num_envs=2, **options(GRAPH)).unwrapped, NavigationVectorEnv)
