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
from vln.files import read_json_lines, write_json_lines
from vln.schema import OpenDistance, Place, Radians, Share, Whole, parse
from vln.tasks import TASKS, Task, find_task

AGAIN = "write the file again with scripts/evaluate.py"
FORMAT = "vln-trajectories-2"
HEAD = re.compile(rb'\s*\{\s*"format"')


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the agent is and looks.

    Attributes:
        viewpoint: Id of the panorama in a navigation graph; empty in a continuous world.
        position: x, y, z in metres, in the simulator's frame.
        heading: Radians (graph simulator: clockwise from +y).
        elevation: Radians above the horizon.
    """

    viewpoint: str
    position: Place
    heading: Radians
    elevation: Radians


@dataclass(frozen=True, slots=True)
class Step:
    """One decision and what came of it.

    Attributes:
        action: Index of the action in the environment's action space.
        choice: What the action meant: "stop", the viewpoint moved to, or the name of a low-level action.
        pose: Pose after the action.
        collided: True if the world blocked the action.
        choices: What each offered action meant, in the order of `probabilities`; empty if the agent gave none.
        probabilities: The agent's distribution over `choices`.
        word_attention: Attention over the trajectory's `words`, empty unless recorded.
        view_attention: Attention over the views of the panorama before the action, empty unless recorded.
    """

    action: Whole
    choice: str
    pose: Pose
    collided: bool = False
    choices: tuple[str, ...] = ()
    probabilities: tuple[Share, ...] = ()
    word_attention: tuple[Share, ...] = ()
    view_attention: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class _Record:
    """What a line of a file tells of an episode."""

    episode_id: str
    split: str
    scan: str
    scan_hash: str
    instruction: str
    words: tuple[str, ...]
    reference: tuple[str, ...]
    agent: str
    simulator: str
    seed: Whole
    start: Pose
    steps: tuple[Step, ...]
    versions: dict[str, str] = field(default_factory=dict)
    reference_positions: tuple[Place, ...] = ()
    distances: tuple[OpenDistance, ...] = ()
    target: str = ""
    known: KnownPart | None = None


@dataclass(frozen=True, slots=True)
class Trajectory(_Record):
    """A recorded episode.

    Attributes:
        task: The task, by which the episode is scored and drawn.
        episode_id: Id of the episode (`instr_id` in R2R).
        split: Name of the split.
        scan: Building or scene.
        scan_hash: `NavigationGraph.content_hash` or the hash of the scene file.
        instruction: The sentence, as written.
        words: The instruction as the agent read it.
        reference: Viewpoints of the demonstration, the start first; the start alone where the goal is withheld.
        agent: Name of the agent ("navigator", "random", ...).
        simulator: Name of the simulator ("graph", "graph-low-level", ...).
        seed: Seed of the rollout.
        start: Pose before the first step.
        steps: The steps, in order.
        versions: Name to version of what produced the trajectory.
        reference_positions: What `reference` is in a continuous world: places in metres, the start first.
        distances: Geodesic metres to the goal at each of the T+1 poses, in a continuous world, infinite where there is
            no way (null in files); empty where withheld.
        target: What was to be reached, for people; empty where unknown.
        known: What the data set tells of the way, as in `vln.episodes.Episode`.
    """

    task: Task = field(kw_only=True)

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
    """Read the trajectories of a JSON-lines file.

    Raises:
        InputError: If a line is not JSON, lacks a field, has an unknown one, or one of a wrong type, range or length,
            or if the file is of an older version and of a data set that has no task.
    """
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
