"""Replays of continuous worlds: trajectories with the plan of their scene and the views drawn anew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from envs.continuous.floorplan import floor_plan, render_views
from envs.continuous.scenes import BODY, body_of
from envs.continuous.settings import Sensors
from envs.navigation import Body, build_ground
from envs.render import PackedScene, pack
from envs.scene import Scene
from envs.scenes import load_scene
from envs.source import SCENES, Options
from vln.errors import InputError
from vln.replay.episode import HouseReplay
from vln.replay.plan import FloorPlan, Views
from vln.replay.select import Run, Selection, replay_houses
from vln.tasks import Task
from vln.tasks.scoring import Sources
from vln.trajectory import Trajectory
from vln.vlnce import find_vlnce
from vln.vlnce_submission import check_continuous_submission, predictions


@dataclass(frozen=True)
class SceneFile:
    """Where the scene of trajectories in a mesh is, and how it lies."""

    path: Path | None = None  # where the trajectories say if absent
    up: str | None = None  # axis; as its stage_config says if absent
    scale: float | None = None  # metres per unit; as its stage_config says if absent

    def load(self, trajectory: Trajectory) -> Scene:
        """The scene."""
        return load_scene(self.path or trajectory.scan, self.up, self.scale)


@dataclass
class Looks:
    """Plans and views of trajectories as a body sees them through its camera; each scene is loaded once."""

    load: Callable[[Trajectory], Scene]
    body: Body = BODY
    camera: Sensors = field(default_factory=Sensors)
    _known: dict[str, tuple[FloorPlan, PackedScene]] = field(default_factory=dict)

    def __call__(self, trajectory: Trajectory) -> tuple[FloorPlan, Views]:
        """The plan of a trajectory's scene, and what its agent saw."""
        if trajectory.scan not in self._known:
            scene = self.load(trajectory)
            ground = None if scene.rooms else build_ground(scene, self.body)
            self._known[trajectory.scan] = floor_plan(scene, ground), pack(scene)
        plan, packed = self._known[trajectory.scan]
        return plan, render_views(packed, trajectory.poses, sensors=self.camera)


def house_replays(
    runs: Sequence[Run], selection: Selection, file: SceneFile, data: Path | None = None
) -> list[HouseReplay]:
    """The selected episodes of runs, one an agent, in continuous worlds, of which `file` has moved.

    The data folder has scans and what trajectories in them are compared with. Errors are those of `replay_houses`, and
    of loading scenes.
    """
    tasks = dict.fromkeys(each.task for run in runs for each in run.trajectories.values())
    own = next((task for task in tasks if task.scenes not in ("houses", "scans")), None)
    if own:
        source = SCENES.find(own.scenes)(own, Options(data=data))
        return replay_houses(runs, selection, source.look, source.scoring)
    if all(task.scenes != "scans" for task in tasks):
        return replay_houses(runs, selection, Looks(file.load, body_of(next(iter(tasks)))))
    task = task_of(runs)
    return scan_replays(runs, selection, file, task, find_vlnce(data, task.dataset))


def scan_replays(
    runs: Sequence[Run], selection: Selection, file: SceneFile, task: Task, data: Path
) -> list[HouseReplay]:
    """The selected episodes of runs in VLN-CE; arguments and errors as in `house_replays`."""
    # Networks and habitat's workers take seconds to load, which houses do without.
    from envs.continuous.scans import load_scan, scans
    from envs.continuous.source import sensors_of

    files, sources = scans(data, task.dataset), Sources(data)
    for run in runs:
        episodes = sources.split(task, next(iter(run.trajectories.values())).split).episodes
        check_continuous_submission(run.source, predictions(run.trajectories.values()), episodes, allow_missing=True)

    def load(trajectory: Trajectory) -> Scene:
        return file.load(trajectory) if file.path else load_scan(files, trajectory.scan)

    looks = Looks(load, body_of(task), sensors_of(task.camera, max(task.camera.shape)))

    def look(trajectory: Trajectory) -> tuple[FloorPlan, Views]:
        plan, views = looks(trajectory)
        # habitat-sim knows of the bytes of the file alone.
        hashed = files.content_hash(trajectory.scan) if trajectory.simulator == "habitat" else plan.content_hash
        return replace(plan, content_hash=hashed), views

    return replay_houses(runs, selection, look, sources)


def task_of(runs: Sequence[Run]) -> Task:
    """The task that runs are of; an InputError if there are several tasks or splits."""
    first = next(iter(runs[0].trajectories.values()))
    for run in runs:
        for each in run.trajectories.values():
            if (each.task.dataset, each.split) != (first.task.dataset, first.split):
                problem = f"'{each.split}' of '{each.dataset}' is in it, and '{first.split}' of '{first.dataset}'"
                raise InputError(run.source, problem, "replay one split at a time")
    return first.task
