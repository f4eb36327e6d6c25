"""Lookup tables over the viewpoints of many buildings, so that a step of a batch is a handful of gathers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from vln.graph import VIEW_STEP, NavigationGraph

TURN = 2 * math.pi


@dataclass(frozen=True)
class GraphTables:
    """Buildings laid end to end: N viewpoints ("rows") in all, D neighbours at most.

    Attributes:
        position: (N, 3) float32, metres.
        neighbour: (N, D) int64, rows; unused slots hold the viewpoint itself.
        degree: (N,) int64, slots in use.
        heading: (N, D) float32, direction of each neighbour in radians clockwise from +y.
        elevation: (N, D) float32, radians above the horizon.
        length: (N, D) float32, metres; 0 in unused slots.
        view: (N, D) int64, the one of the 36 views whose centre is nearest to the neighbour.
        offset: (N,) int64 such that `distance[offset[a] + b]` is about rows a and b of one building.
        distance: (sum of V², ) float32, geodesic distances in metres.
        next_slot: (sum of V²,) int64, slot of a's neighbours that leads to b on a shortest path; -1 where a is b.
    """

    position: Tensor
    neighbour: Tensor
    degree: Tensor
    heading: Tensor
    elevation: Tensor
    length: Tensor
    view: Tensor
    offset: Tensor
    distance: Tensor
    next_slot: Tensor

    @property
    def device(self) -> torch.device:
        """Where the tables are."""
        return self.position.device

    def to(self, device: torch.device | str) -> "GraphTables":
        """The same tables on another device."""
        return GraphTables(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def geodesic(self, a: Tensor, b: Tensor) -> Tensor:
        """Geodesic distances in metres between rows (n,) of one building, elementwise; infinite where unconnected."""
        return self.distance.index_select(0, self._pair(a, b))

    def slot_towards(self, a: Tensor, b: Tensor) -> Tensor:
        """Slot of the neighbour of `a` on a shortest path to `b`; -1 where there is none or a is b."""
        return self.next_slot.index_select(0, self._pair(a, b))

    def _pair(self, a: Tensor, b: Tensor) -> Tensor:
        return self.offset.index_select(0, a) + b


def build_tables(graphs: Sequence[NavigationGraph]) -> GraphTables:
    """Tables of buildings; row order is the order of `graphs` and, inside one, of its viewpoints."""
    width = max(int(graph.adjacency.sum(1).max(initial=0)) for graph in graphs)
    starts = np.cumsum([0, *(len(graph.viewpoints) for graph in graphs)])
    squares = np.cumsum([0, *(len(graph.viewpoints) ** 2 for graph in graphs)])
    parts = [
        _building(graph, width, int(start), int(square))
        for graph, start, square in zip(graphs, starts, squares, strict=False)
    ]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return GraphTables(**{name: torch.from_numpy(array) for name, array in joined.items()})


def _building(graph: NavigationGraph, width: int, start: int, square: int) -> dict[str, np.ndarray]:
    """The tables of one building whose first row is `start` and whose first pair is `square`."""
    count = len(graph.viewpoints)
    degree = graph.adjacency.sum(1)
    local = np.tile(np.arange(count)[:, None], (1, width))
    used = np.arange(width) < degree[:, None]
    local[used] = np.nonzero(graph.adjacency)[1]
    offsets = graph.positions[local] - graph.positions[:, None]
    heading = np.arctan2(offsets[..., 0], offsets[..., 1])
    elevation = np.arctan2(offsets[..., 2], np.hypot(offsets[..., 0], offsets[..., 1]))
    return {
        "position": graph.positions.astype(np.float32),
        "neighbour": local + start,
        "degree": degree,
        "heading": np.where(used, heading, 0).astype(np.float32),
        "elevation": np.where(used, elevation, 0).astype(np.float32),
        "length": np.where(used, np.linalg.norm(offsets, axis=-1), 0).astype(np.float32),
        "view": np.where(used, nearest_view(heading, elevation), 0),
        "offset": square + np.arange(count) * count - start,
        "distance": graph.distances.astype(np.float32).ravel(),
        "next_slot": slots_of(graph.next_hops, local, used).ravel(),
    }


def slots_of(hops: np.ndarray, neighbours: np.ndarray, used: np.ndarray) -> np.ndarray:
    """The slots that lead to next hops.

    Args:
        hops: (V, V) next viewpoint on the way from a to b; a itself where there is no way to go.
        neighbours: (V, D) viewpoints.
        used: (V, D) bool, which slots may be taken.

    Returns:
        (V, V) slots; -1 where there is no hop to take.
    """
    count = len(hops)
    slot_of = np.full((count, count), -1)
    rows, slots = np.nonzero(used)
    slot_of[rows, neighbours[rows, slots]] = slots
    return np.take_along_axis(slot_of, hops, axis=1)


def nearest_view(heading: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    """Index (0 to 35) of the view whose centre is nearest, for radians of any shape."""
    column = np.rint(heading / VIEW_STEP).astype(np.int64) % 12
    return 12 * (1 + np.clip(np.rint(elevation / VIEW_STEP), -1, 1).astype(np.int64)) + column


def wrap(angle: Tensor) -> Tensor:
    """The same angle in [-pi, pi]; rounding is several times as fast as a remainder."""
    return (angle - TURN * torch.round(angle / TURN)).clamp(-math.pi, math.pi)
