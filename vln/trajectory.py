"""Trajectories: everything an agent did in one episode, self-contained, one JSON object a line."""

from collections.abc import Iterable
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from vln.episodes import Known, goal_withheld
from vln.errors import InputError
from vln.files import read_json_lines, write_json_lines


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
    position: tuple[float, float, float]
    heading: float
    elevation: float


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

    action: int
    choice: str
    pose: Pose
    collided: bool = False
    choices: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    word_attention: tuple[float, ...] = ()
    view_attention: tuple[float, ...] = ()


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
        distances: Geodesic metres to the goal at each of the T+1 poses, in a continuous world; empty where withheld.
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
    seed: int
    start: Pose
    steps: tuple[Step, ...]
    versions: dict[str, str] = field(default_factory=dict)
    reference_positions: tuple[tuple[float, float, float], ...] = ()
    distances: tuple[float, ...] = ()
    target: str = ""
    known: Known | None = None

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
    write_json_lines(path, (asdict(trajectory) for trajectory in trajectories))


def read_trajectories(path: Path) -> list[Trajectory]:
    """The trajectories of a JSON-lines file.

    Raises:
        InputError: If a line is not JSON, lacks a field or has an unknown one.
    """
    trajectories = []
    for number, row in read_json_lines(path):
        try:
            trajectories.append(_trajectory(row))
        except (TypeError, ValueError) as error:
            problem = f"line {number} is not a trajectory ({error})"
            raise InputError(path, problem, "write the file again with scripts/evaluate.py") from None
    return trajectories


def _trajectory(row: Any) -> Trajectory:
    values = _fields(Trajectory, row)
    parsed = {"start": _pose(values["start"]), "steps": tuple(map(_step, values["steps"]))}
    places = tuple(_place(place) for place in values.get("reference_positions", ()))
    return Trajectory(**values | parsed | {"reference_positions": places})


def _step(row: Any) -> Step:
    values = _fields(Step, row)
    return Step(**values | {"pose": _pose(values["pose"])})


def _pose(row: Any) -> Pose:
    values = _fields(Pose, row)
    return Pose(
        str(values["viewpoint"]), _place(values["position"]), float(values["heading"]), float(values["elevation"])
    )


def _place(row: Any) -> tuple[float, float, float]:
    x, y, z = map(float, row)
    return x, y, z


def _fields(kind: type, row: Any) -> dict[str, Any]:
    """The fields of a JSON object, lists as tuples, checked by name against a dataclass."""
    name, (known, required) = kind.__name__.lower(), _names(kind)
    if not isinstance(row, dict):
        raise TypeError(f"a {name} is not an object")
    if missing := sorted(required - row.keys()):
        raise ValueError(f"a {name} lacks the field '{missing[0]}'")
    if unknown := sorted(row.keys() - known):
        raise ValueError(f"a {name} has the unknown field '{unknown[0]}'")
    return {field_name: tuple(value) if isinstance(value, list) else value for field_name, value in row.items()}


@cache
def _names(kind: type) -> tuple[frozenset[str], frozenset[str]]:
    """All fields of a dataclass, and those without a default."""
    every = fields(kind)
    required = [item.name for item in every if item.default is MISSING and item.default_factory is MISSING]
    return frozenset(item.name for item in every), frozenset(required)
