"""Replays of continuous worlds: trajectories with the plan of their scene and the views drawn anew."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from envs.continuous.floorplan import floor_plan, see
from envs.continuous.registry import SUCCESS_DISTANCE
from envs.render import PackedScene, pack
from envs.scenes import load_scene
from vln.replay.episode import HouseReplay
from vln.replay.plan import FloorPlan, Views
from vln.replay.select import Run, Selection, replay_houses
from vln.trajectory import Trajectory


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


@dataclass
class Looks:
    """Plans and views of trajectories; each scene is loaded once."""

    file: SceneFile
    _known: dict[str, tuple[FloorPlan, PackedScene]] = field(default_factory=dict)

    def __call__(self, trajectory: Trajectory) -> tuple[FloorPlan, Views]:
        """The plan of a trajectory's scene, and what its agent saw.

        Raises:
            InputError: If the scene cannot be loaded.
        """
        if trajectory.scan not in self._known:
            scene = load_scene(self.file.path or trajectory.scan, self.file.up, self.file.scale)
            self._known[trajectory.scan] = floor_plan(scene), pack(scene)
        plan, packed = self._known[trajectory.scan]
        return plan, see(packed, trajectory.poses)


def house_replays(runs: Sequence[Run], selection: Selection, file: SceneFile) -> list[HouseReplay]:
    """The selected episodes of runs in continuous worlds.

    Raises:
        InputError: As `replay_houses`, or if a scene cannot be loaded.
    """
    return replay_houses(runs, selection, SUCCESS_DISTANCE, Looks(file))
