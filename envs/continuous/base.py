"""The base class of simulators of continuous worlds: actions, turns, labels, and caches until a body moves."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from envs.continuous.guide import GOAL_ROOM, NO_ROOM, Guide
from envs.continuous.scenes import COLOUR_NAMES, ROOM_NAMES, SceneLabels
from envs.continuous.settings import ACTIONS, FORWARD, IMAGES, LEFT, RIGHT, STOP, Sensors
from envs.houses.categories import CATEGORIES
from envs.navigation import NUDGE
from vln.episodes import Episode
from vln.errors import InputError
from vln.observation import PRIVILEGED
from vln.replay.plan import FloorPlan, on_map, pose_on_map
from vln.tasks import Motion
from vln.trajectory import Pose

if TYPE_CHECKING:
    from envs.pictures import ChartCache

TURN = 2 * math.pi
FAR = 1000.0  # metres, upper limit of depth
SNAP_LIMIT = 0.5  # metres, greatest distance of a start or a goal from the walkable area
NO_ACTION = len(ACTIONS)  # `previous_action` before the first action
STOP_RADIUS = 0.25  # metres to the goal at which the expert stops
PRIVILEGED_LABELS = ("category", "colour", "room", "target", "way")  # images that policies may not act on
LABELS = ("colour", "room", "target", "way")  # images made from object ids by a lookup table
FIX = "correct the episode, use the scene it was made for, or leave it out with --skip-bad"


class BadEpisodeError(InputError):
    """An episode does not fit its scene: the start or the goal is not walkable, or no path joins them."""


class ContinuousSimulator(ABC):
    """Stop, forward and turns in generated houses, or in any mesh.

    A scene is loaded when the first body is placed in it. Only bodies that have moved are rendered again.

    ## Actions
    | number | action  | effect with the default `Motion`                                                  |
    |--------|---------|-----------------------------------------------------------------------------------|
    | 0      | stop    | ends the episode                                                                  |
    | 1      | forward | moves 0.25 m ahead; slides along an obstacle and sets `collided`                  |
    | 2      | left    | turns by 15 degrees                                                               |
    | 3      | right   | turns by 15 degrees                                                               |

    ## Observation
    The images that `Sensors` selects; by default the camera is 1.25 m above the feet, level, with a field of view of 90
    degrees:
    - `rgb`: (H, W, 3) uint8.
    - `depth`: (H, W, 1) float32, metres along the view axis, 0 where there is no surface.
    - `semantic`: (H, W) int32, object ids: 1 + index in the scene's `objects`, 0 for everything else.
    - `category`: (H, W) uint8, indices into `envs.houses.categories.CATEGORIES`.
    - `colour`: (H, W) uint8, colours of furniture, indices into `envs.continuous.scenes.COLOUR_NAMES`.
    - `room`: (H, W) uint8, room of the object, indices into `envs.continuous.scenes.ROOM_NAMES`.
    - `target`: (H, W) uint8, 1 on objects and rooms with the name of the episode's `target`.
    - `way`: (H, W) uint8, 1 on the next room of the shortest path; in the goal's room the same as `target`.

    And `previous_action`: the last action, 4 before the first.
    """

    name: str
    stop = STOP
    action_space = spaces.Discrete(len(ACTIONS))
    device = torch.device("cpu")

    def __init__(self, sensors: Sensors | None = None, motion: Motion | None = None) -> None:
        """Create a simulator without bodies; raises an InputError if a move or a turn is out of range."""
        self.sensors, self.motion = sensors or Sensors(), motion or Motion()
        self.episodes: tuple[Episode, ...] = ()
        self.motion.check()
        self._turn = math.radians(self.motion.turn)

    # --- to implement ---

    @abstractmethod
    def content_hash(self, scan: str) -> str:
        """Return the hash of a scene."""

    @abstractmethod
    def _place_bodies(self, rows: Sequence[int], episodes: Sequence[Episode]) -> None:
        """Load the scenes of episodes and put the bodies `rows` at the starts: sets `_positions` and `_has_goal`.

        Raises:
            InputError: If a scene is unknown, or a start or a goal is not walkable.
        """

    @abstractmethod
    def _labels_of(self, row: int) -> SceneLabels:
        """Return the labels of the scene of a body."""

    @abstractmethod
    def _guide_of(self, row: int) -> Guide | None:
        """Return the guide to the goal of a body; None without a goal or without rooms."""

    @abstractmethod
    def _move_forward(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute positions after a move forward, (n, 3), and collisions, (n,) bool; does not move the bodies (n,)."""

    @abstractmethod
    def _compute_distances(self, rows: np.ndarray) -> np.ndarray:
        """Compute geodesic distances to the goals of bodies (n,), (n,); inf where there is no path."""

    @abstractmethod
    def _compute_expert(self, rows: np.ndarray) -> np.ndarray:
        """Compute the expert's actions for bodies (n,), (n,)."""

    @abstractmethod
    def _render(self, rows: np.ndarray) -> Mapping[str, np.ndarray]:
        """Render bodies (n,); returns those of rgb, depth, semantic and category that are needed, (B, ...) of all."""

    @abstractmethod
    def _plan(self, row: int) -> FloorPlan:
        """Return the floor plan of the scene of a body."""

    # --- shared ---

    @property
    def observation_space(self) -> spaces.Dict:
        """Images and the previous action."""
        size = (self.sensors.height, self.sensors.width)
        sensed: dict[str, spaces.Space] = {
            "rgb": spaces.Box(0, 255, (*size, 3), np.uint8),
            "depth": spaces.Box(0.0, FAR, (*size, 1), np.float32),
            "semantic": spaces.Box(0, 2**31 - 1, size, np.int32),
            "category": spaces.Box(0, len(CATEGORIES) - 1, size, np.uint8),
            "colour": spaces.Box(0, len(COLOUR_NAMES) - 1, size, np.uint8),
            "room": spaces.Box(0, len(ROOM_NAMES) - 1, size, np.uint8),
            "target": spaces.Box(0, 1, size, np.uint8),
            "way": spaces.Box(0, 1, size, np.uint8),
        }
        images = grouped({name: space for name, space in sensed.items() if getattr(self.sensors, name)}, spaces.Dict)
        return spaces.Dict({**images, "previous_action": spaces.Discrete(NO_ACTION + 1)})

    def load(self, episodes: Sequence[Episode]) -> None:
        """Load episodes, which `place` numbers by their position in the sequence. Scenes are loaded by `place`."""
        for episode in episodes:
            if not episode.positions:
                problem = f"field 'positions' is empty, scan '{episode.scan}' is no scene of a continuous world"
                raise InputError(f"episode '{episode.episode_id}'", problem, "use a houses data set")
        self.episodes = tuple(episodes)

    def resize(self, batch: int) -> None:
        """Allocate `batch` bodies. Each must be placed before it is used."""
        self._positions = np.zeros((batch, 3))
        self._has_goal = np.zeros(batch, bool)
        self._placed: dict[int, Episode] = {}  # by body
        self._charts: ChartCache | None = None
        self._start_headings, self._turns = np.zeros(batch), np.zeros(batch, np.int64)
        self._previous = np.full(batch, NO_ACTION)
        # Caches of each body, and whether they are valid.
        self._distance, self._expert = np.full(batch, np.nan, np.float32), np.full(batch, STOP)
        self._image_valid, self._distance_valid, self._expert_valid = (np.zeros(batch, bool) for _ in range(3))
        size = (batch, self.sensors.height, self.sensors.width)
        # Lookup tables from object ids to labels, by body, and the images made with them.
        self._labels: dict[int, dict[str, np.ndarray]] = {}
        self._labelled = {name: np.zeros(size, np.uint8) for name in LABELS if getattr(self.sensors, name)}
        self._guides: dict[int, Guide] = {}
        self._next_room = np.full(batch, NO_ROOM)
        self._drawn: Mapping[str, np.ndarray] = {}

    def place(self, rows: Tensor, episodes: Tensor) -> None:
        """Put the bodies `rows` (n,) at the starts of the loaded `episodes` (n,).

        Raises:
            InputError: If a scene is unknown, a start or a goal is not walkable, or no path joins them.
        """
        changed, met = rows.numpy(), [self.episodes[number] for number in episodes.tolist()]
        self._place_bodies(rows.tolist(), met)
        self._placed.update(zip(rows.tolist(), met, strict=True))
        self._start_headings[changed] = [episode.heading for episode in met]
        if self._labelled:
            for row, episode in zip(rows.tolist(), met, strict=True):
                self._build_tables(row, episode)
        self._turns[changed], self._previous[changed] = 0, NO_ACTION
        self._invalidate(changed, moved=changed)
        self._check_reachable(changed, episodes)

    def _build_tables(self, row: int, episode: Episode) -> None:
        """Build the lookup tables from object ids to labels, and the guide of a body."""
        scene = self._labels_of(row)
        target = scene.mask_of(episode.target)
        self._labels[row] = {"colour": scene.colours, "room": scene.rooms, "target": target, "way": target}
        self._next_room[row] = NO_ROOM
        self._guides.pop(row, None)
        guide = self._guide_of(row) if self.sensors.way else None
        if guide:
            self._guides[row] = guide

    def _check_reachable(self, rows: np.ndarray, episodes: Tensor) -> None:
        """Raise a BadEpisodeError if a goal cannot be reached from its start."""
        apart = np.flatnonzero(np.isposinf(self._update_distances()[rows]))
        if len(apart):
            episode = self.episodes[int(episodes[apart[0]])]
            problem = f"no way leads from its start to its goal in scene '{episode.scan}'"
            raise BadEpisodeError(f"episode '{episode.episode_id}'", problem, FIX)

    def _invalidate(self, turned: np.ndarray, moved: np.ndarray) -> None:
        """Invalidate the caches of bodies (indices) that turned or moved."""
        self._image_valid[turned] = self._expert_valid[turned] = False
        self._image_valid[moved] = self._expert_valid[moved] = self._distance_valid[moved] = False

    @property
    def headings(self) -> np.ndarray:
        """Headings (B,) float64, computed from the number of turns so that a full circle is exact."""
        return (self._start_headings + self._turns * self._turn) % TURN

    def act(self, actions: Tensor, moving: Tensor) -> Tensor:
        """Apply `actions` where `moving`. A move that meets an obstacle is a collision."""
        taken = np.where(moving.numpy(), actions.numpy(), STOP)
        turns = (taken == LEFT).astype(np.int64) - (taken == RIGHT)
        self._turns += turns
        walking = np.flatnonzero(taken == FORWARD)
        collided = np.zeros(len(taken), bool)
        moved = walking
        if len(walking):
            moved, collided[walking] = self._walk(walking)
        self._invalidate(np.flatnonzero(turns), moved)
        self._previous = np.where(moving.numpy(), actions.numpy(), self._previous)
        return torch.from_numpy(collided)

    def _walk(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Move bodies (n,) forward; returns those that have moved, (m,), and which collided, (n,) bool."""
        after, collided = self._move_forward(rows)
        # A body that pushes against a wall keeps its exact position, so its caches stay valid.
        moved = np.abs(after - self._positions[rows]).max(1) > NUDGE
        self._positions[rows[moved]] = after[moved]
        return rows[moved], collided

    def observe(self) -> dict[str, Any]:
        """Return the images, and the previous actions, 4 before the first."""
        observation = self._draw() if self.sensors.draws and len(self._positions) else {}
        observation["previous_action"] = torch.from_numpy(self._previous.copy())
        return observation

    def _draw(self) -> dict[str, Any]:
        """Render the bodies that have changed, and return copies of the images of all."""
        rows = np.flatnonzero(~self._image_valid)
        if len(rows):
            if self.sensors.way:
                self._update_next_rooms(rows)
            self._drawn = self._render(rows)
            for name, labelled in self._labelled.items():
                for row in rows.tolist():
                    np.take(self._labels[row][name], self._drawn["semantic"][row], out=labelled[row])
            self._image_valid[rows] = True
        drawn = {**self._drawn, **self._labelled}
        images = {name: drawn[name] for name in IMAGES if getattr(self.sensors, name)}
        return grouped({name: torch.from_numpy(image.copy()) for name, image in images.items()})

    def _update_next_rooms(self, rows: np.ndarray) -> None:
        """Update the next room of bodies (n,), and with it their tables for `way`."""
        for row in rows.tolist():
            guide = self._guides.get(row)
            next_room = guide.next_room(self._positions[row], self._next_room[row]) if guide else NO_ROOM
            if next_room != self._next_room[row]:
                self._next_room[row] = next_room
                labels = self._labels[row]
                there = (self._labels_of(row).room_indices == next_room).astype(np.uint8)
                labels["way"] = labels["target"] if next_room == GOAL_ROOM else there

    def _update_distances(self) -> np.ndarray:
        """Return metres to the goals, (B,), recomputed for bodies that have moved."""
        self._distance[~self._distance_valid] = np.nan
        rows = np.flatnonzero(~self._distance_valid & self._has_goal)
        if len(rows):
            self._distance[rows] = self._compute_distances(rows)
        self._distance_valid[:] = True
        return self._distance

    def distance(self) -> Tensor:
        """Return the geodesic distances to the goals in metres, (B,) float32; NaN where the goal is withheld."""
        return torch.from_numpy(self._update_distances().copy())

    def expert(self) -> Tensor:
        """Return the expert's actions along shortest paths, (B,) int64; stop at the goal, or if it is withheld."""
        self._expert[~self._expert_valid] = STOP
        rows = np.flatnonzero(~self._expert_valid & self._has_goal)
        if len(rows):
            self._expert[rows] = self._compute_expert(rows)
        self._expert_valid[:] = True
        return torch.from_numpy(self._expert.copy())

    def poses(self) -> list[Pose]:
        """Return the B poses."""
        return [
            Pose("", (x, y, z), heading, 0.0)
            for (x, y, z), heading in zip(self._positions.tolist(), self.headings.tolist(), strict=True)
        ]

    def picture(self, row: int, trail: Sequence[Pose]) -> np.ndarray:
        """Draw the view of a body beside the map with its trail and its goal, (256, W, 3) uint8.

        Without an `rgb` sensor there is the map alone.
        """
        from envs.pictures import ChartCache, draw_map

        episode, plan = self._placed[row], self._plan(row)
        self._charts = self._charts or ChartCache()
        poses = [pose_on_map(pose) for pose in trail]
        chart = self._charts.of_plan(episode.scan, plan, int(plan.floors.of(poses[-1].position[2])))
        positions = () if episode.withheld else episode.positions
        reference = np.array([on_map(place) for place in positions]).reshape(-1, 3)
        above = draw_map(chart, poses, reference, reference[-1] if len(reference) else None)
        view = self._view(row)
        return above if view is None else np.hstack([view, above])

    def _view(self, row: int) -> np.ndarray | None:
        """Return the enlarged view of a body, (256, W, 3) uint8; None without an `rgb` sensor."""
        from envs.pictures import enlarge_view

        return enlarge_view(self.observe()["rgb"][row].numpy()) if self.sensors.rgb else None

    def choices(self) -> list[tuple[str, ...]]:
        """Return the names of the actions for each body."""
        return [ACTIONS] * len(self._positions)


def outside_error(episode: Episode, end: str) -> BadEpisodeError:
    """Return the error for an episode whose "start" or "goal" is not walkable."""
    x, y, z = episode.positions[0 if end == "start" else -1]
    problem = f"its {end} ({x:.2f}, {y:.2f}, {z:.2f}) is outside the walkable area of scene '{episode.scan}'"
    return BadEpisodeError(f"episode '{episode.episode_id}'", problem, FIX)


def bad_episodes(simulator: ContinuousSimulator, episodes: Sequence[Episode]) -> Iterator[tuple[int, BadEpisodeError]]:
    """Iterate over the episodes that do not fit their scenes: number and error of each.

    Nothing else may use the simulator, whose sensors do not matter. An InputError is raised if a scene is missing.
    """
    simulator.load(episodes)
    simulator.resize(1)
    for number in range(len(episodes)):
        try:
            simulator.place(torch.tensor([0]), torch.tensor([number]))
        except BadEpisodeError as error:
            yield number, error


def grouped(images: dict[str, Any], group: Callable[[dict[str, Any]], Any] = dict) -> dict[str, Any]:
    """Images or their spaces by name, with labels of pixels, if any, in a privileged group of their own."""
    labels = {name: value for name, value in images.items() if name in PRIVILEGED_LABELS}
    others = {name: value for name, value in images.items() if name not in labels}
    return {**others, PRIVILEGED: group(labels)} if labels else others
