"""What is to be done: a frozen description of a task, and the registry of named ones."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from vln.data_folder import absolute_path, find_data_folder, is_path
from vln.errors import InputError
from vln.registry import Registry
from vln.tasks.rewards import REWARDS, ProgressReward, Reward
from vln.tasks.success import SUCCESS_RULES, SuccessRule, WithinRadius
from vln.vlnce_datasets import VLNCE

GRAPH = "graph"  # the simulator of navigation graphs
SCENES = ("graphs", "houses", "scans")  # where the built-in tasks have scenes from


@dataclass(frozen=True)
class Body:
    """The cylinder that walks in a continuous world."""

    radius: float = 0.1
    """Metres."""
    height: float = 1.5
    """Metres."""


@dataclass(frozen=True)
class Motion:
    """What the actions do in a continuous world."""

    forward: float = 0.25
    """Metres of a move."""
    turn: float = 15.0
    """Degrees of a turn."""
    sliding: bool = True
    """Slide along what blocks a move; otherwise stay where one is."""

    def check(self) -> None:
        """Check the numbers."""
        if not 0 < self.forward <= 10:
            raise InputError("motion", f"a move of {self.forward} m", "give a length above 0 and up to 10 m")
        if not 0 < self.turn <= 180:
            raise InputError("motion", f"a turn of {self.turn} degrees", "give an angle above 0 and up to 180 degrees")


@dataclass(frozen=True)
class Camera:
    """The camera of a body in a continuous world, level and looking ahead."""

    eye: float = 1.25
    """Metres above the feet."""
    hfov: float = 90.0
    """Horizontal field of view, degrees."""
    width: int = 256
    """Pixels of a row. Both give the shape of images; how large a policy sees them is `--policy.camera.size`."""
    height: int = 256
    """Pixels of a column."""

    def size(self, longer: int) -> tuple[int, int]:
        """Return width and height of an image of the same shape whose longer side has so many pixels."""
        width, height = (max(1, round(longer * side / max(self.width, self.height))) for side in self.shape)
        return width, height

    @property
    def shape(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height


@dataclass(frozen=True)
class Task:
    """What is to be done, and how it is judged. Body, motion and camera do not matter on navigation graphs."""

    name: str
    """Name of the task."""
    dataset: str
    """Data set of the episodes: its name, or the path of a folder in the format of R2R or VLN-CE."""
    scenes: str = "graphs"
    """Where episodes and scenes come from, a name in `envs.source.SCENES`: "graphs", "houses" or "scans"."""
    simulator: str = GRAPH
    """What moves the body: "graph"; in continuous worlds "embedded" (compiled, in this process) or "habitat"."""
    role: Literal["guide", "follower"] | None = None
    """Whose paths of rxr-ce, both of which come with the same instructions; the guide's if not given."""
    languages: tuple[Literal["en-US", "en-IN", "hi-IN", "te-IN"], ...] = ()
    """Languages of the instructions of rxr-ce; all if not given."""
    actions: Literal["panoramic", "low-level"] = "panoramic"
    """Action space: stop or move to a neighbouring viewpoint; or stop, turn and move ahead."""
    expert: Literal["goal", "reference"] = "goal"
    """Whom imitation follows on graphs: the shortest path to the goal, or the reference path."""
    body: Body = field(default_factory=Body)
    """The agent's body."""
    motion: Motion = field(default_factory=Motion)
    """Lengths of moves and turns."""
    camera: Camera = field(default_factory=Camera)
    """The agent's camera."""
    max_steps: int = 30
    """Actions of an episode, the stop included, after which it is cut off and scored."""
    reward: Reward = field(default=ProgressReward(), metadata={"registry": REWARDS})
    """Reward of a step."""
    success: SuccessRule = field(default=WithinRadius(), metadata={"registry": SUCCESS_RULES})
    """What decides whether an episode that ends has succeeded."""
    metrics: str = "graph"
    """How trajectories are scored: a metric set of `vln.tasks.scoring`."""
    privileged: tuple[str, ...] = ()
    """Labels of pixels that may be asked for in training and are hidden otherwise."""

    @property
    def title(self) -> str:
        """What tables call it: its name, and the folder of the data set if that is one."""
        folder = Path(self.dataset).name if is_path(self.dataset) else self.name
        return self.name if folder == self.name else f"{self.name} on {folder}"

    @property
    def continuous(self) -> bool:
        """Whether bodies walk in a continuous world rather than on a navigation graph."""
        return self.simulator != GRAPH

    def check(self) -> None:
        """Check what the task says."""
        if self.max_steps < 1:
            raise InputError("max_steps", f"is {self.max_steps}", "give 1 or more actions")
        if self.continuous:
            self.motion.check()
        for flag, wanted in (("--task.role", self.role), ("--task.languages", self.languages)):
            if wanted and self.dataset not in VLNCE:
                raise InputError(flag, f"'{self.dataset}' has but one", "leave it out")
        if not 0 < self.success.metres < math.inf:
            raise InputError("success", f"a radius of {self.success.metres} m", "give metres above 0")


TASKS: Registry[Task] = Registry("task")


def register_task(task: Task) -> Task:
    """Make a task known by its name."""
    return TASKS.register(task.name, task)


def find_task(name: str) -> Task:
    """Return the task of a name, of `module:attribute` or of the path of a data set.

    An attribute is a task, or a function without arguments that returns one. A data set on graphs has the task of R2R,
    one in scenes that of R2R in continuous environments, in the embedded simulator.
    """
    folder = find_data_folder("" if name in TASKS.names() or ":" in name else absolute_path(name, ()))
    if folder:
        like = replace(TASKS.find("r2r-ce"), simulator="embedded") if folder.continuous else TASKS.find("r2r")
        return with_data_folder(replace(like, name=folder.path.name, dataset=str(folder.path)))
    found: Task | Callable[[], Task] = TASKS.find(name)
    task = found if isinstance(found, Task) or not callable(found) else found()
    if not isinstance(task, Task):
        raise InputError(f"task '{name}'", f"is {type(task).__name__}, not a vln.tasks.Task", "name a task")
    return task


def with_data_folder(task: Task, data: Path | None = None) -> Task:
    """Return a task whose data set is a folder with its absolute path and its scenes; others as they are."""
    if task.scenes not in SCENES:
        return task
    dataset = absolute_path(task.dataset, {TASKS.find(each).dataset for each in TASKS.names()})
    folder = find_data_folder(dataset, data)
    if folder is None:
        return task
    if folder.continuous is not task.continuous:
        found, wanted = ("in scenes", "on graphs") if folder.continuous else ("on graphs", "in scenes")
        fix = f"take a task {found}, such as {'r2r-ce' if folder.continuous else 'r2r'}"
        raise InputError(folder.path, f"has episodes {found}, and task '{task.name}' is {wanted}", fix)
    return replace(task, dataset=dataset, scenes="scans" if folder.continuous else "graphs")
