"""The worlds of the conformance tests, and walks through them.

New simulators join `WORLDS`, new environments `envs.IDS`.
"""

import atexit
import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from habitat_worlds import look_alike_workers, real_workers
from small_house import places, small_episodes, small_house
from small_world import single_env

from envs.continuous import HousesSimulator, SceneCache, Sensors
from envs.environment import NavigationVectorEnv
from envs.graph import LowLevelGraph, PanoramicGraph
from envs.habitat.scenes import SceneFolder
from envs.habitat.settings import Workers
from envs.habitat.simulator import HabitatSimulator
from envs.simulator import Simulator
from envs.single import NavigationEnv
from vln.episodes import Episode, load_split
from vln.features import ViewTable
from vln.graph import VIEWS, load_graphs
from vln.language import Vocabulary
from vln.tasks import Motion
from vln.trajectory import Pose

HOUSES = ("one", "two", "three")
DISABLED = {"autoreset_mode": AutoresetMode.DISABLED}


@dataclass(frozen=True)
class World:
    """A simulator under test, with episodes.

    Attributes:
        simulator: Makes the simulator, by keyword `device` if it supports several.
        episodes: Sixty episodes with goals.
        withheld: Episodes without goals.
        vocabulary: Vocabulary of the instructions.
        journeys: Episodes between every ordered pair of some places, by the pair.
        patience: Number of actions that is more than the expert ever needs.
        moves_on: Whether a body may move part of the way when it collides.
        on_cpu: Whether it runs on the CPU alone.
        accuracy: Tolerance of distances in metres, which a grid may cause; fraction of distances that may exceed it.
        near: Largest distance in metres from the goal at which the expert stops.
        sure: Fraction of the goals that the expert reaches; it plans for bodies that slide, others may get stuck at a
            post.
    """

    simulator: Callable[..., Simulator]
    episodes: Sequence[Episode]
    withheld: Sequence[Episode]
    vocabulary: Vocabulary
    journeys: dict[tuple[str, str], Episode]
    patience: int = 60
    moves_on: bool = False
    on_cpu: bool = False
    accuracy: tuple[float, float] = (1e-4, 0.0)
    near: float = 0.0
    sure: float = 1.0

    def vector(self, num_envs: int, episodes: Sequence[Episode] = (), device: str = "cpu", **options: Any):
        simulator = self.simulator() if self.on_cpu else self.simulator(device=device)
        return NavigationVectorEnv(simulator, episodes or self.episodes, self.vocabulary, num_envs, **options)

    def single(self, **options: Any) -> NavigationEnv:
        return single_env(self.simulator(), self.episodes, self.vocabulary, **options)


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


def houses_world(sliding: bool, data: Path) -> World:
    scenes = SceneCache({name: small_house(name) for name in HOUSES}.__getitem__)
    episodes = [episode for name in HOUSES for episode in small_episodes(name, 60 // len(HOUSES))]
    withheld = [episode for name in HOUSES for episode in small_episodes(name, 6, withheld=True)]
    vocabulary = Vocabulary.build((episode.instruction for episode in episodes), min_count=1)
    standing = dict(enumerate(places(HOUSES[0], 8)))
    journeys = {
        (f"{here}", f"{there}"): replace(episodes[0], positions=(standing[here], standing[there]))
        for here in standing
        for there in standing
    }
    sensors = Sensors(width=16, height=12, semantic=True, category=True)
    simulator = partial(HousesSimulator, sensors, Motion(sliding=sliding), scenes)
    return World(
        simulator,
        episodes,
        withheld,
        vocabulary,
        journeys,
        patience=120,
        moves_on=True,
        on_cpu=True,
        accuracy=(0.05, 0.03),
        near=0.5,
        sure=1.0 if sliding else 0.95,
    )


def habitat_world(workers: Callable[..., Workers], sliding: bool, data: Path) -> World:
    """The same houses in habitat-sim, written to files; `workers` run it."""
    folder = Path(tempfile.mkdtemp(prefix="vln-habitat-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    like = houses_world(sliding, data)
    simulator = partial(
        HabitatSimulator,
        SceneFolder(folder / "scenes", {name: small_house(name) for name in HOUSES}.__getitem__),
        Sensors(width=16, height=12, semantic=True, category=True),
        Motion(sliding=sliding),
        workers(folder),
    )
    return replace(like, simulator=simulator)


def random_features(graphs) -> ViewTable:
    keys = [(graph.scan, viewpoint) for graph in graphs for viewpoint in graph.viewpoints]
    dense = np.random.default_rng(0).normal(size=(len(keys), VIEWS, 4)).astype(np.float16)
    return ViewTable("random", "random", "", {key: row for row, key in enumerate(keys)}, dense)


WORLDS = {
    "graph": partial(graph_world, PanoramicGraph, False),
    "graph-low-level": partial(graph_world, LowLevelGraph, False),
    "graph-features": partial(graph_world, PanoramicGraph, True),
    "houses": partial(houses_world, True),
    "houses-blocking": partial(houses_world, False),
    "habitat-look-alike": partial(habitat_world, look_alike_workers, True),
    "habitat": partial(habitat_world, real_workers, True),
    "habitat-blocking": partial(habitat_world, real_workers, False),
}


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
        if one.dtype == object:
            assert_same(one.tolist(), other.tolist())
            return
        np.testing.assert_array_equal(one, other)
    else:
        assert here == there


def withhold(episode: Episode) -> Episode:
    """The same episode without its goal."""
    return replace(episode, path=episode.path[:1], positions=episode.positions[:1])


def assert_at_start(pose: Pose, episode: Episode) -> None:
    if episode.path:
        assert pose.viewpoint == episode.start
    else:
        np.testing.assert_allclose(pose.position, episode.positions[0], atol=0.06)
        assert math.cos(pose.heading - episode.heading) > 1 - 1e-9


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
    """What belongs to one environment of a batch, in groups as well."""
    return {name: row(value, index) if isinstance(value, dict) else value[index] for name, value in results.items()}
