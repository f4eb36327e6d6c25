"""The metrics of `vln.metrics` for one episode at a time, written like the published evaluators.

Distances are dictionaries of dictionaries, as in the R2R evaluator. The time warping uses a NumPy matrix and the
coverage NumPy's scalar functions, as the field's evaluators of nDTW and CLS do. Not for experiments:
`scripts/benchmark.py metrics` compares speed with it, and the tests compare the batched metrics with it.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise

import numpy as np

from vln.episodes import Episode
from vln.graph import NavigationGraph
from vln.metrics import METRICS, THRESHOLD

Distances = Mapping[str, Mapping[str, float]]


def distance_dictionaries(graph: NavigationGraph) -> dict[str, dict[str, float]]:
    """Return geodesic distances in metres, by viewpoint and viewpoint."""
    rows = zip(graph.viewpoints, graph.distances.tolist(), strict=True)
    return {viewpoint: dict(zip(graph.viewpoints, row, strict=True)) for viewpoint, row in rows}


def score_all(
    distances: Mapping[str, Distances], episodes: Sequence[Episode], paths: Sequence[Sequence[str]]
) -> dict[str, np.ndarray]:
    """Compute the metrics of `vln.metrics.score_paths` from the distances of each building."""
    scores = [
        score_one(distances[episode.scan], episode.path, path) for episode, path in zip(episodes, paths, strict=True)
    ]
    return {name: np.array([score[name] for score in scores]) for name in METRICS}


def score_one(distances: Distances, reference: Sequence[str], path: Sequence[str]) -> dict[str, float]:
    """Compute all metrics of one path of viewpoints, with or without in-place turns.

    `distances` are geodesic metres from viewpoint to viewpoint; the reference ends at the goal.
    """
    path = [viewpoint for viewpoint, _ in groupby(path)]
    goal = reference[-1]
    length = _length(distances, path)
    error = distances[path[-1]][goal]
    success = float(error < THRESHOLD)
    similarity = float(np.exp(-_dtw(distances, path, reference) / (len(reference) * THRESHOLD)))
    return {
        "TL": length,
        "NE": error,
        "SR": success,
        "OSR": float(any(distances[viewpoint][goal] < THRESHOLD for viewpoint in path)),
        "SPL": _spl(success, length, distances[path[0]][goal]),
        "nDTW": similarity,
        "sDTW": success * similarity,
        "CLS": _cls(distances, path, reference),
    }


def _length(distances: Distances, path: Sequence[str]) -> float:
    return float(sum(distances[a][b] for a, b in pairwise(path)))


def _spl(success: float, length: float, shortest: float) -> float:
    if length == shortest == 0:
        return success
    return success * shortest / max(shortest, length)


def _dtw(distances: Distances, path: Sequence[str], reference: Sequence[str]) -> float:
    matrix = np.full((len(path) + 1, len(reference) + 1), np.inf)
    matrix[0, 0] = 0.0
    for row, viewpoint in enumerate(path, start=1):
        for column, other in enumerate(reference, start=1):
            before = min(matrix[row - 1, column], matrix[row, column - 1], matrix[row - 1, column - 1])
            matrix[row, column] = distances[viewpoint][other] + before
    return float(matrix[-1, -1])


def _cls(distances: Distances, path: Sequence[str], reference: Sequence[str]) -> float:
    nearest = [np.min([distances[viewpoint][other] for viewpoint in path]) for other in reference]
    coverage = float(np.mean([np.exp(-distance / THRESHOLD) for distance in nearest]))
    expected, length = coverage * _length(distances, reference), _length(distances, path)
    if expected == length == 0:
        return coverage
    return coverage * expected / (expected + abs(expected - length))
