"""R2R and RxR in continuous environments, as a configuration wants them: scans of Matterport3D, in either simulator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from agents.config import TrainConfig
from envs.continuous import HousesSimulator, Motion, SceneCache, Sensors
from envs.continuous.base import ContinuousSimulator
from envs.glb.stage import SUFFIX as STAGE
from envs.habitat.check import check_habitat, open_scene
from envs.habitat.scenes import SceneFolder, matterport_scenes
from envs.habitat.simulator import HabitatSimulator
from envs.navigation import Body
from envs.scene import Scene
from envs.scenes import load_scene
from scripts.houses_world import GIGABYTE, HousesWorld
from scripts.world import vocabulary_of
from vln.continuous_datasets import VLNCE, ContinuousDataset
from vln.language import Vocabulary
from vln.trajectory import Trajectory
from vln.vlnce import ContinuousSplit, find_vlnce, load_continuous_split
from vln.vlnce_scores import score_vlnce_trajectories

UP = "z"  # of files without a stage_config, as habitat-sim takes them, and as Matterport3D's are


@dataclass(frozen=True)
class VlnceWorld(HousesWorld):
    """Scans.

    Attributes:
        files: Where they are.
        tasks: The splits as published.
    """

    files: SceneFolder
    tasks: Mapping[str, ContinuousSplit]

    @property
    def content(self) -> str:
        """The data set and its version."""
        return f"{self.config.dataset} {next(iter(self.tasks.values())).source.parent.parent.name}"

    def bodies(self, sensors: Sensors, motion: Motion) -> ContinuousSimulator:
        """The simulator that the configuration wants."""
        if self.config.world.simulator == "habitat":
            return HabitatSimulator(self.files, sensors, motion, body=body_of(self.described))
        return HousesSimulator(sensors, motion, self.scenes)

    def scores(self, split: str, trajectories: Sequence[Trajectory]) -> dict[str, np.ndarray]:
        """Metrics of each episode of a split, compared with the ground truth."""
        return score_vlnce_trajectories(self.tasks[split], trajectories)


def body_of(described: ContinuousDataset) -> Body:
    """The body that walks in a data set."""
    return Body(described.radius, described.height)


def load_scan(files: SceneFolder, name: str) -> Scene:
    """A scan as the embedded simulator uses it.

    Raises:
        InputError: If it is missing or malformed.
    """
    file = files.file(name)
    return load_scene(file, up=None if file.name.endswith(STAGE) else UP)


def scans(data: Path) -> SceneFolder:
    """The scans in a data folder."""
    return matterport_scenes(data / "scene_datasets" / "mp3d")


def open_vlnce_world(
    config: TrainConfig, folder: Path | None, splits: Sequence[str], vocabulary: Vocabulary | None = None
) -> VlnceWorld:
    """Load what a configuration needs; the vocabulary is that of the training instructions unless given.

    Raises:
        InputError: If data or scenes are missing or malformed, or habitat-sim is asked for and not there.
    """
    if config.world.simulator == "habitat":
        check_habitat()
    data = find_vlnce(folder)
    tasks = {
        split: load_continuous_split(data, config.dataset, split, role=config.role, languages=config.languages)
        for split in splits
    }
    episodes = {split: task.episodes for split, task in tasks.items()}
    files = scans(data)
    for scan in sorted({episode.scan for split in episodes.values() for episode in split}):
        files.file(scan)  # tells which is missing before anything long begins
    if config.world.simulator == "habitat":
        open_scene(files, next(iter(episodes.values()))[0].scan, body_of(VLNCE[config.dataset]))
    memory = int(config.world.memory * GIGABYTE)
    scenes = SceneCache(
        partial(load_scan, files), body_of(VLNCE[config.dataset]), drawn=config.ablate != "vision", memory=memory
    )
    return VlnceWorld(config, episodes, vocabulary or vocabulary_of(config, episodes), data, scenes, files, tasks)
