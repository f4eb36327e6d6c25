"""Navigation graphs and their data sets, as a configuration wants them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gymnasium.vector import AutoresetMode

from agents.agent import RandomAgent
from agents.config import TrainConfig
from agents.policies.factory import build_navigator
from agents.policies.navigator import Navigator
from envs.environment import NavigationVectorEnv
from envs.graph import LOW_LEVEL_ACTIONS, LowLevelGraph, PanoramicGraph
from envs.registry import GRAPH_SIMULATORS
from scripts.world import World, vocabulary_of
from vln.continuous_metrics import path_length
from vln.data import find_data, split_file
from vln.episodes import Episode, check_episodes, load_episodes
from vln.errors import InputError
from vln.features import ViewTable, blind_table, open_features
from vln.graph import NavigationGraph, load_graphs
from vln.language import Vocabulary
from vln.metrics import score_paths
from vln.trajectory import Trajectory

# Training buildings held out by `--select dev`.
DEV_SCANS = ("VLzqgDo317F", "VzqfbhrpDEA", "29hnd4uzFmX", "JmbYfDe2QKZ", "cV4RVeZvu5T", "b8cTxDM8gDG")
PATIENCE = 100  # actions, enough for any episode


@dataclass(frozen=True)
class GraphWorld(World):
    """Navigation graphs.

    Attributes:
        data: The data folder.
        graphs: Buildings of all splits.
        table: What views look like.
    """

    data: Path
    graphs: Mapping[str, NavigationGraph]
    table: ViewTable

    @property
    def content(self) -> str:
        """Hash of what views look like."""
        return self.table.source_hash

    @property
    def patience(self) -> int:
        """Actions enough for agents that need no learning."""
        return PATIENCE

    def simulator(
        self, *, blind: bool = False, named: bool = False, device: str = "cpu"
    ) -> PanoramicGraph | LowLevelGraph:
        """A simulator of all the buildings.

        The agent has its own table of what views look like, so that there is nothing to hide from a blind one.
        """
        simulator = GRAPH_SIMULATORS[self.config.actions]
        return simulator(list(self.graphs.values()), expert=self.config.expert, device=device)

    def navigator(self) -> Navigator:
        """A navigator with fresh weights."""
        low_level = len(LOW_LEVEL_ACTIONS) if self.config.actions == "low-level" else 0
        graphs = list(self.graphs.values())
        return build_navigator(self.config, self.vocabulary, self.table, graphs, self.data / "glove", low_level)

    def random(
        self, split: str, num_envs: int, expert: Sequence[Trajectory]
    ) -> tuple[RandomAgent, NavigationVectorEnv]:
        """The random agent of Anderson et al. 2018 and its low-level environment."""
        right, forward, stop = (LOW_LEVEL_ACTIONS.index(name) for name in ("right", "forward", "stop"))
        env = NavigationVectorEnv(
            LowLevelGraph(list(self.graphs.values())),
            self.splits[split],
            self.vocabulary,
            num_envs,
            max_steps=PATIENCE,
            autoreset_mode=AutoresetMode.DISABLED,
            record=True,
        )
        return RandomAgent(right, forward, stop), env

    def scores(self, split: str, trajectories: Sequence[Trajectory]) -> dict[str, np.ndarray]:
        """Metrics of each episode of a split."""
        paths = [[pose.viewpoint for pose in trajectory.poses] for trajectory in trajectories]
        return score_paths(self.graphs, self.splits[split], paths)

    def path_lengths(self, split: str) -> np.ndarray:
        """Metres along the edges of the demonstrations."""
        pairs = [(self.graphs[episode.scan], episode.path) for episode in self.splits[split]]
        return np.array([path_length(graph.positions[[graph.index[each] for each in path]]) for graph, path in pairs])


def open_graph_world(
    config: TrainConfig,
    folder: Path | None,
    splits: Sequence[str],
    vocabulary: Vocabulary | None = None,
    cache: Path | None = None,
) -> GraphWorld:
    """Load what a configuration needs; the vocabulary is that of the training instructions unless given.

    Raises:
        InputError: If data are missing or malformed.
    """
    data = find_data(folder)
    episodes = load_splits(config, data, splits)
    scans = sorted({episode.scan for split in episodes.values() for episode in split})
    graphs = load_graphs(data / "connectivity", scans)
    for split, found in episodes.items():
        check_episodes(source_of(config, data, split), found, graphs)
    vocabulary = vocabulary or vocabulary_of(config, episodes)
    blind = config.ablate == "vision"
    table = blind_table() if blind else open_features(config.features, data, cache, feature_size=config.feature_size)
    return GraphWorld(config, episodes, vocabulary, data, graphs, table)


def source_of(config: TrainConfig, data: Path, split: str) -> Path:
    """The file of a split; `dev` is a part of `train`."""
    return split_file(data, config.dataset, "train" if split == "dev" else split)


def load_splits(config: TrainConfig, data: Path, splits: Sequence[str]) -> dict[str, list[Episode]]:
    """Episodes by split; `dev` is the part of `train` in `DEV_SCANS`, which `--select dev` takes out of `train`."""
    found: dict[str, list[Episode]] = {}
    for split in splits:
        source = source_of(config, data, split)
        episodes = load_episodes(source, split)
        if split == "dev":
            episodes = [episode for episode in episodes if episode.scan in DEV_SCANS]
        elif split == "train" and config.select == "dev":
            episodes = [episode for episode in episodes if episode.scan not in DEV_SCANS]
        if not episodes:
            raise InputError(source, f"has no episodes of split '{split}'", "choose another split or data set")
        found[split] = episodes
    return found
