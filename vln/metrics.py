"""How well paths follow their episodes, for a padded batch at once.

| metric | | source |
|---|---|---|
| TL | trajectory length, metres | Anderson et al. 2018, "On Evaluation of Embodied Navigation Agents" |
| NE | navigation error, metres from the end to the goal | the same |
| SR | success: the path ends below the threshold | the same |
| OSR | oracle success: it comes below the threshold anywhere | the same |
| SPL | success weighted by inverse path length | the same |
| nDTW, sDTW | dynamic time warping, normalised and weighted by success | Ilharco et al. 2019, "General Evaluation for Instruction Conditioned Navigation using Dynamic Time Warping" |
| CLS | coverage weighted by length score | Jain et al. 2019, "Stay on the Path: Instruction Fidelity in Vision-and-Language Navigation" |

All are computed from geodesic distances, so that any simulator that measures those can call them. Success is strictly
`< threshold` everywhere; the published sDTW has `<=`, the R2R evaluator `<`.
"""  # noqa: E501

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from vln.episodes import Episode
from vln.errors import InputError
from vln.graph import NavigationGraph

METRICS = ("TL", "NE", "SR", "OSR", "SPL", "nDTW", "sDTW", "CLS")
THRESHOLD = 3.0  # metres, R2R's


@dataclass(frozen=True)
class PathDistances:
    """Geodesic distances of B paths and their references, in metres; what is beyond a length is ignored.

    Leave the poses of in-place turns out of the paths first (`drop_turns`): repeated positions depress nDTW.

    Attributes:
        to_reference: (B, P, R) float, from every position of a path to every position of its reference.
        to_goal: (B, P) float, from every position of a path to its goal.
        steps: (B, P-1) float, lengths of the moves along a path.
        reference_steps: (B, R-1) float, lengths of the moves along a reference.
        lengths: (B,) int in [1, P], number of positions of a path.
        reference_lengths: (B,) int in [1, R], number of positions of a reference.
    """

    to_reference: np.ndarray
    to_goal: np.ndarray
    steps: np.ndarray
    reference_steps: np.ndarray
    lengths: np.ndarray
    reference_lengths: np.ndarray


def score(distances: PathDistances, threshold: float = THRESHOLD) -> dict[str, np.ndarray]:
    """All metrics of a batch of paths.

    Args:
        distances: Of B paths without in-place turns.
        threshold: Metres; the success radius and what nDTW and CLS divide distances by.

    Returns:
        A (B,) float64 array for each name of `METRICS`.
    """
    length = _path_length(distances.steps, distances.lengths)
    error = navigation_error(distances)
    successful = (error < threshold).astype(np.float64)
    similarity = ndtw(distances, threshold)
    return {
        "TL": length,
        "NE": error,
        "SR": successful,
        "OSR": oracle_success(distances, threshold),
        "SPL": spl(successful, length, distances.to_goal[:, 0]),
        "nDTW": similarity,
        "sDTW": successful * similarity,
        "CLS": cls(distances, threshold),
    }


def mean_scores(scores: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The mean of each metric over the episodes."""
    return {name: float(values.mean()) for name, values in scores.items()}


def navigation_error(distances: PathDistances) -> np.ndarray:
    """NE, (B,) metres: geodesic distance from the end of a path to the goal."""
    return distances.to_goal[np.arange(len(distances.lengths)), distances.lengths - 1]


def oracle_success(distances: PathDistances, threshold: float = THRESHOLD) -> np.ndarray:
    """OSR, (B,) 0 or 1: whether any position of a path is below `threshold` metres of the goal."""
    near = (distances.to_goal < threshold) & _inside(distances.to_goal.shape[1], distances.lengths)
    return near.any(axis=1).astype(np.float64)


def spl(successful: np.ndarray, length: np.ndarray, shortest: np.ndarray) -> np.ndarray:
    """SPL, (B,) in [0, 1]: success x shortest / max(shortest, length).

    Staying at a start that is the goal (R4R has such loops) is a perfect path, any move away from it an infinite detour.

    Args:
        successful: (B,) 0 or 1.
        length: (B,) metres walked.
        shortest: (B,) geodesic distance from start to goal, whatever the reference's length.
    """
    longer = np.maximum(length, shortest)
    ratio = np.divide(shortest, longer, out=np.ones(len(longer)), where=(longer > 0) & (successful > 0))
    return successful * ratio


def ndtw(distances: PathDistances, threshold: float = THRESHOLD) -> np.ndarray:
    """NDTW, (B,) in [0, 1]: exp(-DTW(path, reference) / (positions of the reference x threshold))."""
    cost = dtw(distances.to_reference, distances.lengths, distances.reference_lengths)
    return np.exp(-cost / (distances.reference_lengths * threshold))


def dtw(costs: np.ndarray, lengths: np.ndarray, reference_lengths: np.ndarray) -> np.ndarray:
    """Cost of the cheapest monotone alignment of two sequences (dynamic time warping).

    Args:
        costs: (B, P, R) cost of aligning position p of the one with position r of the other.
        lengths: (B,) int in [1, P].
        reference_lengths: (B,) int in [1, R].

    Returns:
        (B,) sums of the costs along the alignments.
    """
    batch, rows, columns = costs.shape
    # total[p + r + 2, r + 1] is the cheapest alignment up to (p, r). The cells of an anti-diagonal p + r do not depend on
    # one another, so that a whole diagonal of the whole batch is one step.
    total = np.full((rows + columns + 1, columns + 1, batch), np.inf)
    total[0, 0] = 0.0
    for column in range(columns):
        total[column + 2 : column + rows + 2, column + 1] = costs[:, :, column].T
    for diagonal in range(2, rows + columns + 1):
        diagonal_move, previous = total[diagonal - 2, :-1], total[diagonal - 1]
        total[diagonal, 1:] += np.minimum(np.minimum(previous[:-1], previous[1:]), diagonal_move)
    return total[lengths + reference_lengths, reference_lengths, np.arange(batch)]


def cls(distances: PathDistances, threshold: float = THRESHOLD) -> np.ndarray:
    """CLS, (B,) in [0, 1]: how near the path passes by the reference x how well their lengths agree."""
    columns = distances.to_reference.shape[2]
    inside = _inside(distances.to_reference.shape[1], distances.lengths)
    nearest = np.where(inside[:, :, None], distances.to_reference, np.inf).min(axis=1)
    covered = np.where(_inside(columns, distances.reference_lengths), np.exp(-nearest / threshold), 0.0)
    coverage = covered.sum(axis=1) / distances.reference_lengths
    expected = coverage * _path_length(distances.reference_steps, distances.reference_lengths)
    off = np.abs(expected - _path_length(distances.steps, distances.lengths))
    # Neither moving nor expected to: the lengths agree.
    agreement = np.divide(expected, expected + off, out=np.ones(len(off)), where=expected + off > 0)
    return coverage * agreement


def drop_turns(path: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave out poses at the place of the pose before.

    Args:
        path: (B, P) viewpoint rows or (B, P, 3) positions.
        lengths: (B,) int in [1, P].

    Returns:
        The (B, P', ...) padded paths of what is left, P' the longest of them, and their (B,) lengths.
    """
    keep = _inside(path.shape[1], lengths)
    moved = path[:, 1:] != path[:, :-1]
    keep[:, 1:] &= moved.reshape(*moved.shape[:2], -1).any(axis=2)
    kept = keep.sum(axis=1)
    return _padded(path[keep], kept), kept


def score_paths(
    graphs: Mapping[str, NavigationGraph],
    episodes: Sequence[Episode],
    paths: Sequence[Sequence[str]],
    threshold: float = THRESHOLD,
) -> dict[str, np.ndarray]:
    """All metrics of paths on navigation graphs, a path an episode.

    Args:
        graphs: Of the episodes' buildings.
        episodes: B episodes of any buildings.
        paths: The viewpoints visited, the start first, never empty; in-place turns may be in it or not.
        threshold: Metres.

    Returns:
        A (B,) float64 array for each name of `METRICS`.

    Raises:
        InputError: If an episode has no goal.
    """
    rows, lengths = _rows(graphs, episodes, paths)
    return score_rows(graphs, episodes, rows, lengths, threshold)


def score_rows(
    graphs: Mapping[str, NavigationGraph],
    episodes: Sequence[Episode],
    rows: np.ndarray,
    lengths: np.ndarray,
    threshold: float = THRESHOLD,
) -> dict[str, np.ndarray]:
    """`score_paths` for paths that are arrays already.

    Args:
        graphs: Of the episodes' buildings.
        episodes: B episodes of any buildings.
        rows: (B, P) int, the viewpoints visited as rows of each episode's own graph (`NavigationGraph.index`), padded.
        lengths: (B,) int in [1, P].
        threshold: Metres.
    """
    for episode in episodes:
        if episode.goal is None:
            where = f"episode '{episode.episode_id}' of split '{episode.split}'"
            raise InputError(where, "its goal is withheld", "score a split whose goals are public")
    return score(path_distances(graphs, episodes, *drop_turns(rows, lengths)), threshold)


def path_distances(
    graphs: Mapping[str, NavigationGraph], episodes: Sequence[Episode], rows: np.ndarray, lengths: np.ndarray
) -> PathDistances:
    """The distances of paths on navigation graphs; arguments as in `score_rows`, without in-place turns."""
    references, reference_lengths = _rows(graphs, episodes, [episode.path for episode in episodes])
    batch, columns = references.shape
    to_reference = np.empty((batch, rows.shape[1], columns))
    steps, reference_steps = np.empty((batch, rows.shape[1] - 1)), np.empty((batch, columns - 1))
    members = defaultdict(list)
    for number, episode in enumerate(episodes):
        members[episode.scan].append(number)
    for scan, here in members.items():
        between, path, reference = graphs[scan].distances, rows[here], references[here]
        to_reference[here] = between[path[:, :, None], reference[:, None, :]]
        steps[here] = between[path[:, :-1], path[:, 1:]]
        reference_steps[here] = between[reference[:, :-1], reference[:, 1:]]
    to_goal = to_reference[np.arange(batch), :, reference_lengths - 1]
    return PathDistances(to_reference, to_goal, steps, reference_steps, lengths, reference_lengths)


def _rows(
    graphs: Mapping[str, NavigationGraph], episodes: Sequence[Episode], paths: Sequence[Sequence[str]]
) -> tuple[np.ndarray, np.ndarray]:
    """Padded (B, P) rows of viewpoints in each episode's graph, and (B,) lengths."""
    lengths = np.fromiter(map(len, paths), dtype=np.int64, count=len(paths))
    found = (map(graphs[episode.scan].index.__getitem__, path) for episode, path in zip(episodes, paths, strict=True))
    flat = np.fromiter(chain.from_iterable(found), dtype=np.int64, count=int(lengths.sum()))
    return _padded(flat, lengths), lengths


def _padded(flat: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(N, ...) concatenated sequences as a (B, longest, ...) array, zero beyond each length."""
    inside = _inside(int(lengths.max(initial=1)), lengths)
    padded = np.zeros((*inside.shape, *flat.shape[1:]), dtype=flat.dtype)
    padded[inside] = flat
    return padded


def _inside(width: int, lengths: np.ndarray) -> np.ndarray:
    """(B, width) bool: True before each length."""
    return np.arange(width) < lengths[:, None]


def _path_length(steps: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(B,) metres along a path: TL of a path."""
    return np.where(_inside(steps.shape[1], lengths - 1), steps, 0.0).sum(axis=1)
