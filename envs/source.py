"""Where the episodes and scenes of a task come from: what every source promises, and the registries by name."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from envs.simulator import Simulator
from vln.continuous_metrics import path_length
from vln.episodes import Episode
from vln.errors import InputError, unknown_name
from vln.features.table import ViewTable
from vln.graph import NavigationGraph
from vln.language import Unit, Vocabulary
from vln.registry import Registry
from vln.replay.plan import FloorPlan, Views
from vln.tasks import Task
from vln.tasks.scoring import Sources
from vln.trajectory import Trajectory


@dataclass(frozen=True)
class Options:
    """How the data of a task are opened."""

    data: Path | None = None  # data folder; the usual ones if None
    cache: Path | None = None  # folder of what is made of the data; the usual one if None
    # Scenes of training that are used, from the first; all of the data set's if None. `val_seen` is in those, the other
    # splits do not depend on it.
    scenes: int | None = None
    dev: bool = False  # take the scenes of split "dev" out of "train"
    vocabulary: Vocabulary | None = None  # of the instructions; that of the training instructions if None
    unit: Unit = "word"  # what a token of that is
    min_count: int = 5  # tokens rarer than this are not in it
    max_length: int = 80  # tokens of an instruction that are kept
    features: str = "none"  # what views look like on graphs: captions, captions-short, none, or a feature file
    feature_size: int | None = None  # numbers a view of a feature file; the usual ones if None
    views: bool = False  # show the features of views in the observation; agents may have their own table of them
    image_size: int = 64  # pixels of the longer side of images in continuous worlds
    memory: float = 2.0  # gigabytes of loaded scenes to keep
    blind: bool = False  # show nothing
    silent: bool = False  # hide the instructions
    scene_cache: Any = None  # loaded scenes (`envs.continuous.SceneCache`) to share; one of its own if None
    # What bodies in continuous worlds sense (`envs.continuous.Sensors`), instead of what the task says
    sensors: Any = None
    exported: Path | None = None  # folder that houses for habitat-sim are written to; the usual one if None
    workers: Any = None  # the processes of habitat-sim (`envs.habitat.settings.Workers`); the usual ones if None


class Source(ABC):
    """Episodes and scenes of a task; register subclasses with `SCENES.register`, which bring at least `episodes`."""

    splits: Collection[str] = ()  # names of the splits; empty where `episodes` itself refuses those that are not there
    # Navigation graphs that are loaded, in the order of the simulator; none in continuous worlds
    graphs: tuple[NavigationGraph, ...] = ()
    table: ViewTable | None = None  # what views look like; None where bodies have cameras
    labels: Mapping[str, int] = {}  # how many labels pixels may have, by name of the privileged image
    mixes: bool = False  # whether it can open episodes of other tasks that have the same kind of source

    def __init__(self, task: Task, options: Options) -> None:
        self.task, self.options = task, options
        self.word_vectors = (options.data or Path("data")) / "glove"

    @property
    def actions(self) -> int:
        """How many low-level actions there are."""
        return int(self.simulator(blind=True).action_space.n)

    @abstractmethod
    def episodes(self, split: str) -> Iterable[Episode]:
        """Load, or make, the episodes of a split, at least one; an InputError if it is not there or malformed."""

    def open(self, splits: Mapping[str, Sequence[Episode]]) -> None:  # noqa: B027 - may load with the first episode
        """Load what all environments of these episodes share."""

    @property
    def content(self) -> str:
        """What tells these data from other versions, e.g. a hash."""
        return self.task.dataset

    def simulator(self, *, blind: bool = False, labelled: bool = False, device: str = "cpu") -> Simulator:
        """Make a simulator: call what `SIMULATORS` has under the task's name with this source and these arguments.

        A `blind` one shows nothing, a `labelled` one also the privileged labels of pixels; it is on `device` if it can
        be.
        """
        shown = {"blind": blind or self.options.blind, "labelled": labelled, "device": device}
        return SIMULATORS.find(self.task.simulator)(self, **shown)

    @property
    def scoring(self) -> Sources:
        """What metrics may look up."""
        return Sources(self.options.data)

    def bad_episodes(self, episodes: Sequence[Episode]) -> Iterator[tuple[int, InputError]]:
        """Yield the numbers of episodes that do not fit their scenes, and what is wrong with each."""
        yield from ()

    def check(self, episodes: Sequence[Episode]) -> None:  # noqa: B027 - mostly, `open` has checked all
        """Check what would show no sooner than an episode is begun, so that a run does not end by it in an hour."""

    def path_length(self, episode: Episode) -> float:
        """Return the metres of a demonstration."""
        return path_length(np.array(episode.positions))

    def look(self, trajectory: Trajectory) -> tuple[FloorPlan, Views]:
        """Return the plan of a trajectory's scene, in the frame of maps, and what the agent saw, for replays."""
        fix = f"let {type(self).__name__} have a method `look`, as envs.source.Source says"
        raise InputError(f"scenes '{self.task.scenes}'", "cannot be drawn", fix)

    def sharing(self, other: "Source") -> Self:
        """Return the same source with what another one of its kind has loaded and can show it."""
        return copy(self)


SCENES: Registry[type[Source]] = Registry(
    "scene source",
    {
        "graphs": "envs.graph.source:GraphSource",
        "houses": "envs.continuous.source:HouseSource",
        "scans": "envs.continuous.scans:ScanSource",
    },
)
SIMULATORS: Registry[Any] = Registry(  # functions of a source and what `Source.simulator` of that source gives besides
    "simulator",
    {
        "graph": "envs.graph.source:graph_simulator",
        "embedded": "envs.continuous.source:embedded_simulator",
        "habitat": "envs.habitat.building:habitat_simulator",
    },
)


def load_split(source: Source, split: str) -> list[Episode]:
    """Return the episodes of a split."""
    if source.splits and split not in source.splits:
        raise unknown_name(f"task '{source.task.name}'", split, source.splits, "has no split '{}'")
    return list(source.episodes(split))


def of_first_scenes(episodes: Sequence[Episode], training: Sequence[Episode], count: int | None) -> list[Episode]:
    """Return the episodes in the first `count` scenes of training, by name; all if `count` is None."""
    wanted = set(sorted({each.scan for each in training})[:count])
    return [each for each in episodes if each.scan in wanted] if count is not None else list(episodes)
