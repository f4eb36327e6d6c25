"""The simulator protocol on top of habitat-sim in worker processes."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from envs.continuous.base import SNAP_LIMIT, STOP_RADIUS, ContinuousSimulator, outside_error
from envs.continuous.floorplan import floor_plan
from envs.continuous.guide import Guide
from envs.continuous.scenes import BODY, SceneLabels
from envs.continuous.settings import Sensors
from envs.habitat.pool import Request, WorkerPool, group_by_owner
from envs.habitat.scenes import SceneFolder
from envs.habitat.settings import Workers
from envs.navigation import Body
from vln.episodes import Episode
from vln.replay.plan import FloorPlan
from vln.tasks import Motion

KINDS: dict[str, type[np.generic]] = {"rgb": np.uint8, "depth": np.float32, "semantic": np.int32}
SHAPES = {"rgb": (3,), "depth": (1,), "semantic": ()}


class HabitatSimulator(ContinuousSimulator):
    """Simulates scenes with habitat-sim's renderer and navmeshes; see `ContinuousSimulator`.

    Positions are on the navmesh, which is up to a few centimetres above the floor. Distances and the expert follow
    habitat-sim's shortest paths through the polygons of the navmesh, which may be slightly longer than the optimum.
    """

    name = "habitat"

    def __init__(
        self,
        scenes: SceneFolder,
        sensors: Sensors | None = None,
        motion: Motion | None = None,
        workers: Workers | None = None,
        body: Body = BODY,
        seed: int = 0,
    ) -> None:
        """Create a simulator without bodies; navmeshes of another size than that of the body are ignored.

        The seed is that of habitat-sim's random numbers, which only `sample` uses.
        """
        super().__init__(sensors, motion)
        self.scenes, self.workers, self.body = scenes, workers or Workers(), body
        self._seed = seed
        self._pool: WorkerPool | None = None
        self.resize(0)

    @property
    def pool(self) -> WorkerPool:
        """The workers, started on first use."""
        if self._pool is None:
            batch = max(1, len(self._positions))
            size = (batch, self.sensors.height, self.sensors.width)
            images = {name: ((*size, *SHAPES[name]), KINDS[name]) for name in self._wanted()}
            self._pool = WorkerPool(self.workers, self.workers.number(batch), self._settings(), images)
        return self._pool

    def _wanted(self) -> list[str]:
        """Return the names of the images that habitat-sim must render; labels are made from `semantic`."""
        sensors = self.sensors
        numbered = sensors.semantic or sensors.category or bool(self._labelled)
        return [name for name, asked in {**vars(sensors), "semantic": numbered}.items() if asked and name in KINDS]

    def _settings(self) -> dict[str, Any]:
        body, sensors, motion = self.body, self.sensors, self.motion
        navmesh = {"radius": body.radius, "height": body.height, "climb": body.climb, "cell": body.cell}
        return {
            "width": sensors.width,
            "height": sensors.height,
            "hfov": sensors.hfov,
            "eye": sensors.eye,
            "forward": motion.forward,
            "turn": self._turn,
            "sliding": motion.sliding,
            "stop": STOP_RADIUS,
            "navmesh": navmesh,
            "seed": self._seed,
        }

    def content_hash(self, scan: str) -> str:
        """Return the hash of a scene."""
        return self.scenes.content_hash(scan)

    def close(self) -> None:
        """Release the workers."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def resize(self, batch: int) -> None:
        """Allocate `batch` bodies. Each must be placed before it is used."""
        super().resize(batch)
        self.close()
        self._goals = np.zeros((batch, 3))
        self._plans: dict[str, FloorPlan] = {}  # by scene, for pictures
        self._scans = [""] * batch
        self._files = [""] * batch
        self._owners = np.zeros(batch, np.int64)  # worker of each body
        self._scene_workers: dict[str, int] = {}  # worker that opened each scene last

    def _place_bodies(self, rows: Sequence[int], episodes: Sequence[Episode]) -> None:
        for row, episode in zip(rows, episodes, strict=True):
            self._scans[row], self._files[row] = episode.scan, str(self.scenes.file(episode.scan))
            self._has_goal[row] = not episode.withheld
        self._assign_workers(rows)
        numbers = np.array(rows)
        self._positions[numbers] = self._snap(numbers, episodes, "start")
        aimed = [place for place, episode in enumerate(episodes) if not episode.withheld]
        if aimed:
            goals = self._snap(numbers[aimed], [episodes[place] for place in aimed], "goal")
            self._goals[numbers[aimed]] = goals

    def _assign_workers(self, rows: Sequence[int]) -> None:
        """Assign workers to bodies: the worker that has the scene open, or the least loaded one if that is full."""
        count = self.pool.count
        rest = np.setdiff1d(np.arange(len(self._owners)), rows)
        load = np.bincount(self._owners[rest], minlength=count)
        most = -(-len(self._owners) // count)
        for row in rows:
            home = self._scene_workers.get(self._files[row])
            owner = home if home is not None and load[home] < most else int(load.argmin())
            self._owners[row] = self._scene_workers[self._files[row]] = owner
            load[owner] += 1

    def _snap(self, rows: np.ndarray, episodes: Sequence[Episode], end: str) -> np.ndarray:
        """Snap the starts or goals of episodes to the navmesh; returns (n, 3)."""
        points = [episode.positions[0 if end == "start" else -1] for episode in episodes]
        found = self._ask("enter", rows, points=points)
        for episode, moved in zip(episodes, found["moved"], strict=True):
            if not moved <= SNAP_LIMIT:
                raise outside_error(episode, end)
        return np.array(found["points"], np.float64)

    def _ask(self, do: str, bodies: np.ndarray, **columns: Sequence[Any]) -> Any:
        """Send a request to the workers of bodies (n,) and join the results in the order of the bodies.

        Columns are arguments of the request with one value per body.
        """
        parts = group_by_owner(bodies.tolist(), self._owners)
        requests: dict[int, Request] = {}
        for owner, places in parts.items():
            scenes = [self._files[int(bodies[place])] for place in places]
            picked = {key: [values[place] for place in places] for key, values in columns.items()}
            requests[owner] = (do, {"scenes": scenes, **picked})
        answers = self.pool.ask(requests)
        return _joined([(parts[owner], answer) for owner, answer in answers.items()], len(bodies))

    def _labels_of(self, row: int) -> SceneLabels:
        return self.scenes.labels(self._scans[row])

    def _guide_of(self, row: int) -> Guide | None:
        layout = self._labels_of(row).layout
        return Guide(layout, GoalDistances(self, row)) if layout and self._has_goal[row] else None

    def _plan(self, row: int) -> FloorPlan:
        scan = self._placed[row].scan
        if scan not in self._plans:
            self._plans[scan] = floor_plan(self.scenes.scene(scan))
        return self._plans[scan]

    def _move_forward(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        places, headings = self._positions[rows].tolist(), self.headings[rows].tolist()
        found = self._ask("step", rows, places=places, headings=headings)
        return np.array(found["places"]), np.array(found["collided"], bool)

    def _compute_distances(self, rows: np.ndarray) -> np.ndarray:
        found = self._ask("measure", rows, places=self._positions[rows].tolist(), goals=self._goals[rows].tolist())
        return _to_metres(found)

    def _compute_expert(self, rows: np.ndarray) -> np.ndarray:
        poses = {"places": self._positions[rows].tolist(), "headings": self.headings[rows].tolist()}
        return np.array(self._ask("advise", rows, **poses, goals=self._goals[rows].tolist()), np.int64)

    def _render(self, rows: np.ndarray) -> Mapping[str, np.ndarray]:
        poses = {"places": self._positions[rows].tolist(), "headings": self.headings[rows].tolist()}
        self._ask("draw", rows, rows=rows.tolist(), **poses)
        images = dict(self.pool.images)
        if self.sensors.category:
            shown = self._drawn.get("category", np.zeros(images["semantic"].shape, np.uint8))
            for row in rows.tolist():
                np.take(self._labels_of(row).categories, images["semantic"][row], out=shown[row])
            images["category"] = shown
        return images

    # --- beyond the protocol ---

    def shortest_path(self, scan: str, start: Sequence[float], goal: Sequence[float]) -> np.ndarray:
        """Return the corners of the shortest path in a scene, (k, 3); (0, 3) if there is none."""
        path = self.pool.ask_one(0, "path", scene=self._file(scan), start=list(start), goal=list(goal))
        return np.array(path, np.float64).reshape(-1, 3)

    def topdown(self, scan: str, height: float, metres: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
        """Return a map of the walkable area at a height, and the lowest corner of the navmesh, (3,).

        The map is (depth, width) bool, rows along z and columns along x, with pixels of `metres`.
        """
        found = self.pool.ask_one(0, "topdown", scene=self._file(scan), metres=metres, height=height)
        return unpack_bits(found["shape"], found["packed"]), np.array(found["low"])

    def sample(self, scan: str, count: int, seed: int = 0) -> np.ndarray:
        """Return random positions on the floor of a scene, (count, 3)."""
        return np.array(self.pool.ask_one(0, "sample", scene=self._file(scan), count=count, seed=seed))

    def save_navmesh(self, scan: str, path: str) -> None:
        """Write the navmesh of a scene to a file."""
        self.pool.ask_one(0, "save_navmesh", scene=self._file(scan), path=str(Path(path).absolute()))

    def _file(self, scan: str) -> str:
        return str(self.scenes.file(scan))


class GoalDistances:
    """Geodesic distances to the goal of one body from its worker; implements `envs.continuous.guide.Distances`."""

    def __init__(self, simulator: HabitatSimulator, row: int) -> None:
        self.goal = simulator._goals[row].copy()
        self._pool, self._owner, self._file = simulator.pool, int(simulator._owners[row]), simulator._files[row]

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Return distances in metres, (n,), from points (n, 3)."""
        if not len(points):
            return np.zeros(0)
        goals, scenes = [self.goal.tolist()] * len(points), [self._file] * len(points)
        places = points.tolist()
        return _to_metres(self._pool.ask_one(self._owner, "measure", scenes=scenes, places=places, goals=goals))


def _to_metres(found: Sequence[float | None]) -> np.ndarray:
    return np.array([np.inf if metres is None else metres for metres in found])


def _joined(parts: Sequence[tuple[Sequence[int], Any]], count: int) -> Any:
    """Join lists from several workers into one of length `count`; dicts of lists are joined by key."""
    first = parts[0][1]
    if isinstance(first, dict):
        return {name: _joined([(places, answer[name]) for places, answer in parts], count) for name in first}
    if first is None:
        return None
    whole: list[Any] = [None] * count
    for places, answer in parts:
        for place, value in zip(places, answer, strict=True):
            whole[place] = value
    return whole


def unpack_bits(shape: Sequence[int], packed: str) -> np.ndarray:
    """Decode the bits that a worker packed into an array of bool."""
    bits = np.frombuffer(base64.b64decode(packed), np.uint8)
    return np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape).astype(bool)
