"""Replays of continuous worlds: trajectories with the plan of their scene and the views drawn anew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from envs.continuous.floorplan import floor_plan, render_views
from envs.continuous.registry import SUCCESS_DISTANCE
from envs.continuous.scenes import BODY
from envs.continuous.settings import Sensors
from envs.navigation import Body, build_ground
from envs.render import PackedScene, pack
from envs.scene import Scene
from envs.scenes import load_scene
from vln.continuous_datasets import CONTINUOUS_DATASETS, VLNCE
from vln.errors import InputError
from vln.replay.episode import HouseReplay
from vln.replay.plan import FloorPlan, Views
from vln.replay.scores import Scores, score_of_split
from vln.replay.select import Run, Selection, replay_houses
from vln.trajectory import Trajectory
from vln.vlnce import ContinuousSplit, find_vlnce, load_continuous_split
from vln.vlnce_submission import check_continuous_submission, predictions


@dataclass(frozen=True)
class SceneFile:
    """Where the scene of trajectories in a mesh is, and how it lies.

    Attributes:
        path: The file; where the trajectories say if absent.
        up: Axis that points up; as its stage_config says if absent.
        scale: Metres per unit; as its stage_config says if absent.
    """

    path: Path | None = None
    up: str | None = None
    scale: float | None = None

    def load(self, trajectory: Trajectory) -> Scene:
        """The scene.

        Raises:
            InputError: If it cannot be loaded.
        """
        return load_scene(self.path or trajectory.scan, self.up, self.scale)


@dataclass
class Looks:
    """Plans and views of trajectories; each scene is loaded once.

    Attributes:
        load: Gives the scene of a trajectory.
        body: Who walks there.
        camera: Where its camera is.
    """

    load: Callable[[Trajectory], Scene]
    body: Body = BODY
    camera: Sensors = field(default_factory=Sensors)
    _known: dict[str, tuple[FloorPlan, PackedScene]] = field(default_factory=dict)

    def __call__(self, trajectory: Trajectory) -> tuple[FloorPlan, Views]:
        """The plan of a trajectory's scene, and what its agent saw.

        Raises:
            InputError: If the scene cannot be loaded.
        """
        if trajectory.scan not in self._known:
            scene = self.load(trajectory)
            ground = None if scene.rooms else build_ground(scene, self.body)
            self._known[trajectory.scan] = floor_plan(scene, ground), pack(scene)
        plan, packed = self._known[trajectory.scan]
        return plan, render_views(packed, trajectory.poses, sensors=self.camera)


def house_replays(
    runs: Sequence[Run], selection: Selection, file: SceneFile, data: Path | None = None, role: str | None = None
) -> list[HouseReplay]:
    """The selected episodes of runs in continuous worlds.

    Args:
        runs: One an agent.
        selection: Which episodes.
        file: Where the scene is, if it has moved.
        data: The data folder, for those of VLN-CE.
        role: Whose paths of RxR they are scored by; the guide's if absent.

    Raises:
        InputError: As `replay_houses`, or if a scene or the episodes of VLN-CE cannot be loaded.
    """
    of = {each.dataset: each for run in runs for each in run.trajectories.values()}
    if not of.keys() & VLNCE.keys():
        known = [CONTINUOUS_DATASETS[name].success for name in of if name in CONTINUOUS_DATASETS]
        return replay_houses(runs, selection, next(iter(known), SUCCESS_DISTANCE), Looks(file.load))
    return scan_replays(runs, selection, file, find_vlnce(data), role)


def scan_replays(
    runs: Sequence[Run], selection: Selection, file: SceneFile, data: Path, role: str | None
) -> list[HouseReplay]:
    """The selected episodes of runs in VLN-CE; arguments and errors as in `house_replays`."""
    # Networks and habitat's workers take seconds to load, which houses do without.
    from scripts.houses_world import camera_of
    from scripts.vlnce_world import body_of, load_scan, scans

    task, files = split_of(runs, data, role), scans(data)

    def load(trajectory: Trajectory) -> Scene:
        return file.load(trajectory) if file.path else load_scan(files, trajectory.scan)

    looks = Looks(load, body_of(task.dataset), camera_of(task.dataset, max(task.dataset.image)))

    def look(trajectory: Trajectory) -> tuple[FloorPlan, Views]:
        plan, views = looks(trajectory)
        # habitat-sim knows of the bytes of the file alone.
        hashed = files.content_hash(trajectory.scan) if trajectory.simulator == "habitat" else plan.content_hash
        return replace(plan, content_hash=hashed), views

    def score(trajectories: Sequence[Trajectory]) -> list[Scores | None]:
        return score_of_split(task, trajectories)

    return replay_houses(runs, selection, task.dataset.success, look, score)


def split_of(runs: Sequence[Run], data: Path, role: str | None) -> ContinuousSplit:
    """The split of VLN-CE that runs are of.

    Raises:
        InputError: If they are of several, or an episode is not in it.
    """
    first = next(iter(runs[0].trajectories.values()))
    for run in runs:
        for each in run.trajectories.values():
            if (each.dataset, each.split) != (first.dataset, first.split):
                problem = f"'{each.split}' of '{each.dataset}' is in it, and '{first.split}' of '{first.dataset}'"
                raise InputError(run.source, problem, "replay one split at a time")
    task = load_continuous_split(data, first.dataset, first.split, role=role)
    for run in runs:
        entries = predictions(run.trajectories.values())
        check_continuous_submission(run.source, entries, task.episodes, allow_missing=True)
    return task
