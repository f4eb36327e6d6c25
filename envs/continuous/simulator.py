"""The embedded simulator of continuous worlds: compiled code in this process."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from envs.continuous.base import SNAP_LIMIT, STOP_RADIUS, ContinuousSimulator, outside_error
from envs.continuous.floorplan import floor_plan
from envs.continuous.guide import Guide
from envs.continuous.scenes import LoadedScene, SceneCache
from envs.continuous.settings import Sensors
from envs.navigation import Field, Ground, distances, expert, step
from envs.render import Camera, Renderer
from vln.episodes import Episode
from vln.replay.plan import FloorPlan
from vln.tasks import Motion

DRAWN = ("rgb", "depth", "semantic", "category")


class HousesSimulator(ContinuousSimulator):
    """Simulates scenes with the compiled renderer and navigation of this package; see `ContinuousSimulator`."""

    name = "houses"

    def __init__(
        self, sensors: Sensors | None = None, motion: Motion | None = None, scenes: SceneCache | None = None
    ) -> None:
        """Create a simulator without bodies. Simulators may share scenes, `drawn` if the sensors render."""
        super().__init__(sensors, motion)
        self.scenes = SceneCache(drawn=self.sensors.draws) if scenes is None else scenes
        self.resize(0)

    def content_hash(self, scan: str) -> str:
        """Return the hash of a scene."""
        return self.scenes.content_hash(scan)

    def resize(self, batch: int) -> None:
        """Allocate `batch` bodies. Each must be placed before it is used."""
        super().resize(batch)
        self._scenes: dict[int, LoadedScene] = {}
        self._fields: dict[int, Field] = {}  # by body, without withheld goals
        self._plans: dict[str, FloorPlan] = {}  # by scene, for pictures
        self._watching: Renderer | None = None  # renders the views of pictures
        self._renderer = Renderer(self.sensors.camera, batch) if self.sensors.draws and batch else None

    def _place_bodies(self, rows: Sequence[int], episodes: Sequence[Episode]) -> None:
        for row, episode in zip(rows, episodes, strict=True):
            self._scenes[row] = scene = self.scenes.get(episode.scan)
            self._positions[row] = on_ground(scene.ground, episode, "start")
            self._fields.pop(row, None)
            self._has_goal[row] = not episode.withheld
            if not episode.withheld:
                self._fields[row] = scene.ground.field(on_ground(scene.ground, episode, "goal"))

    def _labels_of(self, row: int) -> LoadedScene:
        return self._scenes[row]

    def _guide_of(self, row: int) -> Guide | None:
        layout, field = self._scenes[row].layout, self._fields.get(row)
        return Guide(layout, field) if layout and field else None

    def _move_forward(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        motion = self.motion
        return step(self._grounds(rows), self._positions[rows], self.headings[rows], motion.forward, motion.sliding)

    def _compute_distances(self, rows: np.ndarray) -> np.ndarray:
        return distances([self._fields[row] for row in rows.tolist()], self._positions[rows])

    def _compute_expert(self, rows: np.ndarray) -> np.ndarray:
        fields, poses = [self._fields[row] for row in rows.tolist()], (self._positions[rows], self.headings[rows])
        motion = self.motion
        return expert(self._grounds(rows), fields, *poses, motion.forward, self._turn, STOP_RADIUS, motion.sliding)

    def _grounds(self, rows: np.ndarray) -> list[Ground]:
        return [self._scenes[row].ground for row in rows.tolist()]

    def _plan(self, row: int) -> FloorPlan:
        scan = self._placed[row].scan
        if scan not in self._plans:
            self._plans[scan] = floor_plan(self.scenes.scene(scan), self._scenes[row].ground)
        return self._plans[scan]

    def _view(self, row: int) -> np.ndarray | None:
        """Render the view of a body larger than its sensor image."""
        from envs.pictures import view_size

        scene, sensors = self._scenes[row], self.sensors
        if scene.packed is None or not sensors.rgb:
            return None
        if self._watching is None:
            self._watching = Renderer(Camera(*view_size(sensors.width, sensors.height), sensors.hfov), 1)
        eye = self._positions[[row]] + np.array([0, sensors.eye, 0])
        self._watching.render([scene.packed], eye, self.headings[[row]])
        return self._watching.rgb[0].copy()

    def _render(self, rows: np.ndarray) -> Mapping[str, np.ndarray]:
        renderer, sensors = self._renderer, self.sensors
        assert renderer is not None
        cameras = self._positions + np.array([0, sensors.eye, 0])
        meshes = [self._scenes[row].mesh for row in range(len(cameras))]
        numbered = sensors.semantic or bool(self._labelled)
        renderer.render(meshes, cameras, self.headings, rows, semantic=numbered, category=sensors.category)
        return {name: getattr(renderer, name) for name in DRAWN}


def on_ground(ground: Ground, episode: Episode, end: Literal["start", "goal"]) -> np.ndarray:
    """Snap the start or the goal of an episode to the walkable area; returns (3,)."""
    points, moved = ground.snap(np.array([episode.positions[0 if end == "start" else -1]]))
    if not moved[0] <= SNAP_LIMIT:
        raise outside_error(episode, end)
    return points[0]
