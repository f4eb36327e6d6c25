"""Random walks in generated houses stay in the walkable area, without NaN and without growing memory."""

import ctypes
import gc
import resource
import time
from pathlib import Path

import numpy as np
import pytest
from torch.utils import _pytree as pytree

from envs.continuous import HousesSimulator, SceneCache, Sensors
from envs.environment import NavigationVectorEnv
from envs.scenes import load_scene
from vln.episodes import Episode
from vln.language import Vocabulary

BATCH = 16
NAMES = [f"house-{number:06d}" for number in range(100)]


def wandering(houses: int, batch: int, sensors: Sensors, memory: int) -> NavigationVectorEnv:
    """Short episodes between random places of so many houses."""
    scenes, random, episodes = SceneCache(load_scene, memory=memory), np.random.default_rng(0), []
    for name in NAMES[:houses]:
        ends = scenes.get(name).ground.sample(random, 8)
        episodes += [
            Episode(f"{name}-{number}", name, "made", "Go.", (), float(number), positions=(tuple(start), tuple(goal)))
            for number, (start, goal) in enumerate(ends.reshape(4, 2, 3).tolist())
        ]
    simulator = HousesSimulator(sensors, scenes=scenes)
    vocabulary = Vocabulary.build(["Go."], min_count=1)
    return NavigationVectorEnv(simulator, episodes, vocabulary, batch, max_steps=40, record=True)


def wander(env: NavigationVectorEnv, steps: int, random: np.random.Generator) -> None:
    """Walk at random, mostly forward, and check everything that comes back."""
    scenes = env.simulator.scenes
    for _ in range(steps):
        actions = random.choice([0, 1, 2, 3], env.num_envs, p=[0.02, 0.6, 0.2, 0.18])
        observation, reward, _, _, infos = env.step(actions)
        for values in (*pytree.tree_leaves(observation), reward, infos["distance"]):
            assert np.isfinite(values).all()
        assert (observation["rgb"].reshape(env.num_envs, -1).std(1) > 0).all()
        for number, pose in zip(infos["episode_index"], infos["poses"], strict=True):
            assert scenes.get(env.episodes[number].scan).ground.contains(pose.position)


def resident() -> float:
    """Megabytes of this process in memory, without those that were freed and that the C library keeps in pieces."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def test_a_few_hundred_steps_in_a_few_houses():
    env = wandering(3, BATCH, Sensors(16, 16, semantic=True, category=True), 2**30)
    env.reset(seed=0)
    wander(env, 120, np.random.default_rng(1))


@pytest.mark.slow
def test_ten_minutes_in_a_hundred_houses():
    # Room for a third of the houses: they come and go all the time.
    env = wandering(100, 64, Sensors(semantic=True, category=True), 100 * 2**20)
    env.reset(seed=0)
    random, started = np.random.default_rng(1), time.monotonic()
    wander(env, 300, random)
    before = resident()
    while time.monotonic() - started < 600:
        wander(env, 50, random)
    assert resident() - before < 100
