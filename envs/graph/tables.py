"""Lookup tables over the viewpoints of many buildings. With them a step of a batch is a few gathers."""

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
    """Concatenated tables of all buildings: N viewpoints ("rows"), each with at most D neighbours ("slots").

    `offset[a] + b` is the index of the pair (a, b) of one building in `distance` and `next_slot`.
    """

    position: Tensor  # (N, 3) float32, metres
    neighbour: Tensor  # (N, D) int64, rows of the neighbours; unused slots hold the viewpoint itself
    degree: Tensor  # (N,) int64, slots in use
    heading: Tensor  # (N, D) float32, direction of each neighbour in radians clockwise from +y
    elevation: Tensor  # (N, D) float32, radians above the horizon
    length: Tensor  # (N, D) float32, metres; 0 in unused slots
    view: Tensor  # (N, D) int64, index of the view, of 36, whose centre is nearest to the neighbour
    offset: Tensor  # (N,) int64
    distance: Tensor  # (sum of V²,) float32, geodesic distances from a to b in metres
    next_slot: Tensor  # (sum of V²,) int64, slot of the neighbour of a on a shortest path to b; -1 where a is b

    @property
    def device(self) -> torch.device:
        """Device of the tables."""
        return self.position.device

    def to(self, device: torch.device | str) -> "GraphTables":
        """Return the tables on another device."""
        return GraphTables(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def geodesic(self, a: Tensor, b: Tensor) -> Tensor:
        """Return geodesic distances in metres from rows a (n,) to rows b (n,); infinite where unconnected."""
        return self.distance.index_select(0, self._pair(a, b))

    def slot_towards(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the slots of the neighbours of `a` on shortest paths to `b`; -1 where there is none or a is b."""
        return self.next_slot.index_select(0, self._pair(a, b))

    def _pair(self, a: Tensor, b: Tensor) -> Tensor:
        return self.offset.index_select(0, a) + b


def build_tables(graphs: Sequence[NavigationGraph]) -> GraphTables:
    """Build the tables. Rows follow the order of `graphs` and, within a graph, of its viewpoints."""
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
    """Build the tables of one building whose first row is `start` and whose first pair is `square`."""
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
        "next_slot": hops_to_slots(graph.next_hops, local, used).ravel(),
    }


def hops_to_slots(hops: np.ndarray, neighbours: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Convert next hops (V, V) from a to b to slots (V, V); -1 where there is none and the hop is a itself.

    `neighbours` (V, D) are the viewpoints in the slots, of which some are `used` (V, D).
    """
    count = len(hops)
    slot_of = np.full((count, count), -1)
    rows, slots = np.nonzero(used)
    slot_of[rows, neighbours[rows, slots]] = slots
    return np.take_along_axis(slot_of, hops, axis=1)


def nearest_view(heading: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    """Return the index (0 to 35) of the view whose centre is nearest to a direction in radians, elementwise."""
    column = np.rint(heading / VIEW_STEP).astype(np.int64) % 12
    return 12 * (1 + np.clip(np.rint(elevation / VIEW_STEP), -1, 1).astype(np.int64)) + column


def wrap(angle: Tensor) -> Tensor:
    """Wrap angles to [-pi, pi]. Rounding is several times as fast as a remainder."""
    return (angle - TURN * torch.round(angle / TURN)).clamp(-math.pi, math.pi)
