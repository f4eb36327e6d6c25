"""The base class of simulators on navigation graphs. Coordinates and units: see `vln.graph`."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from envs.graph.tables import TURN, GraphTables, build_tables
from vln.episodes import REFETCH, Episode
from vln.errors import InputError
from vln.features.table import ViewTable
from vln.floors import Floors, find_floors
from vln.graph import NavigationGraph
from vln.trajectory import Pose

if TYPE_CHECKING:
    from envs.pictures import ChartCache


class GraphSimulator:
    """Base of both action spaces: tables, poses, goals and the reference path."""

    def __init__(
        self,
        graphs: Sequence[NavigationGraph],
        features: ViewTable | None = None,
        expert: Literal["goal", "reference"] = "goal",
        device: torch.device | str = "cpu",
    ) -> None:
        """Create a simulator without bodies, with its tables on a device.

        With dense features the observation includes those of the panorama, (36, F). The expert takes the shortest path
        to the goal (R2R), or the reference viewpoints in order (R4R, whose references are not shortest paths).
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
        self._floors: dict[str, Floors] = {}  # storeys by building, for pictures
        self._charts: ChartCache | None = None
        self._features = None
        if features is not None and features.dense is not None and features.dense.shape[-1]:
            rows = features.rows(self.graphs)
            self._features = torch.from_numpy(np.ascontiguousarray(features.dense[rows], np.float32)).to(device)
        self.resize(0)

    def _prepare(self) -> None:
        """Build the tables that only this action space needs."""

    def content_hash(self, scan: str) -> str:
        """Return the hash of a building."""
        return self._by_scan[scan].content_hash

    def load(self, episodes: Sequence[Episode]) -> None:
        """Load episodes, which `place` numbers by their position in the sequence."""
        rows = [self._rows_of(episode) for episode in episodes]
        lengths = np.array([len(path) for path in rows])
        headings = np.array([episode.heading % TURN for episode in episodes], dtype=np.float32)
        paths = np.array([path + path[-1:] * (lengths.max() - len(path)) for path in rows])
        has_goal = np.array([not episode.withheld for episode in episodes])
        self._paths, self._lengths, self._start_headings, self._has_goal = (
            torch.from_numpy(array).to(self.device) for array in (paths, lengths, headings, has_goal)
        )
        self._starts, self._goals = self._paths[:, 0].contiguous(), self._paths[:, -1].contiguous()

    def _rows_of(self, episode: Episode) -> list[int]:
        """Return the rows of an episode's path without consecutive duplicates, which are no moves."""
        where = f"episode '{episode.episode_id}'"
        if episode.scan not in self._by_scan:
            raise InputError(where, f"field 'scan' is the unknown scan '{episode.scan}'", REFETCH)
        graph, first = self._by_scan[episode.scan], self._first_row[episode.scan]
        unknown = [viewpoint for viewpoint in episode.path if viewpoint not in graph.index]
        if unknown:
            raise InputError(where, f"field 'path' has '{unknown[0]}', which is not in '{episode.scan}'", REFETCH)
        return [first + graph.index[viewpoint] for viewpoint, _ in groupby(episode.path)]

    def resize(self, batch: int) -> None:
        """Allocate `batch` bodies. Each must be placed before it is used."""
        integers = torch.zeros(batch, dtype=torch.int64, device=self.device)
        floats = torch.zeros(batch, dtype=torch.float32, device=self.device)
        self.episode, self.viewpoint, self._reached = integers, integers.clone(), integers.clone()
        self.heading, self.elevation = floats, floats.clone()

    def place(self, rows: Tensor, episodes: Tensor) -> None:
        """Put the bodies `rows` (n,) at the starts of the loaded `episodes` (n,)."""
        self.episode = self.episode.index_copy(0, rows, episodes)
        self.viewpoint = self.viewpoint.index_copy(0, rows, self._starts[episodes])
        self.heading = self.heading.index_copy(0, rows, self._start_headings[episodes])
        self.elevation = self.elevation.index_fill(0, rows, 0.0)
        self._reached = self._reached.index_fill(0, rows, 0)

    @property
    def goal(self) -> Tensor:
        """Rows of the goals, (B,) int64; the row of the start where the goal is withheld."""
        return self._goals.index_select(0, self.episode)

    def distance(self) -> Tensor:
        """Return the geodesic distances to the goals in metres, (B,) float32; NaN where the goal is withheld."""
        distance = self.tables.geodesic(self.viewpoint, self.goal)
        return torch.where(self._has_goal.index_select(0, self.episode), distance, torch.nan)

    def _waypoint(self) -> Tensor:
        """Return the rows of the next reference viewpoints, (B,) int64: the first ones not reached yet, in order."""
        return self._paths[self.episode, (self._reached + 1).clamp(max=self._paths.shape[1] - 1)]

    def expert_slot(self) -> Tensor:
        """Return the slots of the neighbours that the expert moves to, (B,) int64; -1 where it stops."""
        target = self.goal if self._expert_follows == "goal" else self._waypoint()
        return self.tables.slot_towards(self.viewpoint, target)

    def _move_to(self, viewpoint: Tensor) -> None:
        """Move all bodies and, if the expert follows the reference, update how much of it each body has walked."""
        self.viewpoint = viewpoint
        if self._expert_follows == "reference":
            on_path = (viewpoint == self._waypoint()) & (self._reached + 1 < self._lengths[self.episode])
            self._reached = self._reached + on_path

    def _pose_observation(self) -> dict[str, Tensor]:
        pose = {"viewpoint": self.viewpoint, "heading": self.heading[:, None], "elevation": self.elevation[:, None]}
        # Copies, so that scaling an observation in place does not move the body.
        observation = {name: value.clone() for name, value in pose.items()}
        if self._features is not None:
            observation["views"] = self._features.index_select(0, self.viewpoint)
        return observation

    def _pose_spaces(self) -> dict[str, spaces.Space]:
        found: dict[str, spaces.Space] = {
            "viewpoint": spaces.Discrete(len(self.viewpoint_names)),
            "heading": spaces.Box(-TURN, TURN, (1,), np.float32),
            "elevation": spaces.Box(-math.pi / 2, math.pi / 2, (1,), np.float32),
        }
        if self._features is not None:
            low, high = (float(limit) for limit in self._features.aminmax())
            found["views"] = spaces.Box(low, high, self._features.shape[1:], np.float32)
        return found

    def picture(self, row: int, trail: Sequence[Pose]) -> np.ndarray:
        """Draw the map with the trail and the goal of a body, (256, 256, 3) uint8."""
        from envs.pictures import ChartCache, draw_map

        self._charts = self._charts or ChartCache()
        episode, here = int(self.episode[row]), int(self.viewpoint[row])
        graph = self.graphs[int(np.searchsorted(list(self._first_row.values()), here, side="right")) - 1]
        if graph.scan not in self._floors:
            self._floors[graph.scan] = find_floors(graph.positions[:, 2])
        floors = self._floors[graph.scan]
        chart = self._charts.of_graph(graph, floors, int(floors.of(trail[-1].position[2])))
        length = int(self._lengths[episode]) if self._has_goal[episode] else 0
        reference = self.tables.position[self._paths[episode, :length]].numpy(force=True)
        return draw_map(chart, trail, reference, reference[-1] if len(reference) else None)

    def poses(self) -> list[Pose]:
        """Return the B poses."""
        rows, headings, elevations = self.viewpoint.tolist(), self.heading.tolist(), self.elevation.tolist()
        positions = self.tables.position[self.viewpoint].tolist()
        return [
            Pose(self.viewpoint_names[row], (x, y, z), heading % TURN, elevation)
            for row, (x, y, z), heading, elevation in zip(rows, positions, headings, elevations, strict=True)
        ]
