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
from envs.graph.tables import GraphTables, slots_of, wrap
from vln.graph import UNREACHABLE, VIEW_STEP, VIEWS, NavigationGraph

LOW_LEVEL_ACTIONS = ("left", "right", "up", "down", "forward", "stop")
LEFT, RIGHT, UP, DOWN, FORWARD, STOP = range(len(LOW_LEVEL_ACTIONS))
COLUMNS = 12  # views of one elevation
# Half of the horizontal field of view of the original 640 x 480 camera at 60 degrees vertically.
HALF_FIELD_OF_VIEW = math.radians(40)


class LowLevelGraph(GraphSimulator):
    """The six actions of the original simulator (Anderson et al. 2018, section 4): turns and tilts of 30 degrees.

    Gaze snaps to the centres of the 36 views. `forward` moves to the neighbour nearest the centre of the view among
    those within 40 degrees of its heading, and collides where there is none; tilting past 30 degrees does nothing.

    A neighbour may be nearest to no view's centre (3 % of the directed edges of R2R's buildings): there is no moving to
    it from here, and the expert goes around.
    """

    name = "graph-low-level"
    stop = STOP

    action_space = spaces.Discrete(len(LOW_LEVEL_ACTIONS))

    def _prepare(self) -> None:
        """Find out once where each view leads to, and keep the expert to ways that can be gone."""
        self._ahead = rows_ahead(self.tables)
        routes = slots_along(self.graphs, self.tables, self._ahead)
        self.tables = replace(self.tables, next_slot=routes.to(self.device))
        self._view_after, self._effort, self._towards = (table.to(self.device) for table in _gaze_tables())

    @property
    def observation_space(self) -> spaces.Dict:
        """Pose, view looked at, where `forward` leads to (here if nowhere), and which actions do something."""
        seen: dict[str, spaces.Space] = {
            "view": spaces.Discrete(VIEWS),
            "forward_viewpoint": spaces.Discrete(len(self.viewpoint_names)),
            "candidate_mask": spaces.MultiBinary(len(LOW_LEVEL_ACTIONS)),
        }
        return spaces.Dict({**self._pose_spaces(), **seen})

    def resize(self, batch: int) -> None:
        """Make room for `batch` bodies; all must be placed before use."""
        super().resize(batch)
        self._view = torch.zeros_like(self.viewpoint)

    def place(self, rows: Tensor, episodes: Tensor) -> None:
        """Put bodies at their starts, the heading rounded to 30 degrees."""
        super().place(rows, episodes)
        column = torch.round(self._start_headings[episodes] / VIEW_STEP).long() % COLUMNS
        self._look(self._view.index_copy(0, rows, COLUMNS + column))

    def _look(self, view: Tensor) -> None:
        """Turn all bodies to views (B,)."""
        self._view = view
        self.heading, self.elevation = _direction(view)

    def act(self, actions: Tensor, moving: Tensor) -> Tensor:
        """Take `actions` where `moving`; a forward with no neighbour in view collides."""
        forward = (actions == FORWARD) & moving
        ahead = self._ahead[self.viewpoint, self._view]
        collided = forward & (ahead == self.viewpoint)
        self._arrive(torch.where(forward, ahead, self.viewpoint))
        self._look(torch.where(moving, self._view_after[self._view, actions], self._view))
        return collided

    def observe(self) -> dict[str, Tensor]:
        """Pose, view looked at, the row `forward` leads to (here if none), and which actions do something."""
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
        """(B,) int64: turns and tilts, as few as can be, until `forward` leads to the expert's neighbour."""
        slot = self.expert_slot()
        target = self.tables.neighbour[self.viewpoint, slot.clamp(min=0)]
        leads_there = self._ahead.index_select(0, self.viewpoint) == target[:, None]
        effort = self._effort.index_select(0, self._view)
        aim = torch.where(leads_there, effort, torch.inf).argmin(1)
        return torch.where(slot < 0, STOP, self._towards[self._view, aim])

    def choices(self) -> list[tuple[str, ...]]:
        """The names of the actions."""
        return [LOW_LEVEL_ACTIONS] * len(self.viewpoint)


def _direction(view: Tensor) -> tuple[Tensor, Tensor]:
    """Heading and elevation of the centres of views, float32 radians."""
    return (view % COLUMNS).float() * VIEW_STEP, (view // COLUMNS - 1).float() * VIEW_STEP


def rows_ahead(tables: GraphTables) -> Tensor:
    """(N, 36) int64, the row that `forward` leads to from each view of each viewpoint; its own row if nowhere."""
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


def slots_along(graphs: Sequence[NavigationGraph], tables: GraphTables, ahead: Tensor) -> Tensor:
    """What `GraphTables.next_slot` is, with no other moves than those that `forward` makes.

    Args:
        graphs: Buildings.
        tables: Theirs.
        ahead: (N, 36), see `rows_ahead`.

    Returns:
        (sum of V²,) int64.
    """
    parts, first = [], 0
    for graph in graphs:
        rows = slice(first, first + len(graph.viewpoints))
        neighbours = tables.neighbour[rows].numpy(force=True) - first
        used = np.arange(neighbours.shape[1]) < tables.degree[rows, None].numpy(force=True)
        hops = _hops(graph, ahead[rows].numpy(force=True) - first)
        parts.append(torch.from_numpy(slots_of(hops, neighbours, used).ravel()))
        first = rows.stop
    return torch.cat(parts)


def _hops(graph: NavigationGraph, ahead: np.ndarray) -> np.ndarray:
    """(V, V) what follows a on the shortest path to b by moves to what is `ahead` (V, 36); a where there is none."""
    own = np.arange(len(ahead))[:, None]
    here, there = np.unique(np.stack([np.broadcast_to(own, ahead.shape), ahead], -1).reshape(-1, 2), axis=0).T
    moves = here != there
    here, there = here[moves], there[moves]
    lengths = np.linalg.norm(graph.positions[here] - graph.positions[there], axis=1)
    # Turned around: what comes before a on the way from b is what follows a on the way to b.
    backwards = csr_array((lengths, (there, here)), shape=graph.adjacency.shape)
    hops = dijkstra(backwards, return_predecessors=True)[1].T.astype(np.int64)
    return np.where(hops == UNREACHABLE, own, hops)


def _gaze_tables() -> tuple[Tensor, Tensor, Tensor]:
    """What turning and tilting does to the 36 views.

    Returns:
        view_after: (36, 6) int64, the view after each action.
        effort: (36, 36) float32, number of actions from one view to another; of equal ones, tilts are dearer.
        towards: (36, 36) int64, the first action from one view to another, turns first; `forward` where they are one.
    """
    view = torch.arange(VIEWS)
    column, tilt = view % COLUMNS, view // COLUMNS
    level = tilt * COLUMNS
    up, down = (tilt + 1).clamp(max=2) * COLUMNS + column, (tilt - 1).clamp(min=0) * COLUMNS + column
    view_after = torch.stack([level + (column - 1) % COLUMNS, level + (column + 1) % COLUMNS, up, down, view, view], 1)
    right, rise = (column - column[:, None]) % COLUMNS, tilt - tilt[:, None]
    effort = torch.minimum(right, COLUMNS - right) + 1.01 * rise.abs()
    tilting = torch.where(rise > 0, UP, torch.where(rise < 0, DOWN, FORWARD))
    towards = torch.where(right == 0, tilting, torch.where(right <= COLUMNS // 2, RIGHT, LEFT))
    return view_after, effort, towards
