"""Generated houses and their data sets, as the source of a task."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from envs.continuous.base import ContinuousSimulator, bad_episodes
from envs.continuous.scenes import COLOUR_NAMES, ROOM_NAMES, SceneCache
from envs.continuous.settings import ACTIONS, Sensors
from envs.continuous.simulator import HousesSimulator
from envs.houses.categories import CATEGORIES
from envs.houses.dataset import VERSION, houses_folder, houses_for, houses_split
from envs.source import SIMULATORS, Options, Source
from vln.episodes import Episode
from vln.errors import InputError
from vln.tasks import Camera, Task

DEV = 10  # one in so many houses of training is in split "dev"
GIGABYTE = 1024**3
BLIND = Sensors(rgb=False, depth=False)


class ContinuousSource(Source):
    """What all sources of continuous worlds share: cameras, labels of pixels, loaded scenes."""

    actions = len(ACTIONS)
    labels: Mapping[str, int] = {"category": len(CATEGORIES), "colour": len(COLOUR_NAMES), "room": len(ROOM_NAMES)}

    def __init__(self, task: Task, options: Options) -> None:
        """Check what can be checked before anything is made."""
        super().__init__(task, options)
        sensors_of(task.camera, options.image_size)
        if task.simulator == "habitat":
            from envs.habitat.check import check_habitat

            check_habitat(options.workers)

    @cached_property
    def cache(self) -> SceneCache:
        """The scenes that are loaded, shared by all environments."""
        shared: SceneCache | None = self.options.scene_cache
        return self._new_cache(int(self.options.memory * GIGABYTE)) if shared is None else shared

    def _new_cache(self, memory: int) -> SceneCache:
        return SceneCache(drawn=not self.options.blind, memory=memory)

    def simulator(self, *, blind: bool = False, labelled: bool = False, device: str = "cpu") -> ContinuousSimulator:
        """Make a simulator, whose tensors are on the CPU, whatever the device; a blind one draws nothing."""
        given: Sensors | None = self.options.sensors
        sees = not blind and not self.options.blind
        usual = sensors_of(self.task.camera, self.options.image_size)
        labels = dict.fromkeys(self.task.privileged, labelled and sees)
        return self._with(given or replace(usual, rgb=sees, depth=sees, **labels))

    def _with(self, sensors: Sensors) -> ContinuousSimulator:
        return SIMULATORS.find(self.task.simulator)(self, sensors)

    def bad_episodes(self, episodes: Sequence[Episode]) -> Iterator[tuple[int, InputError]]:
        """Yield the episodes that do not fit their scenes."""
        return bad_episodes(self._with(BLIND), episodes)

    def room_names(self, scan: str, positions: np.ndarray) -> list[str]:
        """Return the category of the room at each position (N, 3); empty in doorways and where rooms are unknown."""
        layout = self.cache.get(scan).layout
        if layout is None:
            return [""] * len(positions)
        return ["" if room < 0 else layout.scene.rooms[room].category for room in layout.rooms_at(positions).tolist()]

    def sharing(self, other: Source) -> Self:
        """Return the same source with the scenes of another; those to be drawn serve a blind agent too."""
        made = super().sharing(other)
        if isinstance(other, ContinuousSource) and other.cache.drawn:
            made.__dict__["cache"] = other.cache
        return made


class HouseSource(ContinuousSource):
    """Generated houses."""

    mixes = True

    @property
    def folder(self) -> Path:
        """Where data sets are kept."""
        return houses_folder(self.options.cache)

    @property
    def content(self) -> str:
        """The data set and its version."""
        return f"{self.task.dataset} {VERSION}"

    def episodes(self, split: str) -> list[Episode]:
        """Make the episodes of a split; "dev" is "train" in its last houses."""
        source = "train" if split == "dev" else split
        episodes = self._split(source)
        if split == "dev" or (self.options.dev and source in ("train", "val_seen")):
            training = episodes if source == "train" else self._split("train")
            held_out = last_houses(sorted({each.scan for each in training}))
            return [each for each in episodes if (each.scan in held_out) == (split == "dev")]
        return episodes

    def _split(self, split: str) -> list[Episode]:
        return houses_split(split, self.task.dataset, self.folder, houses_for(split, self.options.scenes))


def embedded_simulator(source: ContinuousSource, sensors: Sensors) -> HousesSimulator:
    """Make the compiled simulator."""
    return HousesSimulator(sensors, source.task.motion, source.cache)


def sensors_of(camera: Camera, size: int) -> Sensors:
    """Return a task's camera, with images of so many pixels on their longer side."""
    width, height = camera.size(size)
    return Sensors(width, height, hfov=camera.hfov, eye=camera.eye)


def last_houses(scans: Sequence[str]) -> set[str]:
    """Return the houses of training that "dev" is in."""
    if len(scans) < 2:
        raise InputError("--select", "'dev' takes the only house of training", "give --scenes 2 or more")
    return set(scans[-max(1, len(scans) // DEV) :])
