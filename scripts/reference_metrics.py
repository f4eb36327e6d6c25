"""The metrics of `vln.metrics` word for word from their papers: plain Python, one episode at a time.

Not for use in experiments: the yardstick of `scripts/benchmark.py metrics`, and the tests check the batched metrics on it.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise

from vln.metrics import THRESHOLD

Distances = Mapping[str, Mapping[str, float]]


def score_one(between: Distances, reference: Sequence[str], path: Sequence[str]) -> dict[str, float]:
    """All metrics of one path.

    Args:
        between: Geodesic distance in metres between two viewpoints.
        reference: Viewpoints of the demonstration, the goal last.
        path: Viewpoints visited, the start first, with or without in-place turns.
    """
    path = [viewpoint for viewpoint, _ in groupby(path)]
    goal = reference[-1]
    error = between[path[-1]][goal]
    success = 1.0 if error < THRESHOLD else 0.0
    similarity = math.exp(-_dtw(between, path, reference) / (len(reference) * THRESHOLD))
    return {
        "TL": _length(between, path),
        "NE": error,
        "SR": success,
        "OSR": 1.0 if any(between[viewpoint][goal] < THRESHOLD for viewpoint in path) else 0.0,
        "SPL": _spl(success, _length(between, path), between[path[0]][goal]),
        "nDTW": similarity,
        "sDTW": success * similarity,
        "CLS": _cls(between, path, reference),
    }


def _length(between: Distances, path: Sequence[str]) -> float:
    return sum((between[a][b] for a, b in pairwise(path)), 0.0)


def _spl(success: float, length: float, shortest: float) -> float:
    if not success:
        return 0.0
    return shortest / max(shortest, length) if max(shortest, length) > 0 else 1.0


def _dtw(between: Distances, path: Sequence[str], reference: Sequence[str]) -> float:
    previous = [0.0] + [math.inf] * len(reference)
    for viewpoint in path:
        row, current = between[viewpoint], [math.inf]
        for column, other in enumerate(reference):
            current.append(row[other] + min(previous[column], previous[column + 1], current[column]))
        previous = current
    return previous[-1]


def _cls(between: Distances, path: Sequence[str], reference: Sequence[str]) -> float:
    nearest = [min(between[viewpoint][other] for viewpoint in path) for other in reference]
    coverage = sum(math.exp(-distance / THRESHOLD) for distance in nearest) / len(reference)
    expected = coverage * _length(between, reference)
    off = abs(expected - _length(between, path))
    return coverage * expected / (expected + off) if expected + off > 0 else coverage
