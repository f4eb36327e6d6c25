"""Sampling shortest paths in buildings, for which nobody has written instructions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vln.episodes import Episode
from vln.graph import NavigationGraph

FIRST = 10_000_000  # path_id of the first, beyond those of R2R
TRIES = 50  # ends tried for each path


def sample_paths(
    graphs: Mapping[str, NavigationGraph],
    episodes: Sequence[Episode],
    count: int,
    viewpoints: tuple[int, int],
    metres: float,
    rng: np.random.Generator,
) -> Iterator[dict[str, Any]]:
    """Yield at most `count` new paths in the buildings of some episodes, as entries of a file in R2R's format.

    They have no instructions, the given least and most `viewpoints`, and at least `metres`.
    """
    taken = {(each.scan, each.path) for each in episodes}
    scans = sorted({each.scan for each in episodes})
    sizes = np.array([len(graphs[scan].viewpoints) for scan in scans], dtype=np.float64)
    found = 0
    for _ in range(count * TRIES):
        if found == count:
            return
        scan = scans[rng.choice(len(scans), p=sizes / sizes.sum())]
        path = sample_path(graphs[scan], viewpoints, metres, rng)
        if path and (scan, path) not in taken:
            taken.add((scan, path))
            heading = float(rng.uniform(0, 2 * np.pi))
            yield {"path_id": FIRST + found, "scan": scan, "heading": heading, "path": list(path)}
            found += 1


def sample_path(
    graph: NavigationGraph, viewpoints: tuple[int, int], metres: float, rng: np.random.Generator
) -> tuple[str, ...]:
    """Return a shortest path between two random viewpoints; an empty one if its size is out of bounds."""
    start, goal = rng.choice(graph.viewpoints, 2, replace=len(graph.viewpoints) < 2).tolist()
    length = graph.distances[graph.index[start], graph.index[goal]]
    path = tuple(graph.shortest_path(start, goal))
    return path if viewpoints[0] <= len(path) <= viewpoints[1] and metres <= length < np.inf else ()
