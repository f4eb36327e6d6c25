"""The six actions of the original simulator on navigation graphs."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from gymnasium import spaces
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from envs.graph.simulator import GraphSimulator
from envs.graph.tables import GraphTables, hops_to_slots, wrap
from vln.graph import UNREACHABLE, VIEW_STEP, VIEWS, NavigationGraph

LOW_LEVEL_ACTIONS = ("left", "right", "up", "down", "forward", "stop")
LEFT, RIGHT, UP, DOWN, FORWARD, STOP = range(len(LOW_LEVEL_ACTIONS))
COLUMNS = 12  # views at one elevation
# Half of the horizontal field of view of the original 640 x 480 camera at 60 degrees vertically.
HALF_FIELD_OF_VIEW = math.radians(40)


class LowLevelGraph(GraphSimulator):
    """The six actions of the original simulator (Anderson et al. 2018, section 4): turns and tilts of 30 degrees.

    The camera always points at the centre of one of the 36 views. `forward` moves to the neighbour nearest to that
    centre among those within 40 degrees of its heading, and collides if there is none. Tilts beyond 30 degrees do
    nothing.

    Some neighbours are nearest to the centre of no view (3 % of the directed edges of R2R's buildings). No action moves
    there from here, and the expert takes another path.
    """

    name = "graph-low-level"
    stop = STOP

    action_space = spaces.Discrete(len(LOW_LEVEL_ACTIONS))

    def _prepare(self) -> None:
        """Compute the forward move of each view, and restrict the expert's shortest paths to such moves."""
        self._ahead = forward_rows(self.tables)
        routes = forward_next_slots(self.graphs, self.tables, self._ahead)
        self.tables = replace(self.tables, next_slot=routes.to(self.device))
        self._view_after, self._gaze_cost, self._first_action = (table.to(self.device) for table in _view_tables())

    @property
    def observation_space(self) -> spaces.Dict:
        """Pose, current view, viewpoint that `forward` leads to (its own if none), and mask of effective actions."""
        seen: dict[str, spaces.Space] = {
            "view": spaces.Discrete(VIEWS),
            "forward_viewpoint": spaces.Discrete(len(self.viewpoint_names)),
            "candidate_mask": spaces.MultiBinary(len(LOW_LEVEL_ACTIONS)),
        }
        return spaces.Dict({**self._pose_spaces(), **seen})

    def resize(self, batch: int) -> None:
        """Allocate `batch` bodies. Each must be placed before it is used."""
        super().resize(batch)
        self._view = torch.zeros_like(self.viewpoint)

    def place(self, rows: Tensor, episodes: Tensor) -> None:
        """Put bodies at the starts of episodes, with the heading rounded to 30 degrees."""
        super().place(rows, episodes)
        column = torch.round(self._start_headings[episodes] / VIEW_STEP).long() % COLUMNS
        self._set_view(self._view.index_copy(0, rows, COLUMNS + column))

    def _set_view(self, view: Tensor) -> None:
        """Point the cameras of all bodies at views (B,)."""
        self._view = view
        self.heading, self.elevation = _direction(view)

    def act(self, actions: Tensor, moving: Tensor) -> Tensor:
        """Apply `actions` where `moving`. A forward move without a neighbour in view is a collision."""
        forward = (actions == FORWARD) & moving
        ahead = self._ahead[self.viewpoint, self._view]
        collided = forward & (ahead == self.viewpoint)
        self._move_to(torch.where(forward, ahead, self.viewpoint))
        self._set_view(torch.where(moving, self._view_after[self._view, actions], self._view))
        return collided

    def observe(self) -> dict[str, Tensor]:
        """Return pose, view, row that `forward` leads to (its own if none), and mask of effective actions."""
        ahead = self._ahead[self.viewpoint, self._view]
        offered = self._view_after.index_select(0, self._view) != self._view[:, None]
        offered[:, FORWARD], offered[:, STOP] = ahead != self.viewpoint, True
        return {
            **self._pose_observation(),
            "view": self._view.clone(),
            "forward_viewpoint": ahead,
            "candidate_mask": offered.to(torch.int8),
        }

    def expert(self) -> Tensor:
        """Return the expert's actions, (B,) int64: fewest turns and tilts until `forward` leads to its neighbour."""
        slot = self.expert_slot()
        target = self.tables.neighbour[self.viewpoint, slot.clamp(min=0)]
        leads_there = self._ahead.index_select(0, self.viewpoint) == target[:, None]
        gaze_cost = self._gaze_cost.index_select(0, self._view)
        aim = torch.where(leads_there, gaze_cost, torch.inf).argmin(1)
        return torch.where(slot < 0, STOP, self._first_action[self._view, aim])

    def choices(self) -> list[tuple[str, ...]]:
        """Return the names of the actions for each body."""
        return [LOW_LEVEL_ACTIONS] * len(self.viewpoint)


def _direction(view: Tensor) -> tuple[Tensor, Tensor]:
    """Return heading and elevation of the centres of views, float32 radians."""
    return (view % COLUMNS).float() * VIEW_STEP, (view // COLUMNS - 1).float() * VIEW_STEP


def forward_rows(tables: GraphTables) -> Tensor:
    """Return the row that `forward` leads to from each view of each viewpoint, (N, 36) int64; its own row if none."""
    own = torch.arange(len(tables.degree), device=tables.device)
    slots = torch.arange(tables.neighbour.shape[1], device=tables.device)
    columns = []
    for view in range(VIEWS):
        heading, elevation = _direction(torch.tensor(view))
        across, up = wrap(tables.heading - heading), tables.elevation - elevation
        seen = (across.abs() <= HALF_FIELD_OF_VIEW) & (slots < tables.degree[:, None])
        nearest = torch.where(seen, across.square() + up.square(), torch.inf).min(1)
        columns.append(torch.where(nearest.values.isinf(), own, tables.neighbour[own, nearest.indices]))
    return torch.stack(columns, 1)


def forward_next_slots(graphs: Sequence[NavigationGraph], tables: GraphTables, ahead: Tensor) -> Tensor:
    """Compute `GraphTables.next_slot`, (sum of V²,) int64, for paths of the moves `ahead` of `forward_rows`."""
    parts, first = [], 0
    for graph in graphs:
        rows = slice(first, first + len(graph.viewpoints))
        neighbours = tables.neighbour[rows].numpy(force=True) - first
        used = np.arange(neighbours.shape[1]) < tables.degree[rows, None].numpy(force=True)
        hops = _hops(graph, ahead[rows].numpy(force=True) - first)
        parts.append(torch.from_numpy(hops_to_slots(hops, neighbours, used).ravel()))
        first = rows.stop
    return torch.cat(parts)


def _hops(graph: NavigationGraph, ahead: np.ndarray) -> np.ndarray:
    """Return the next viewpoint from a to b on shortest paths with the moves `ahead` (V, 36); a where there is none."""
    own = np.arange(len(ahead))[:, None]
    here, there = np.unique(np.stack([np.broadcast_to(own, ahead.shape), ahead], -1).reshape(-1, 2), axis=0).T
    moves = here != there
    here, there = here[moves], there[moves]
    lengths = np.linalg.norm(graph.positions[here] - graph.positions[there], axis=1)
    # On reversed edges, the predecessor of a on the path from b is the successor of a on the path to b.
    backwards = csr_array((lengths, (there, here)), shape=graph.adjacency.shape)
    hops = dijkstra(backwards, return_predecessors=True)[1].T.astype(np.int64)
    return np.where(hops == UNREACHABLE, own, hops)


def _view_tables() -> tuple[Tensor, Tensor, Tensor]:
    """Build the tables of turns and tilts between the 36 views.

    They are the view after each action, (36, 6) int64; the number of actions between two views, (36, 36) float32, where
    tilts cost slightly more, to break ties; and the first action from one view to another, (36, 36) int64, turns first,
    `forward` on the diagonal.
    """
    view = torch.arange(VIEWS)
    column, tilt = view % COLUMNS, view // COLUMNS
    level = tilt * COLUMNS
    up, down = (tilt + 1).clamp(max=2) * COLUMNS + column, (tilt - 1).clamp(min=0) * COLUMNS + column
    view_after = torch.stack([level + (column - 1) % COLUMNS, level + (column + 1) % COLUMNS, up, down, view, view], 1)
    right, rise = (column - column[:, None]) % COLUMNS, tilt - tilt[:, None]
    gaze_cost = torch.minimum(right, COLUMNS - right) + 1.01 * rise.abs()
    tilting = torch.where(rise > 0, UP, torch.where(rise < 0, DOWN, FORWARD))
    first_action = torch.where(right == 0, tilting, torch.where(right <= COLUMNS // 2, RIGHT, LEFT))
    return view_after, gaze_cost, first_action
