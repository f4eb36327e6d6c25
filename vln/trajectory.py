"""Trajectories: everything an agent did in one episode, self-contained, one JSON object a line."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from vln.episodes import KnownPart, goal_withheld
from vln.errors import InputError
from vln.files import read_json_lines, write_json_lines
from vln.schema import OpenDistance, Place, Radians, Share, Whole

AGAIN = "write the file again with scripts/evaluate.py"


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
class Trajectory:
    """One episode as an agent lived it.

    Attributes:
        episode_id: Id of the episode (`instr_id` in R2R).
        dataset: Name of the data set, e.g. "r2r".
        split: Name of the split.
        scan: Building or scene.
        scan_hash: `NavigationGraph.content_hash` or the hash of the scene file.
        instruction: The sentence, as written.
        words: The instruction as the agent read it.
        reference: Viewpoints of the demonstration, the start first; the start alone where the goal is withheld.
        agent: Name of the agent ("navigator", "random", ...).
        simulator: Name of the simulator ("graph", "graph-low-level", ...).
        versions: Name to version of what produced the trajectory.
        reference_positions: What `reference` is in a continuous world: places in metres, the start first.
        distances: Geodesic metres to the goal at each of the T+1 poses, in a continuous world, infinite where there is
            no way (null in files); empty where withheld.
        target: What was to be reached, for people; empty where unknown.
        known: What the data set tells of the way, as in `vln.episodes.Episode`.
        seed: Seed of the rollout.
        start: Pose before the first step.
        steps: The steps, in order.
    """

    episode_id: str
    dataset: str
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

    @property
    def withheld(self) -> bool:
        """Whether the goal is not told."""
        return goal_withheld(self.known, self.reference or self.reference_positions)

    @property
    def poses(self) -> list[Pose]:
        """All T+1 poses, the start first."""
        return [self.start, *(step.pose for step in self.steps)]


def write_trajectories(path: Path, trajectories: Iterable[Trajectory]) -> None:
    """Write trajectories as JSON lines, whole or not at all."""
    write_json_lines(path, map(_row, trajectories))


def _row(trajectory: Trajectory) -> dict[str, Any]:
    """A trajectory as its JSON object."""
    row = asdict(trajectory)
    return row | {"distances": [each if math.isfinite(each) else None for each in trajectory.distances]}


def read_trajectories(path: Path) -> list[Trajectory]:
    """The trajectories of a JSON-lines file.

    Raises:
        InputError: If a line is not JSON, lacks a field, has an unknown one, or one of a wrong type, range or length.
    """
    trajectories = []
    for number, trajectory in read_json_lines(path, Trajectory, AGAIN):
        for field_name, of, found, wanted in _lengths(trajectory):
            if found not in (0, wanted):
                problem = f"field '{field_name}' of line {number} has {found} numbers for {wanted} {of}"
                raise InputError(path, problem, AGAIN)
        trajectories.append(_open(trajectory))
    return trajectories


def _lengths(trajectory: Trajectory) -> Iterator[tuple[str, str, int, int]]:
    """Fields with a number for each of something, unless they are empty: how many there are, and should be."""
    yield "distances", "poses", len(trajectory.distances), len(trajectory.steps) + 1
    for place, step in enumerate(trajectory.steps):
        yield f"steps[{place}].probabilities", "choices", len(step.probabilities), len(step.choices)


def _open(trajectory: Trajectory) -> Trajectory:
    """With the infinite distances that JSON has no number for."""
    told: tuple[float | None, ...] = trajectory.distances
    if None not in told:
        return trajectory
    return replace(trajectory, distances=tuple(math.inf if each is None else each for each in told))
