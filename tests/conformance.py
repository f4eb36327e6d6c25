"""The worlds of the conformance tests. New simulators join `WORLDS`, new environments `envs.IDS`."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from habitat_worlds import look_alike_workers, real_workers
from small_house import places, small_episodes, small_house

from envs import conformance
from envs.conformance import difference
from envs.continuous import HousesSimulator, SceneCache, Sensors
from envs.graph import LowLevelGraph, PanoramicGraph
from envs.habitat.scenes import SceneFolder
from envs.habitat.settings import Workers
from envs.habitat.simulator import HabitatSimulator
from vln.episodes import Episode, load_split
from vln.features import ViewTable
from vln.graph import VIEWS, load_graphs
from vln.language import Vocabulary
from vln.tasks import Motion

HOUSES = ("one", "two", "three")


@dataclass(frozen=True)
class World(conformance.World):
    """A simulator under test, with episodes.

    Attributes:
        withheld: Episodes without goals.
        on_cpu: Whether it runs on the CPU alone; others take the keyword `device`.
    """

    withheld: Sequence[Episode] = ()
    on_cpu: bool = False

    def on(self, device: str) -> "World":
        """The same world on a device."""
        return replace(self, simulator=partial(self.simulator, device=device))


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
    return World(simulator, episodes, vocabulary, journeys=journeys, withheld=load_split(data, "test"))


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
        vocabulary,
        withheld=withheld,
        journeys=journeys,
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
    assert difference(here, there) is None


def withhold(episode: Episode) -> Episode:
    """The same episode without its goal."""
    return replace(episode, path=episode.path[:1], positions=episode.positions[:1])
