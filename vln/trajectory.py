"""Trajectories: what an agent did in one episode and by what task, self-contained, one JSON object a line."""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from msgspec import Raw

from vln.configuration import as_json, from_json
from vln.episodes import Episode, KnownPart, goal_withheld
from vln.errors import InputError
from vln.files import append_json_lines, read_json_lines, write_json_lines
from vln.schema import OpenDistance, Place, Radians, Share, Whole, parse
from vln.tasks import TASKS, Task, find_task

AGAIN = "write the file again with scripts/evaluate.py"
FORMAT = "vln-trajectories-2"
HEAD = re.compile(rb'\s*\{\s*"format"')


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the agent is and looks."""

    viewpoint: str  # id of the panorama in a navigation graph; empty in a continuous world
    position: Place  # x, y, z in metres, in the simulator's frame
    heading: Radians  # radians (graph simulator: clockwise from +y)
    elevation: Radians  # radians above the horizon


@dataclass(frozen=True, slots=True)
class Step:
    """One decision and what came of it."""

    action: Whole  # index of the action in the environment's action space
    choice: str  # what the action meant: "stop", the viewpoint moved to, or the name of a low-level action
    pose: Pose
    collided: bool = False  # true if the world blocked the action
    # What each offered action meant, in the order of `probabilities`; empty if the agent gave none
    choices: tuple[str, ...] = ()
    probabilities: tuple[Share, ...] = ()  # the agent's distribution over `choices`
    word_attention: tuple[Share, ...] = ()  # attention over the trajectory's `words`, empty unless recorded
    # Attention over the views of the panorama before the action, empty unless recorded
    view_attention: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class _Record:
    """What a line of a file tells of an episode."""

    episode_id: str  # `instr_id` in R2R
    split: str
    scan: str  # building or scene
    scan_hash: str  # `NavigationGraph.content_hash` or the hash of the scene file
    instruction: str  # as written
    words: tuple[str, ...]  # the instruction as the agent read it
    reference: tuple[
        str, ...
    ]  # viewpoints of the demonstration, the start first; the start alone if the goal is withheld
    agent: str  # "navigator", "random", ...
    simulator: str  # "graph", "graph-low-level", ...
    seed: Whole  # of the rollout
    start: Pose  # before the first step
    steps: tuple[Step, ...]
    versions: dict[str, str] = field(default_factory=dict)  # name to version of what produced the trajectory
    reference_positions: tuple[Place, ...] = ()  # `reference` in a continuous world: places in metres, the start first
    # Geodesic metres to the goal at each of the T+1 poses, in a continuous world, infinite where there is no way (null
    # in files); empty where withheld.
    distances: tuple[OpenDistance, ...] = ()
    target: str = ""  # what was to be reached, for people; empty where unknown
    known: KnownPart | None = None  # what the data set tells of the way, as in `vln.episodes.Episode`


@dataclass(frozen=True, slots=True)
class Trajectory(_Record):
    """A recorded episode."""

    task: Task = field(kw_only=True)  # the task, by which the episode is scored and drawn

    @property
    def dataset(self) -> str:
        """Name of the data set, of a folder without the path to it."""
        return Path(self.task.dataset).name

    @property
    def withheld(self) -> bool:
        """Whether the goal is withheld."""
        return goal_withheld(self.known, self.reference or self.reference_positions)

    @property
    def poses(self) -> list[Pose]:
        """All T+1 poses, the start first."""
        return [self.start, *(step.pose for step in self.steps)]

    @property
    def stopped(self) -> bool:
        """Whether the agent ended the episode: it chose "stop", or one of several ways to ("stop yes")."""
        return bool(self.steps) and self.steps[-1].choice.partition(" ")[0] == "stop"

    @property
    def episode(self) -> Episode:
        """The episode, without sub-instructions."""
        return Episode(
            self.episode_id,
            self.scan,
            self.split,
            self.instruction,
            self.reference,
            self.start.heading,
            positions=self.reference_positions,
            target=self.target,
            known=self.known,
        )


def write_trajectories(path: Path, trajectories: Iterable[Trajectory]) -> None:
    """Write trajectories as JSON lines, whole or not at all.

    A line with the format and a task precedes the trajectories of that task, an object a line.
    """
    write_json_lines(path, _rows(trajectories))


def append_trajectories(path: Path, trajectories: Iterable[Trajectory]) -> None:
    """Add trajectories to a file of such, which need not be there."""
    append_json_lines(path, _rows(trajectories))


def _rows(trajectories: Iterable[Trajectory]) -> Iterator[dict[str, Any]]:
    task = None
    for each in trajectories:
        if each.task != task:
            task = each.task
            yield {"format": FORMAT, "task": as_json(task)}
        row = asdict(_record(each))
        yield row | {"distances": [metres if math.isfinite(metres) else None for metres in each.distances]}


def _record(trajectory: Trajectory) -> _Record:
    return _Record(**{each.name: getattr(trajectory, each.name) for each in fields(_Record)})


def read_trajectories(path: Path) -> list[Trajectory]:
    """Read the trajectories of a JSON-lines file."""
    task, trajectories = None, []
    for number, line in read_json_lines(path, Raw, AGAIN):
        place = f"line {number}"
        if HEAD.match(bytes(line)):
            task = _task(parse(line, _Head, path, AGAIN, place), path)
            continue
        record: _Record = parse(line, _Record if task else _OldRecord, path, AGAIN, place)
        _check_lengths(record, path, place)
        kept = {each.name: getattr(record, each.name) for each in fields(_Record)}
        of = task or _task_of_dataset(record, path)
        trajectories.append(Trajectory(**kept | {"distances": _open(record.distances)}, task=of))
    return trajectories


@dataclass(frozen=True)
class _Head:
    """The line before trajectories of a task."""

    format: str
    task: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _OldRecord(_Record):
    """A line of the version before, which names the data set and has no task."""

    dataset: str


def _task(head: _Head, path: Path) -> Task:
    if head.format != FORMAT:
        raise InputError(path, f"field 'format' is '{head.format}', not '{FORMAT}'", AGAIN)
    return from_json(Task, head.task, path, "task.", AGAIN)


def _task_of_dataset(record: _Record, path: Path) -> Task:
    """The task of a line without one: that of its data set."""
    dataset = getattr(record, "dataset", "")
    if dataset not in TASKS.names():
        raise InputError(path, f"is of an older version, and data set '{dataset}' has no task", AGAIN)
    return find_task(dataset)


def _check_lengths(record: _Record, path: Path, place: str) -> None:
    """Check the fields with a number for each of something, unless they are empty."""
    counted = [("distances", "poses", len(record.distances), len(record.steps) + 1)]
    for number, step in enumerate(record.steps):
        counted.append((f"steps[{number}].probabilities", "choices", len(step.probabilities), len(step.choices)))
    for name, of, found, wanted in counted:
        if found not in (0, wanted):
            raise InputError(path, f"field '{name}' of {place} has {found} numbers for {wanted} {of}", AGAIN)


def _open(distances: tuple[float | None, ...]) -> tuple[float, ...]:
    """Distances with the infinite ones, for which JSON has no number."""
    return tuple(math.inf if each is None else each for each in distances)
