"""The worlds that the conformance tests hold to what simulators promise, and walks through them.

New simulators join `WORLDS`, new environments `envs.IDS`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode

from envs.environment import NavigationEnv, NavigationVectorEnv
from envs.graph import LowLevelGraph, PanoramicGraph
from envs.simulator import Simulator
from vln.episodes import Episode, load_split
from vln.features import ViewTable
from vln.graph import VIEWS, load_graphs
from vln.language import Vocabulary

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
