"""Navigation graphs of buildings: the places where an agent can stand, and the pairs between which it can walk.

The frame is Matterport's: metres, z up, headings in radians clockwise from +y, elevations in radians above the horizon.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from vln.errors import InputError
from vln.files import read_json, read_text
from vln.schema import Metres, NonBlank

UNREACHABLE = -9999  # scipy's predecessor of an unreachable node
VIEWS = 36
VIEW_STEP = np.pi / 6  # both headings and elevations of the 36 views are 30 degrees apart


@dataclass(frozen=True, eq=False)
class NavigationGraph:
    """The navigation graph of one building."""

    scan: str
    viewpoints: tuple[str, ...]  # ids of the V included viewpoints
    positions: np.ndarray  # (V, 3) float64, camera positions in metres, z up
    adjacency: np.ndarray  # (V, V) bool, symmetric: True where an agent can walk between two viewpoints

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over the fields, by which a trajectory identifies its building."""
        digest = hashlib.sha256("\n".join((self.scan, *self.viewpoints)).encode())
        digest.update(np.ascontiguousarray(self.positions, dtype="<f8").tobytes())
        digest.update(np.packbits(self.adjacency).tobytes())
        return digest.hexdigest()

    @cached_property
    def index(self) -> dict[str, int]:
        """Map from viewpoint id to row."""
        return {viewpoint: row for row, viewpoint in enumerate(self.viewpoints)}

    @cached_property
    def _shortest(self) -> tuple[np.ndarray, np.ndarray]:
        here, there = np.nonzero(self.adjacency)
        lengths = np.linalg.norm(self.positions[here] - self.positions[there], axis=1)
        # Build it from edges: a dense matrix cannot distinguish an edge of length 0 from no edge.
        edges = csr_array((lengths, (here, there)), shape=self.adjacency.shape)
        distances, predecessors = dijkstra(edges, directed=False, return_predecessors=True)
        return distances, predecessors

    @property
    def distances(self) -> np.ndarray:
        """(V, V) float64, geodesic distances in metres; infinite between unconnected parts."""
        return self._shortest[0]

    @cached_property
    def next_hops(self) -> np.ndarray:
        """(V, V) int64: `next_hops[a, b]` follows a on a shortest path to b; a itself if a is b or there is no path."""
        # The graph is undirected, so the node before a on the path from b is the node after a on the path to b.
        hops = self._shortest[1].T.astype(np.int64)
        here = np.arange(len(self.viewpoints))[:, None]
        return np.where(hops == UNREACHABLE, here, hops)

    def shortest_path(self, start: str, goal: str) -> list[str]:
        """Return the viewpoints of a shortest path, start and goal included; the start alone if there is no path."""
        here, end = self.index[start], self.index[goal]
        path = [here]
        while (following := int(self.next_hops[path[-1], end])) != path[-1]:
            path.append(following)
        return [self.viewpoints[row] for row in path]

    def first_break(self, path: Sequence[str]) -> int | None:
        """Return the index of the first viewpoint that is unknown, or neither the one before it nor adjacent to it."""
        rows = [self.index.get(viewpoint, -1) for viewpoint in path]
        for step, row in enumerate(rows):
            if row < 0 or (step and row != rows[step - 1] and not self.adjacency[rows[step - 1], row]):
                return step
        return None

    def explain(self, path: Sequence[str], step: int) -> str:
        """Return a sentence on why a path breaks at a step."""
        if path[step] not in self.index:
            return f"viewpoint '{path[step]}' is not in the graph of scan '{self.scan}'"
        return f"viewpoints '{path[step - 1]}' and '{path[step]}' are not connected in scan '{self.scan}'"


class _Panorama(Struct):
    """An entry of a connectivity file."""

    image_id: NonBlank
    pose: Annotated[tuple[Metres, ...], Meta(min_length=16, max_length=16)]
    included: bool
    unobstructed: list[bool]


def load_graphs(folder: Path, scans: Sequence[str] | None = None) -> dict[str, NavigationGraph]:
    """Load the navigation graphs of a connectivity folder: of the given scans, or of all in `scans.txt`."""
    if scans is None:
        scans = read_text(Path(folder) / "scans.txt").split()
    return {scan: load_graph(Path(folder) / f"{scan}_connectivity.json", scan) for scan in scans}


def load_graph(path: Path, scan: str) -> NavigationGraph:
    """Load the graph of one `<scan>_connectivity.json`: included viewpoints, and edges between unobstructed pairs."""
    if not Path(path).is_file():
        raise InputError(path, f"the connectivity graph of scan '{scan}' is missing", "fetch it or correct the scan")
    fix = "fetch the file again"
    entries = read_json(path, list[_Panorama], fix)
    for number, entry in enumerate(entries):
        if len(entry.unobstructed) != len(entries):
            problem = f"field 'unobstructed' of entry {number} has {len(entry.unobstructed)} flags for {len(entries)}"
            raise InputError(path, f"{problem} panoramas", fix)
    names = Counter(entry.image_id for entry in entries if entry.included)
    if not names:
        raise InputError(path, "has no panorama that is included", fix)
    name, count = names.most_common(1)[0]
    if count > 1:
        raise InputError(path, f"viewpoint '{name}' occurs {count} times", fix)
    return _graph(scan, entries)


def _graph(scan: str, entries: Sequence[_Panorama]) -> NavigationGraph:
    included = np.array([entry.included for entry in entries])
    poses = np.array([entry.pose for entry in entries], dtype=np.float64).reshape(len(entries), 4, 4)
    unobstructed = np.array([entry.unobstructed for entry in entries], dtype=bool)
    adjacency = (unobstructed | unobstructed.T)[np.ix_(included, included)]
    np.fill_diagonal(adjacency, False)
    viewpoints = tuple(entry.image_id for entry in entries if entry.included)
    return NavigationGraph(scan, viewpoints, poses[included][:, :3, 3], adjacency)
