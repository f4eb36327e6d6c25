"""Navigation graphs and data sets in R2R's format, as the source of a task."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from envs.graph import LOW_LEVEL_ACTIONS, LowLevelGraph, PanoramicGraph
from envs.source import SIMULATORS, Options, Source, of_first_scenes
from vln.continuous_metrics import path_length
from vln.data import find_data, split_file
from vln.data_folder import is_path
from vln.episodes import Episode, check_episodes, load_episodes
from vln.errors import InputError
from vln.features import open_features
from vln.graph import NavigationGraph, load_graphs
from vln.tasks import Task
from vln.tasks.scoring import Sources

ACTIONS: dict[str, type[PanoramicGraph] | type[LowLevelGraph]] = {
    "panoramic": PanoramicGraph,
    "low-level": LowLevelGraph,
}
# Training buildings of split "dev".
DEV_SCANS = ("VLzqgDo317F", "VzqfbhrpDEA", "29hnd4uzFmX", "JmbYfDe2QKZ", "cV4RVeZvu5T", "b8cTxDM8gDG")


class GraphSource(Source):
    """Navigation graphs of a data folder. An agent has its own table of what views look like."""

    actions = len(LOW_LEVEL_ACTIONS)
    mixes = True

    def __init__(self, task: Task, options: Options) -> None:
        """Find the data folder."""
        super().__init__(task, options)
        self.data = find_data(options.data, task.dataset)
        self._divided = not is_path(task.dataset)  # "dev" is a part of "train", not a split of its own
        self._by_scan: dict[str, NavigationGraph] = {}
        self.word_vectors = self.data / "glove"

    def file(self, split: str) -> Path:
        """Return the file of a split; "dev" is a part of "train", but in a folder of one's own."""
        return split_file(self.data, self.task.dataset, "train" if split == "dev" and self._divided else split)

    def episodes(self, split: str) -> list[Episode]:
        """Load the episodes of a split; "dev" is the part of "train" in `DEV_SCANS`."""
        source, count = self.file(split), self.options.scenes
        episodes = load_episodes(source, split)
        if count is not None and split in ("train", "val_seen"):
            training = episodes if split == "train" else load_episodes(self.file("train"), "train")
            episodes = of_first_scenes(episodes, training, count)
        if self._divided and (split == "dev" or (split == "train" and self.options.dev)):
            episodes = [each for each in episodes if (each.scan in DEV_SCANS) == (split == "dev")]
        if not episodes:
            raise InputError(source, f"has no episodes of split '{split}'", "choose another split or data set")
        return episodes

    def open(self, splits: Mapping[str, Sequence[Episode]]) -> None:
        """Load the graphs of all splits, and what views look like."""
        scans = sorted({each.scan for episodes in splits.values() for each in episodes})
        graphs = self._by_scan = load_graphs(self.data / "connectivity", scans)
        for split, episodes in splits.items():
            check_episodes(self.file(split), episodes, graphs)
        self.graphs = tuple(graphs.values())
        of, shown = self.options, scans if self.options.views else None
        features = "none" if of.blind else of.features
        self.table = open_features(features, self.data, of.cache, shown, of.feature_size)

    @property
    def content(self) -> str:
        """Hash of what views look like."""
        return self.table.source_hash if self.table else ""

    def simulator(
        self, *, blind: bool = False, labelled: bool = False, device: str = "cpu"
    ) -> PanoramicGraph | LowLevelGraph:
        """Make a simulator of all the buildings."""
        return SIMULATORS.find(self.task.simulator)(self, device)

    @property
    def scoring(self) -> Sources:
        """The graphs that are loaded."""
        return Sources(self.data, self._by_scan)

    def path_length(self, episode: Episode) -> float:
        """Return metres along the edges of a demonstration."""
        graph = self._by_scan[episode.scan]
        return path_length(graph.positions[np.array([graph.index[each] for each in episode.path])])


def graph_simulator(source: Source, device: str) -> PanoramicGraph | LowLevelGraph:
    """Make the simulator of navigation graphs."""
    table = source.table if source.options.views else None
    return ACTIONS[source.task.actions](source.graphs, table, expert=source.task.expert, device=device)
