"""Generated houses and their data sets, as a configuration wants them."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from rich.progress import track

from agents.agent import SamplingAgent
from agents.config import HOUSES, HousesConfig, TrainConfig
from agents.policies.factory import build_camera_navigator
from agents.policies.navigator import Navigator
from envs.continuous import ACTIONS, HousesSimulator, Motion, SceneCache, Sensors
from envs.continuous.base import ContinuousSimulator, bad_episodes
from envs.continuous.scenes import COLOUR_NAMES, ROOM_NAMES
from envs.environment import NavigationVectorEnv
from envs.habitat.check import check_habitat
from envs.habitat.scenes import house_scenes
from envs.habitat.simulator import HabitatSimulator
from envs.houses.categories import CATEGORIES
from envs.houses.dataset import VERSION, houses_folder, houses_for, houses_split
from scripts.world import World, vocabulary_of
from vln.console import Console
from vln.continuous_datasets import CONTINUOUS_DATASETS, ContinuousDataset
from vln.continuous_metrics import path_length, score_trajectories
from vln.episodes import Episode
from vln.errors import InputError
from vln.language import Vocabulary
from vln.trajectory import Trajectory

DEV = 10  # one in so many houses of training is held out by `--select dev`
GIGABYTE = 1024**3


@dataclass(frozen=True)
class HousesWorld(World):
    """Generated houses.

    Attributes:
        folder: Where word vectors are, if they are wanted.
        scenes: The houses that are loaded, shared by all environments.
    """

    folder: Path
    scenes: SceneCache

    @property
    def described(self) -> ContinuousDataset:
        """What the data set says of body, camera, motion and success."""
        return CONTINUOUS_DATASETS[self.config.dataset]

    @property
    def rules(self) -> Mapping[str, Any]:
        """The radius of success."""
        return {"success_distance": self.described.success}

    @property
    def content(self) -> str:
        """The data set and its version."""
        return f"{self.config.dataset} {VERSION}"

    @property
    def time_limit(self) -> int:
        """The data set's, which is that of its environments too."""
        return self.described.time_limit

    @property
    def patience(self) -> int:
        """Actions enough for agents that need no learning: there are no more for those that do."""
        return self.time_limit

    def simulator(self, *, blind: bool = False, named: bool = False, device: str = "cpu") -> ContinuousSimulator:
        """A simulator, whose tensors are on the CPU, whatever the device; a blind one draws nothing."""
        config = self.config
        sees = not blind and config.ablate != "vision"
        named = named and sees and config.learns_labels
        labels = dict.fromkeys(("category", "colour", "room", "target", "way"), named)
        sensors = replace(camera_of(self.described, config.navigator.camera.size), rgb=sees, depth=sees, **labels)
        return self.bodies(sensors, motion_of(self.described, config.world))

    def bodies(self, sensors: Sensors, motion: Motion) -> ContinuousSimulator:
        """The simulator that the configuration wants."""
        if self.config.world.simulator == "habitat":
            return HabitatSimulator(house_scenes(), sensors, motion)
        return HousesSimulator(sensors, motion, self.scenes)

    def without_bad_episodes(self) -> Self:
        """The same without episodes that do not fit their scenes, each of which is told."""
        blind = Sensors(rgb=False, depth=False)
        kept = {}
        for split, episodes in self.splits.items():
            bad = dict(bad_episodes(self.bodies(blind, Motion()), episodes))
            for error in bad.values():
                print(f"left out: {error}", file=sys.stderr)
            kept[split] = [episode for number, episode in enumerate(episodes) if number not in bad]
        return replace(self, splits=kept)

    def check(self) -> None:
        """Place a body at the start of every published episode, scene by scene; see `World.check`."""
        if self.config.dataset in HOUSES:
            return
        simulator = self.bodies(Sensors(rgb=False, depth=False), Motion())
        met: dict[str, list[Episode]] = {}
        for episode in (each for episodes in self.splits.values() for each in episodes):
            met.setdefault(episode.scan, []).append(episode)
        console = Console(stderr=True)
        for scan in track(met, "checking scenes", console=console, transient=True, disable=not console.is_terminal):
            for _, error in bad_episodes(simulator, met[scan]):
                raise error
        simulator.resize(0)  # lets go of what runs in other processes

    def navigator(self) -> Navigator:
        """A navigator with fresh weights."""
        labels = {"category": len(CATEGORIES), "colour": len(COLOUR_NAMES), "room": len(ROOM_NAMES)}
        return build_camera_navigator(self.config, self.vocabulary, labels, self.folder / "glove", len(ACTIONS))

    def random(
        self, split: str, num_envs: int, expert: Sequence[Trajectory]
    ) -> tuple[SamplingAgent, NavigationVectorEnv]:
        """An agent that draws actions as often as the expert takes them, and an environment with nothing to see."""
        taken = [step.action for trajectory in expert for step in trajectory.steps]
        counts = np.bincount(taken, minlength=len(ACTIONS))
        env = self.environment(split, num_envs, record=True, blind=True)
        return SamplingAgent(counts / counts.sum()), env

    def scores(self, split: str, trajectories: Sequence[Trajectory]) -> dict[str, np.ndarray]:
        """Metrics of each episode of a split."""
        return score_trajectories(trajectories, self.described.success)

    def sharing(self, other: Self) -> Self:
        """The same world, with the houses that another one has loaded; those to be drawn serve a blind agent too."""
        return replace(self, scenes=other.scenes) if other.scenes.drawn else self

    def path_lengths(self, split: str) -> np.ndarray:
        """Metres along the places of the demonstrations."""
        return np.array([path_length(episode.positions) for episode in self.splits[split]])


def camera_of(described: ContinuousDataset, size: int) -> Sensors:
    """The camera of a data set, with images of so many pixels on their longer side.

    Raises:
        InputError: If no image can be so large.
    """
    width, height = (max(1, round(size * side / max(described.image))) for side in described.image)
    return Sensors(width, height, hfov=described.hfov, eye=described.eye)


def motion_of(described: ContinuousDataset, wanted: HousesConfig) -> Motion:
    """What actions do: as the data set has it, but for what a configuration tells.

    Raises:
        InputError: If that is no move and no turn.
    """
    forward = described.forward if wanted.forward is None else wanted.forward
    turn = described.turn if wanted.turn is None else wanted.turn
    return Motion(forward, turn, described.sliding if wanted.sliding is None else wanted.sliding)


def open_houses_world(
    config: TrainConfig,
    folder: Path | None,
    splits: Sequence[str],
    vocabulary: Vocabulary | None = None,
    cache: Path | None = None,
) -> HousesWorld:
    """Make what a configuration needs; the vocabulary is that of the training instructions unless given.

    Args:
        config: The configuration.
        folder: Where word vectors are, if they are wanted.
        splits: Names of the splits.
        vocabulary: Of the instructions.
        cache: Folder of caches, in whose `houses/` the data sets are; see `vln.data.cache_folder`.

    Raises:
        InputError: If a split is unknown, the data set is of another version, no image can be so large, or habitat-sim
            is asked for and not there.
    """
    if config.world.simulator == "habitat":
        check_habitat()
    # An absurd size is told of before anything is made, or a network that large is asked for.
    camera_of(CONTINUOUS_DATASETS[config.dataset], config.navigator.camera.size)
    generated = houses_folder(cache)
    episodes = {split: load_houses(config, split, generated) for split in splits}
    vocabulary = vocabulary or vocabulary_of(config, episodes)
    memory = int(config.world.memory * GIGABYTE)
    scenes = SceneCache(drawn=config.ablate != "vision", memory=memory)
    return HousesWorld(config, episodes, vocabulary, folder or Path("data"), scenes)


def load_houses(config: TrainConfig, split: str, folder: Path) -> list[Episode]:
    """Episodes of a split; `dev` is `train` in its last houses, which `--select dev` takes out of it.

    Raises:
        InputError: If that leaves no house to train on.
    """
    source = "train" if split == "dev" else split
    episodes = houses_split(source, config.dataset, folder, houses_for(source, config.world.houses))
    if split == "dev" or (config.select == "dev" and source in ("train", "val_seen")):
        trains = source == "train"
        training = episodes if trains else houses_split("train", config.dataset, folder, config.world.houses)
        held_out = last_houses(sorted({episode.scan for episode in training}))
        return [episode for episode in episodes if (episode.scan in held_out) == (split == "dev")]
    return episodes


def last_houses(scans: Sequence[str]) -> set[str]:
    """Those of the houses of training that `dev` is in.

    Raises:
        InputError: If there are no others.
    """
    if len(scans) < 2:
        raise InputError("--select", "'dev' takes the only house of training", "give --world.houses 2 or more")
    return set(scans[-max(1, len(scans) // DEV) :])
