"""What all simulators of continuous worlds share: turns, actions, labels, and what is known until a body moves."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from envs.continuous.guide import ARRIVED, NOWHERE, Guide
from envs.continuous.scenes import COLOUR_NAMES, ROOM_NAMES, SceneLabels
from envs.continuous.settings import ACTIONS, FORWARD, LEFT, RIGHT, STOP, Motion, Sensors
from envs.houses.categories import CATEGORIES
from envs.navigation import NUDGE
from vln.episodes import Episode
from vln.errors import InputError
from vln.replay.plan import FloorPlan, on_map, pose_on_map
from vln.trajectory import Pose

if TYPE_CHECKING:
    from envs.pictures import ChartCache

TURN = 2 * math.pi
FAR = 1000.0  # metres, beyond anything seen
OFF_GROUND = 0.5  # metres that a start or a goal may be beside what a simulator takes for walkable
NO_ACTION = len(ACTIONS)  # what `previous_action` is before the first
STOP_RADIUS = 0.25  # metres to the goal at which the expert stops
IMAGES = ("rgb", "depth", "semantic", "category", "colour", "room", "target", "way")
LABELS = ("colour", "room", "target", "way")  # images that are looked up by the ids of objects
FIX = "correct the episode, use the scene it was made for, or leave it out with --skip-bad"


class BadEpisodeError(InputError):
    """An episode that does not fit its scene: a start or a goal where no body can be, or no way between them."""


class ContinuousSimulator(ABC):
    """Stop, forward and turns in generated houses, or in any mesh.

    Scenes are loaded when a body is first placed in them. Only bodies that have moved are drawn anew.

    ## Actions
    | number | action  | what it does, unless `Motion` says otherwise                                      |
    |--------|---------|-----------------------------------------------------------------------------------|
    | 0      | stop    | ends the episode                                                                  |
    | 1      | forward | 0.25 m ahead; along what is in the way, with `collided` set, where there is some  |
    | 2      | left    | turns by 15 degrees                                                               |
    | 3      | right   | turns by 15 degrees                                                               |

    ## Observation
    Those of the images that `Sensors` asks for, taken 1.25 m above the feet, 90 degrees wide and level:
    - `rgb`: (H, W, 3) uint8.
    - `depth`: (H, W, 1) float32, metres along the view axis, 0 where nothing is.
    - `semantic`: (H, W) int32, ids of objects: 1 + their index in the scene's `objects`, 0 for everything else.
    - `category`: (H, W) uint8, indices into `envs.houses.categories.CATEGORIES`.
    - `colour`: (H, W) uint8, indices into `envs.continuous.scenes.COLOUR_NAMES`, of furniture.
    - `room`: (H, W) uint8, indices into `envs.continuous.scenes.ROOM_NAMES`, of the room that things are in.
    - `target`: (H, W) uint8, 1 where a thing or a room is seen that is called as the episode's `target` is.
    - `way`: (H, W) uint8, 1 where the room that comes next on the shortest way is seen; in the goal's room, `target`.

    And `previous_action`: the action taken last, 4 where none has been.
    """

    name: str
    stop = STOP
    action_space = spaces.Discrete(len(ACTIONS))
    device = torch.device("cpu")

    def __init__(self, sensors: Sensors | None = None, motion: Motion | None = None) -> None:
        """Bodies without episodes yet.

        Args:
            sensors: What they sense.
            motion: What actions do.
        """
        self.sensors, self.motion = sensors or Sensors(), motion or Motion()
        self.episodes: tuple[Episode, ...] = ()
        self._turn = math.radians(self.motion.turn)

    # --- what each world has its own way of ---

    @abstractmethod
    def content_hash(self, scan: str) -> str:
        """Hash of a scene."""

    @abstractmethod
    def _enter(self, rows: Sequence[int], episodes: Sequence[Episode]) -> None:
        """Open the scenes of episodes for the bodies `rows`, and put those at the starts.

        Sets `_positions` of each, and `_has_goal`.

        Raises:
            InputError: If a scene is unknown, or a start or a goal is where no body can be.
        """

    @abstractmethod
    def _labels_of(self, row: int) -> SceneLabels:
        """What things are called in the scene that a body is in."""

    @abstractmethod
    def _guide_of(self, row: int) -> Guide | None:
        """Who knows the way to the goal of a body, if it has one and its scene has rooms."""

    @abstractmethod
    def _step(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where bodies (n,) are after a move forward, (n, 3), and (n,) bool, which collide; does not move them."""

    @abstractmethod
    def _metres(self, rows: np.ndarray) -> np.ndarray:
        """(n,) geodesic distances of bodies (n,) to their goals, inf where no way leads there."""

    @abstractmethod
    def _advice(self, rows: np.ndarray) -> np.ndarray:
        """(n,) actions that follow shortest paths to the goals of bodies (n,)."""

    @abstractmethod
    def _pictures(self, rows: np.ndarray) -> Mapping[str, np.ndarray]:
        """Draw bodies (n,); returns what all B see, (B, ...), of rgb, depth, semantic and category what is wanted."""

    @abstractmethod
    def _plan(self, row: int) -> FloorPlan:
        """The scene that a body is in from above."""

    # --- what they share ---

    @property
    def observation_space(self) -> spaces.Dict:
        """Images and the action before."""
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
        images = {name: space for name, space in sensed.items() if getattr(self.sensors, name)}
        return spaces.Dict({**images, "previous_action": spaces.Discrete(NO_ACTION + 1)})

    def load(self, episodes: Sequence[Episode]) -> None:
        """Make episodes known, by position in the sequence; their scenes are loaded when they start.

        Raises:
            InputError: If an episode is not of a continuous world.
        """
        for episode in episodes:
            if not episode.positions:
                problem = f"field 'positions' is empty, scan '{episode.scan}' is no scene of a continuous world"
                raise InputError(f"episode '{episode.episode_id}'", problem, "use a houses data set")
        self.episodes = tuple(episodes)

    def resize(self, batch: int) -> None:
        """Make room for `batch` bodies; all must be placed before use."""
        self._positions = np.zeros((batch, 3))
        self._has_goal = np.zeros(batch, bool)
        self._met: dict[int, Episode] = {}  # by body
        self._charts: ChartCache | None = None
        self._start_headings, self._turns = np.zeros(batch), np.zeros(batch, np.int64)
        self._previous = np.full(batch, NO_ACTION)
        # What is known of each body, and whether it still holds.
        self._distance, self._expert = np.full(batch, np.nan, np.float32), np.full(batch, STOP)
        self._seen, self._measured, self._advised = (np.zeros(batch, bool) for _ in range(3))
        size = (batch, self.sensors.height, self.sensors.width)
        # What is looked up by the ids of objects: in tables of each body's, and what came of it.
        self._labels: dict[int, dict[str, np.ndarray]] = {}
        self._labelled = {name: np.zeros(size, np.uint8) for name in LABELS if getattr(self.sensors, name)}
        self._guides: dict[int, Guide] = {}
        self._following = np.full(batch, NOWHERE)
        self._drawn: Mapping[str, np.ndarray] = {}

    def place(self, rows: Tensor, episodes: Tensor) -> None:
        """Put the bodies `rows` (n,) at the starts of the loaded `episodes` (n,).

        Raises:
            InputError: If a scene is unknown, a start or a goal is where no body can be, or no way joins them.
        """
        changed, met = rows.numpy(), [self.episodes[number] for number in episodes.tolist()]
        self._enter(rows.tolist(), met)
        self._met.update(zip(rows.tolist(), met, strict=True))
        self._start_headings[changed] = [episode.heading for episode in met]
        if self._labelled:
            for row, episode in zip(rows.tolist(), met, strict=True):
                self._call(row, episode)
        self._turns[changed], self._previous[changed] = 0, NO_ACTION
        self._changed(changed, moved=changed)
        self._check_ways(changed, episodes)

    def _call(self, row: int, episode: Episode) -> None:
        """Make the tables by which what a body sees is labelled."""
        scene = self._labels_of(row)
        target = scene.called(episode.target)
        self._labels[row] = {"colour": scene.colours, "room": scene.rooms, "target": target, "way": target}
        self._following[row] = NOWHERE
        self._guides.pop(row, None)
        guide = self._guide_of(row) if self.sensors.way else None
        if guide:
            self._guides[row] = guide

    def _check_ways(self, rows: np.ndarray, episodes: Tensor) -> None:
        """See that goals can be reached from where bodies are."""
        apart = np.flatnonzero(np.isposinf(self._measure()[rows]))
        if len(apart):
            episode = self.episodes[int(episodes[apart[0]])]
            problem = f"no way leads from its start to its goal in scene '{episode.scan}'"
            raise BadEpisodeError(f"episode '{episode.episode_id}'", problem, FIX)

    def _changed(self, turned: np.ndarray, moved: np.ndarray) -> None:
        """Forget what was known of bodies (indices) that turned or moved."""
        self._seen[turned] = self._advised[turned] = False
        self._seen[moved] = self._advised[moved] = self._measured[moved] = False

    @property
    def headings(self) -> np.ndarray:
        """(B,) float64; whole turns are kept whole, so that a full circle ends where it began."""
        return (self._start_headings + self._turns * self._turn) % TURN

    def act(self, actions: Tensor, moving: Tensor) -> Tensor:
        """Take `actions` where `moving`; a move that comes up against something collides."""
        taken = np.where(moving.numpy(), actions.numpy(), STOP)
        turns = (taken == LEFT).astype(np.int64) - (taken == RIGHT)
        self._turns += turns
        walking = np.flatnonzero(taken == FORWARD)
        collided = np.zeros(len(taken), bool)
        moved = walking
        if len(walking):
            moved, collided[walking] = self._walk(walking)
        self._changed(np.flatnonzero(turns), moved)
        self._previous = np.where(moving.numpy(), actions.numpy(), self._previous)
        return torch.from_numpy(collided)

    def _walk(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Move bodies (n,) forward; returns which of them have moved (m,), and (n,) bool which collided."""
        after, collided = self._step(rows)
        # Who pushes against a wall stays where it is, to the last digit.
        moved = np.abs(after - self._positions[rows]).max(1) > NUDGE
        self._positions[rows[moved]] = after[moved]
        return rows[moved], collided

    def observe(self) -> dict[str, Tensor]:
        """Images, and the action taken last, 4 where none has been."""
        observation = self._draw() if self.sensors.draws and len(self._positions) else {}
        observation["previous_action"] = torch.from_numpy(self._previous.copy())
        return observation

    def _draw(self) -> dict[str, Tensor]:
        """Draw the bodies that have changed, and copy what all see."""
        rows = np.flatnonzero(~self._seen)
        if len(rows):
            if self.sensors.way:
                self._guide(rows)
            self._drawn = self._pictures(rows)
            for name, labelled in self._labelled.items():
                for row in rows.tolist():
                    np.take(self._labels[row][name], self._drawn["semantic"][row], out=labelled[row])
            self._seen[rows] = True
        drawn = {**self._drawn, **self._labelled}
        images = {name: drawn[name] for name in IMAGES if getattr(self.sensors, name)}
        return {name: torch.from_numpy(image.copy()) for name, image in images.items()}

    def _guide(self, rows: np.ndarray) -> None:
        """See which room comes next for bodies (n,) that have changed."""
        for row in rows.tolist():
            guide = self._guides.get(row)
            following = guide.following(self._positions[row], self._following[row]) if guide else NOWHERE
            if following != self._following[row]:
                self._following[row] = following
                labels = self._labels[row]
                there = (self._labels_of(row).belongs == following).astype(np.uint8)
                labels["way"] = labels["target"] if following == ARRIVED else there

    def _measure(self) -> np.ndarray:
        """(B,) metres to the goals, measured anew where bodies have moved."""
        self._distance[~self._measured] = np.nan
        rows = np.flatnonzero(~self._measured & self._has_goal)
        if len(rows):
            self._distance[rows] = self._metres(rows)
        self._measured[:] = True
        return self._distance

    def distance(self) -> Tensor:
        """(B,) float32, geodesic distance to each body's goal in metres; NaN where the goal is withheld."""
        return torch.from_numpy(self._measure().copy())

    def expert(self) -> Tensor:
        """(B,) int64, the action that follows a shortest path; stop at the goal, and where it is withheld."""
        self._expert[~self._advised] = STOP
        rows = np.flatnonzero(~self._advised & self._has_goal)
        if len(rows):
            self._expert[rows] = self._advice(rows)
        self._advised[:] = True
        return torch.from_numpy(self._expert.copy())

    def poses(self) -> list[Pose]:
        """The B poses."""
        return [
            Pose("", (x, y, z), heading, 0.0)
            for (x, y, z), heading in zip(self._positions.tolist(), self.headings.tolist(), strict=True)
        ]

    def picture(self, row: int, trail: Sequence[Pose]) -> np.ndarray:
        """What people are shown of a body that has gone along a trail: what it sees, and the map with its goal.

        Returns:
            (256, W, 3) uint8, the map alone where it sees no colours.
        """
        from envs.pictures import ChartCache, draw_map

        episode, plan = self._met[row], self._plan(row)
        self._charts = self._charts or ChartCache()
        poses = [pose_on_map(pose) for pose in trail]
        chart = self._charts.of_plan(episode.scan, plan, int(plan.floors.of(poses[-1].position[2])))
        told = () if episode.withheld else episode.positions
        reference = np.array([on_map(place) for place in told]).reshape(-1, 3)
        above = draw_map(chart, poses, reference, reference[-1] if len(reference) else None)
        view = self._view(row)
        return above if view is None else np.hstack([view, above])

    def _view(self, row: int) -> np.ndarray | None:
        """What a body sees for people to look at, (256, W, 3) uint8; None where it sees no colours."""
        from envs.pictures import enlarge_view

        return enlarge_view(self.observe()["rgb"][row].numpy()) if self.sensors.rgb else None

    def choices(self) -> list[tuple[str, ...]]:
        """The names of the actions."""
        return [ACTIONS] * len(self._positions)


def outside(episode: Episode, end: str) -> BadEpisodeError:
    """What is wrong with an episode whose "start" or "goal" is where no body can be."""
    x, y, z = episode.positions[0 if end == "start" else -1]
    problem = f"its {end} ({x:.2f}, {y:.2f}, {z:.2f}) is outside the walkable area of scene '{episode.scan}'"
    return BadEpisodeError(f"episode '{episode.episode_id}'", problem, FIX)


def bad_episodes(simulator: ContinuousSimulator, episodes: Sequence[Episode]) -> Iterator[tuple[int, BadEpisodeError]]:
    """The episodes that do not fit their scenes, by number, and what is wrong with each.

    Args:
        simulator: One that is used for nothing else; it need not see.
        episodes: What to look at.

    Raises:
        InputError: If a scene is missing.
    """
    simulator.load(episodes)
    simulator.resize(1)
    for number in range(len(episodes)):
        try:
            simulator.place(torch.tensor([0]), torch.tensor([number]))
        except BadEpisodeError as error:
            yield number, error
