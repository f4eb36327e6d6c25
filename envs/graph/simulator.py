"""Bodies on navigation graphs, with panoramic or low-level actions. Frame and units: see `vln.graph`."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Literal

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from envs.graph.tables import GraphTables, build_tables
from vln.episodes import REFETCH, Episode
from vln.errors import InputError
from vln.features.table import ViewTable
from vln.graph import VIEW_STEP, VIEWS, NavigationGraph
from vln.trajectory import Pose

LOW_LEVEL_ACTIONS = ("left", "right", "up", "down", "forward", "stop")
# Half of the horizontal field of view of the original 640 x 480 camera at 60 degrees vertically.
HALF_FIELD_OF_VIEW = math.radians(40)
TURN = 2 * math.pi


def wrap(angle: Tensor) -> Tensor:
    """The same angle in [-pi, pi]; rounding is several times as fast as a remainder."""
    return (angle - TURN * torch.round(angle / TURN)).clamp(-math.pi, math.pi)


class _Graph:
    """What both action spaces share: tables, poses, goals and the reference path."""

    def __init__(
        self,
        graphs: Sequence[NavigationGraph],
        features: ViewTable | None = None,
        expert: Literal["goal", "reference"] = "goal",
        device: torch.device | str = "cpu",
    ) -> None:
        """Bodies in `graphs`.

        Args:
            graphs: The buildings.
            features: A dense table puts the panorama's (36, F) features into the observation.
            expert: Where the expert walks: straight to the goal (R2R), or along the reference viewpoints in order (R4R,
                whose references are no shortest paths).
            device: Where the tables and the state live.
        """
        self.graphs = tuple(graphs)
        self._expert_follows = expert
        self.tables: GraphTables = build_tables(graphs).to(device)
        self.device = self.tables.device
        self.viewpoint_names = tuple(name for graph in graphs for name in graph.viewpoints)
        first = np.cumsum([0, *(len(graph.viewpoints) for graph in graphs)])
        self._first_row = {graph.scan: int(row) for graph, row in zip(graphs, first, strict=False)}
        self._by_scan = {graph.scan: graph for graph in graphs}
        self._prepare()
        self._features = None
        if features is not None and features.dense is not None and features.dense.shape[-1]:
            rows = features.rows(self.graphs)
            self._features = torch.from_numpy(np.ascontiguousarray(features.dense[rows], np.float32)).to(device)
        self.resize(0)

    def _prepare(self) -> None:
        """Make what a subclass needs on top of the tables."""

    def load(self, episodes: Sequence[Episode]) -> None:
        """Make episodes known, by position in the sequence."""
        rows = [self._rows_of(episode) for episode in episodes]
        lengths = np.array([len(path) for path in rows])
        headings = np.array([episode.heading % TURN for episode in episodes], dtype=np.float32)
        paths = np.array([path + path[-1:] * (lengths.max() - len(path)) for path in rows])
        has_goal = np.array([episode.goal is not None for episode in episodes])
        self._paths, self._lengths, self._start_headings, self._has_goal = (
            torch.from_numpy(array).to(self.device) for array in (paths, lengths, headings, has_goal)
        )
        self._starts, self._goals = self._paths[:, 0].contiguous(), self._paths[:, -1].contiguous()

    def _rows_of(self, episode: Episode) -> list[int]:
        """Rows of an episode's path without repetitions in place, which are no moves."""
        where = f"episode '{episode.episode_id}'"
        if episode.scan not in self._by_scan:
            raise InputError(where, f"field 'scan' is the unknown scan '{episode.scan}'", REFETCH)
        graph, first = self._by_scan[episode.scan], self._first_row[episode.scan]
        unknown = [viewpoint for viewpoint in episode.path if viewpoint not in graph.index]
        if unknown:
            raise InputError(where, f"field 'path' has '{unknown[0]}', which is not in '{episode.scan}'", REFETCH)
        return [first + graph.index[viewpoint] for viewpoint, _ in groupby(episode.path)]

    def resize(self, batch: int) -> None:
        """Make room for `batch` bodies; all must be placed before use."""
        integers = torch.zeros(batch, dtype=torch.int64, device=self.device)
        floats = torch.zeros(batch, dtype=torch.float32, device=self.device)
        self.episode, self.viewpoint, self._reached = integers, integers.clone(), integers.clone()
        self.heading, self.elevation = floats, floats.clone()

    def place(self, rows: Tensor, episodes: Tensor) -> None:
        """Put the bodies `rows` (n,) at the starts of the loaded `episodes` (n,)."""
        # Out of place: observations handed out earlier may share memory with the state.
        self.episode = self.episode.index_copy(0, rows, episodes)
        self.viewpoint = self.viewpoint.index_copy(0, rows, self._starts[episodes])
        self.heading = self.heading.index_copy(0, rows, self._start_headings[episodes])
        self.elevation = self.elevation.index_fill(0, rows, 0.0)
        self._reached = self._reached.index_fill(0, rows, 0)

    @property
    def goal(self) -> Tensor:
        """(B,) int64, rows of the goals; the start where the goal is withheld."""
        return self._goals.index_select(0, self.episode)

    def distance(self) -> Tensor:
        """(B,) float32, geodesic distance to each body's goal in metres; NaN where the goal is withheld."""
        distance = self.tables.geodesic(self.viewpoint, self.goal)
        return torch.where(self._has_goal.index_select(0, self.episode), distance, torch.nan)

    def _waypoint(self) -> Tensor:
        """(B,) int64, the reference viewpoint to walk to next: the first not reached yet, in order."""
        return self._paths[self.episode, (self._reached + 1).clamp(max=self._paths.shape[1] - 1)]

    def expert_slot(self) -> Tensor:
        """(B,) int64, slot of the neighbour the expert moves to; -1 where it stops."""
        target = self.goal if self._expert_follows == "goal" else self._waypoint()
        return self.tables.slot_towards(self.viewpoint, target)

    def _arrive(self, viewpoint: Tensor) -> None:
        """Move all bodies and, for an expert that needs it, note how much of the reference each has walked."""
        self.viewpoint = viewpoint
        if self._expert_follows == "reference":
            on_path = (viewpoint == self._waypoint()) & (self._reached + 1 < self._lengths[self.episode])
            self._reached = self._reached + on_path

    def _pose_observation(self) -> dict[str, Tensor]:
        pose = {"viewpoint": self.viewpoint, "heading": self.heading, "elevation": self.elevation}
        # Copies: whoever scales an observation in place must not move the body.
        observation = {name: value.clone() for name, value in pose.items()}
        if self._features is not None:
            observation["views"] = self._features.index_select(0, self.viewpoint)
        return observation

    def _pose_spaces(self) -> dict[str, spaces.Space]:
        found: dict[str, spaces.Space] = {
            "viewpoint": spaces.Discrete(len(self.viewpoint_names)),
            "heading": spaces.Box(-TURN, TURN, (), np.float32),
            "elevation": spaces.Box(-math.pi / 2, math.pi / 2, (), np.float32),
        }
        if self._features is not None:
            low, high = (float(limit) for limit in self._features.aminmax())
            found["views"] = spaces.Box(low, high, self._features.shape[1:], np.float32)
        return found

    def poses(self) -> list[Pose]:
        """The B poses."""
        rows, headings, elevations = self.viewpoint.tolist(), self.heading.tolist(), self.elevation.tolist()
        positions = self.tables.position[self.viewpoint].tolist()
        return [
            Pose(self.viewpoint_names[row], (x, y, z), heading % TURN, elevation)
            for row, (x, y, z), heading, elevation in zip(rows, positions, headings, elevations, strict=True)
        ]


class PanoramicGraph(_Graph):
    """Panoramic actions (Fried et al. 2018, section 3.3): 0 stops, k moves to the k-th navigable neighbour.

    A move turns the body towards its neighbour and levels its gaze.
    """

    name = "graph"
    stop = 0

    @property
    def action_space(self) -> spaces.Discrete:
        """Stop and as many moves as the best connected viewpoint has neighbours."""
        return spaces.Discrete(1 + self.tables.neighbour.shape[1])

    @property
    def observation_space(self) -> spaces.Dict:
        """Pose and candidates of one body; slot 0 of the candidates is stop, zeros but for the mask."""
        width = 1 + self.tables.neighbour.shape[1]
        candidates: dict[str, spaces.Space] = {
            "candidate_mask": spaces.MultiBinary(width),
            "candidate_viewpoint": spaces.MultiDiscrete([len(self.viewpoint_names)] * width),
            "candidate_view": spaces.MultiDiscrete([VIEWS] * width),
            "candidate_heading": spaces.Box(-math.pi, math.pi, (width,), np.float32),
            "candidate_elevation": spaces.Box(-math.pi / 2, math.pi / 2, (width,), np.float32),
            "candidate_distance": spaces.Box(0.0, float(self._length.max()), (width,), np.float32),
        }
        return spaces.Dict({**self._pose_spaces(), **candidates})

    def _prepare(self) -> None:
        """Give the candidate tables their leading stop slot, once."""
        tables, rows = self.tables, torch.arange(len(self.viewpoint_names), device=self.device)
        slots = torch.arange(tables.neighbour.shape[1], device=self.device)
        stop = torch.zeros(len(rows), 1, device=self.device)
        offered = torch.cat([stop + 1, slots < tables.degree[:, None]], 1)
        self._mask = offered.to(torch.int8)
        self._moves = torch.cat([stop, offered[:, 1:].float()], 1)
        self._candidate = torch.cat([rows[:, None], tables.neighbour], 1)
        self._view = torch.cat([stop.long(), tables.view], 1)
        self._heading, self._elevation, self._length = (
            torch.cat([stop, table], 1) for table in (tables.heading, tables.elevation, tables.length)
        )

    def act(self, actions: Tensor, moving: Tensor) -> Tensor:
        """Take `actions` where `moving`; a slot that is not offered collides and moves nothing."""
        ahead = self._candidate[self.viewpoint, actions]
        blocked = ahead == self.viewpoint  # the candidate of stop and of slots that are not offered
        moves = moving & ~blocked
        self.heading = torch.where(moves, self._heading[self.viewpoint, actions], self.heading)
        self.elevation = torch.where(moves, 0.0, self.elevation)
        self._arrive(torch.where(moves, ahead, self.viewpoint))
        return moving & blocked & (actions != self.stop)

    def observe(self) -> dict[str, Tensor]:
        """Pose, and per candidate: row, view, heading relative to the body's in [-pi, pi], elevation, metres."""
        here = self.viewpoint
        relative = wrap(self._heading.index_select(0, here) - self.heading[:, None])
        return {
            **self._pose_observation(),
            "candidate_mask": self._mask.index_select(0, here),
            "candidate_viewpoint": self._candidate.index_select(0, here),
            "candidate_view": self._view.index_select(0, here),
            "candidate_heading": relative * self._moves.index_select(0, here),
            "candidate_elevation": self._elevation.index_select(0, here),
            "candidate_distance": self._length.index_select(0, here),
        }

    def expert(self) -> Tensor:
        """(B,) int64, the action of the expert: the next viewpoint along a shortest path to its target, or stop."""
        return self.expert_slot() + 1

    def choices(self) -> list[tuple[str, ...]]:
        """What each action means to each body now."""
        names = self.viewpoint_names
        # A slot that is not offered leads nowhere, to where the body is.
        return [
            ("stop", *("" if row == here else names[row] for row in rows[1:]))
            for here, rows in zip(self.viewpoint.tolist(), self._candidate[self.viewpoint].tolist(), strict=True)
        ]


class LowLevelGraph(_Graph):
    """The six actions of the original simulator (Anderson et al. 2018, section 4): turns and tilts of 30 degrees.

    Gaze snaps to the centres of the 36 views. `forward` moves to the neighbour nearest the centre of the view among
    those within 40 degrees of its heading, and collides where there is none; tilting past 30 degrees does nothing.
    """

    name = "graph-low-level"
    stop = LOW_LEVEL_ACTIONS.index("stop")

    action_space = spaces.Discrete(len(LOW_LEVEL_ACTIONS))

    @property
    def observation_space(self) -> spaces.Dict:
        """Pose, current view and whether `forward` would move one body."""
        seen: dict[str, spaces.Space] = {
            "view": spaces.Discrete(VIEWS),
            "forward_viewpoint": spaces.Discrete(len(self.viewpoint_names)),
            "candidate_mask": spaces.MultiBinary(len(LOW_LEVEL_ACTIONS)),
        }
        return spaces.Dict({**self._pose_spaces(), **seen})

    def place(self, rows: Tensor, episodes: Tensor) -> None:
        """Put bodies at their starts, the heading rounded to 30 degrees."""
        super().place(rows, episodes)
        self._look(torch.round(self.heading / VIEW_STEP), torch.round(self.elevation / VIEW_STEP))

    def _look(self, column: Tensor, tilt: Tensor) -> None:
        """Turn all bodies to view columns (0 to 11, wrapping) and tilts (-1, 0, 1, clamped), and see what is ahead."""
        self._column, self._tilt = column.long() % 12, tilt.long().clamp(-1, 1)
        self.heading, self.elevation = self._column.float() * VIEW_STEP, self._tilt.float() * VIEW_STEP
        self._ahead = self._forward_slot()

    def _forward_slot(self) -> Tensor:
        """(B,) int64, slot of the neighbour `forward` moves to; -1 where none is in view."""
        tables, here = self.tables, self.viewpoint
        across = wrap(tables.heading.index_select(0, here) - self.heading[:, None])
        up = tables.elevation.index_select(0, here) - self.elevation[:, None]
        slots = torch.arange(tables.neighbour.shape[1], device=self.device)
        seen = (across.abs() <= HALF_FIELD_OF_VIEW) & (slots < tables.degree[here, None])
        nearest = torch.where(seen, across.square() + up.square(), torch.inf).min(1)
        return torch.where(nearest.values.isinf(), -1, nearest.indices)

    def act(self, actions: Tensor, moving: Tensor) -> Tensor:
        """Take `actions` where `moving`; a forward with no neighbour in view collides."""
        left, right, up, down, forward = ((actions == action) & moving for action in range(5))
        moves = forward & (self._ahead >= 0)
        self._arrive(torch.where(moves, self._viewpoint_ahead(), self.viewpoint))
        self._look(self._column + right.long() - left.long(), self._tilt + up.long() - down.long())
        return forward & ~moves

    def _viewpoint_ahead(self) -> Tensor:
        """(B,) int64, row that `forward` leads to; the body's own where it collides."""
        return torch.where(
            self._ahead >= 0, self.tables.neighbour[self.viewpoint, self._ahead.clamp(min=0)], self.viewpoint
        )

    def observe(self) -> dict[str, Tensor]:
        """Pose, view looked at, the row `forward` leads to (here if none), and which actions do something."""
        free = torch.ones_like(self._ahead)
        offered = torch.stack([free, free, self._tilt < 1, self._tilt > -1, self._ahead >= 0, free], 1)
        return {
            **self._pose_observation(),
            "view": 12 * (1 + self._tilt) + self._column,
            "forward_viewpoint": self._viewpoint_ahead(),
            "candidate_mask": offered.to(torch.int8),
        }

    def expert(self) -> Tensor:
        """(B,) int64: turns and tilts towards the expert's neighbour until `forward` leads there."""
        slot = self.expert_slot()
        target = slot.clamp(min=0)
        here = self.viewpoint
        across = wrap(self.tables.heading[here, target] - self.heading)
        up = torch.round(self.tables.elevation[here, target] / VIEW_STEP).clamp(-1, 1).long() - self._tilt
        turn = torch.where(across > 0, LOW_LEVEL_ACTIONS.index("right"), LOW_LEVEL_ACTIONS.index("left"))
        tilt = torch.where(up > 0, LOW_LEVEL_ACTIONS.index("up"), LOW_LEVEL_ACTIONS.index("down"))
        aim = torch.where(
            across.abs() > VIEW_STEP / 2, turn, torch.where(up != 0, tilt, LOW_LEVEL_ACTIONS.index("forward"))
        )
        action = torch.where(self._ahead == slot, LOW_LEVEL_ACTIONS.index("forward"), aim)
        return torch.where(slot < 0, self.stop, action)

    def choices(self) -> list[tuple[str, ...]]:
        """The names of the actions."""
        return [LOW_LEVEL_ACTIONS] * len(self.viewpoint)
