"""Metrics of paths against their episodes, for a padded batch at once.

- TL, trajectory length in metres; NE, navigation error: metres from the end of the path to the goal, infinite if the
  goal cannot be reached from there; SR, success rate: the path ends nearer to the goal than the threshold; OSR, oracle
  success rate: any position of the path is nearer than the threshold; SPL, success weighted by inverse path length:
  Anderson et al. 2018, "On Evaluation of Embodied Navigation Agents".
- nDTW, normalised dynamic time warping, and sDTW, the same weighted by success: Ilharco et al. 2019, "General
  Evaluation for Instruction Conditioned Navigation using Dynamic Time Warping".
- CLS, coverage weighted by length score: Jain et al. 2019, "Stay on the Path: Instruction Fidelity in
  Vision-and-Language Navigation".

All are computed from geodesic distances, so they serve any simulator that measures these. Success is strictly
`< threshold` everywhere, as in the R2R evaluator; the published sDTW has `<=`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vln.episodes import Episode
from vln.errors import InputError
from vln.graph import NavigationGraph

FIDELITY = ("nDTW", "sDTW", "CLS")  # metrics that compare a path with a demonstration
METRICS = ("TL", "NE", "SR", "OSR", "SPL", *FIDELITY)
THRESHOLD = 3.0  # metres, R2R's (Anderson et al. 2018)
OFFICIAL_FLOOR = 0.01  # metres: smallest divisor of SPL in R2R's evaluators


@dataclass(frozen=True)
class PathDistances:
    """Geodesic distances of B paths and their references, in metres; entries beyond a length are ignored.

    Remove the poses of in-place turns from the paths first (`drop_turns`): repeated positions lower nDTW.
    """

    to_reference: np.ndarray  # (B, P, R) float, from every position of a path to every position of its reference
    to_goal: np.ndarray  # (B, P) float, from every position of a path to its goal
    steps: np.ndarray  # (B, P-1) float, lengths of the moves along a path
    reference_steps: np.ndarray  # (B, R-1) float, lengths of the moves along a reference
    lengths: np.ndarray  # (B,) int in [1, P], number of positions of a path
    reference_lengths: np.ndarray  # (B,) int in [1, R], number of positions of a reference


def score(distances: PathDistances, threshold: float = THRESHOLD, spl_floor: float = 0.0) -> dict[str, np.ndarray]:
    """Compute all metrics of a batch of paths without in-place turns, a (B,) float64 array for each of `METRICS`.

    `threshold` is the success radius in metres; nDTW and CLS divide distances by it. `spl_floor` is that of `spl`.
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
        "SPL": spl(successful, length, distances.to_goal[:, 0], spl_floor),
        "nDTW": similarity,
        "sDTW": successful * similarity,
        "CLS": cls(distances, threshold),
    }


def mean_scores(scores: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the mean of each metric over the episodes.

    NE is infinite if the goal cannot be reached from the end of the path. Its mean leaves these episodes out, and
    `unreachable` is their number, if there are any.
    """
    count = unreachable(scores)
    means = {name: finite_mean(values) for name, values in scores.items()}
    return means | {"unreachable": float(count)} if count else means


def unreachable(scores: Mapping[str, np.ndarray]) -> int:
    """Count the episodes that end where the goal cannot be reached."""
    return int(np.isposinf(scores["NE"]).sum()) if "NE" in scores else 0


def finite_mean(values: np.ndarray) -> float:
    """Return the mean without infinite values; infinite if all are."""
    finite = values[~np.isposinf(values)]
    return float(finite.mean()) if len(finite) else np.inf


def navigation_error(distances: PathDistances) -> np.ndarray:
    """NE, (B,) metres: geodesic distance from the end of a path to the goal."""
    return distances.to_goal[np.arange(len(distances.lengths)), distances.lengths - 1]


def oracle_success(distances: PathDistances, threshold: float = THRESHOLD) -> np.ndarray:
    """OSR, (B,) 0 or 1: whether any position of a path is less than `threshold` metres from the goal."""
    near = (distances.to_goal < threshold) & _valid_mask(distances.to_goal.shape[1], distances.lengths)
    return near.any(axis=1).astype(np.float64)


def spl(successful: np.ndarray, length: np.ndarray, shortest: np.ndarray, floor: float = 0.0) -> np.ndarray:
    """SPL, (B,) in [0, 1]: success x shortest / max(shortest, length).

    If the start is the goal (loops, 5 of the 115 paths of R4R's val_seen) the ratio is 0 / 0. Here it is 1 for staying
    and 0 for any move. The evaluators in use since Tan et al. 2019 divide by max(shortest, length, 0.01 m),
    `OFFICIAL_FLOOR`, and so give 0 for staying too: shortest paths then have 0.9565 on that split.

    `shortest` is the geodesic metres from start to goal, which may differ from the reference's length.
    """
    longer = np.maximum(np.maximum(length, shortest), floor)
    ratio = np.divide(shortest, longer, out=np.ones(len(longer)), where=(longer > 0) & (successful > 0))
    return successful * ratio


def ndtw(distances: PathDistances, threshold: float = THRESHOLD) -> np.ndarray:
    """Similarity nDTW, (B,) in [0, 1]: exp(-DTW(path, reference) / (positions of the reference x threshold))."""
    cost = dtw(distances.to_reference, distances.lengths, distances.reference_lengths)
    return np.exp(-cost / (distances.reference_lengths * threshold))


def dtw(costs: np.ndarray, lengths: np.ndarray, reference_lengths: np.ndarray) -> np.ndarray:
    """Return the cost of the cheapest monotone alignment of two sequences (dynamic time warping), (B,).

    `costs` (B, P, R) has that of aligning position p of the first with position r of the second.
    """
    batch, positions, columns = costs.shape
    infinite = np.full(batch, np.inf)
    previous = [np.zeros(batch)] + [infinite] * columns
    total = np.empty(batch)
    for position in range(positions):
        current = [infinite]
        for column in range(columns):
            cheapest = np.minimum(np.minimum(previous[column], previous[column + 1]), current[column])
            current.append(cheapest + costs[:, position, column])
        ended = np.flatnonzero(lengths == position + 1)
        total[ended] = np.stack(current)[reference_lengths[ended], ended]
        previous = current
    return total


def cls(distances: PathDistances, threshold: float = THRESHOLD) -> np.ndarray:
    """CLS, (B,) in [0, 1]: coverage of the reference by the path x agreement of their lengths."""
    batch, positions, columns = distances.to_reference.shape
    nearest = np.full((columns, batch), np.inf)
    for position in range(positions):
        here = distances.to_reference[:, position].T
        np.minimum(nearest, np.where(position < distances.lengths, here, np.inf), out=nearest)
    nearest = nearest.T
    covered = np.where(_valid_mask(columns, distances.reference_lengths), np.exp(-nearest / threshold), 0.0)
    coverage = covered.sum(axis=1) / distances.reference_lengths
    expected = coverage * _path_length(distances.reference_steps, distances.reference_lengths)
    off = np.abs(expected - _path_length(distances.steps, distances.lengths))
    # The agent neither moved nor was expected to: the lengths agree.
    agreement = np.divide(expected, expected + off, out=np.ones(len(off)), where=expected + off > 0)
    return coverage * agreement


def drop_turns(path: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Remove poses that are at the place of the pose before, from paths (B, P) of rows or (B, P, 3) of positions.

    Returns the remaining paths, padded to (B, P', ...) with P' the longest, and their (B,) lengths.
    """
    kept, kept_lengths = _drop_turns(path[_valid_mask(path.shape[1], lengths)], lengths)
    return padded(kept, kept_lengths), kept_lengths


def score_paths(
    graphs: Mapping[str, NavigationGraph],
    episodes: Sequence[Episode],
    paths: Sequence[Sequence[str]],
    threshold: float = THRESHOLD,
    spl_floor: float = 0.0,
) -> dict[str, np.ndarray]:
    """Compute all metrics of paths on navigation graphs, one path for each of B episodes; result as of `score`.

    A path holds the viewpoints visited, from the start; poses of in-place turns are ignored.
    """
    rows, lengths = _drop_turns(*_flat_rows(graphs, episodes, paths))
    return score(path_distances(graphs, episodes, padded(rows, lengths), lengths), threshold, spl_floor)


def score_rows(
    graphs: Mapping[str, NavigationGraph],
    episodes: Sequence[Episode],
    rows: np.ndarray,
    lengths: np.ndarray,
    threshold: float = THRESHOLD,
) -> dict[str, np.ndarray]:
    """Compute the metrics of `score_paths` for paths that are arrays already, (B, P) int padded beyond their lengths.

    They hold rows of each episode's own graph (`NavigationGraph.index`).
    """
    return score(path_distances(graphs, episodes, *drop_turns(rows, lengths)), threshold)


def path_distances(
    graphs: Mapping[str, NavigationGraph], episodes: Sequence[Episode], rows: np.ndarray, lengths: np.ndarray
) -> PathDistances:
    """Return the distances of paths on navigation graphs; arguments as in `score_rows`, but without in-place turns."""
    references, reference_lengths = padded_rows(graphs, episodes, [episode.path for episode in episodes])
    _check_goals(episodes)
    table, starts, widths = _distance_table(graphs, [episode.scan for episode in episodes])
    # Episodes are innermost in memory, so that gathers and the recursions over positions read contiguous numbers.
    path, reference = np.ascontiguousarray(rows.T), np.ascontiguousarray(references.T)
    from_path, from_reference = starts + path * widths, starts + reference * widths
    to_reference = table.take(from_path[:, None] + reference)
    return PathDistances(
        to_reference=to_reference.transpose(2, 0, 1),
        to_goal=to_reference[:, reference_lengths - 1, np.arange(len(episodes))].T,
        steps=table.take(from_path[:-1] + path[1:]).T,
        reference_steps=table.take(from_reference[:-1] + reference[1:]).T,
        lengths=lengths,
        reference_lengths=reference_lengths,
    )


def _distance_table(
    graphs: Mapping[str, NavigationGraph], scans: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Join the distances of all buildings in one flat array, so that one gather serves the whole batch.

    Returns it, and for each of the (B,) scans the start of its table and the length of a row.
    """
    order = {scan: number for number, scan in enumerate(dict.fromkeys(scans))}
    table = np.concatenate([graphs[scan].distances.ravel() for scan in order])
    widths = np.array([len(graphs[scan].viewpoints) for scan in order])
    starts = np.cumsum(widths**2) - widths**2
    building = np.array([order[scan] for scan in scans])
    return table, starts[building], widths[building]


def _check_goals(episodes: Sequence[Episode]) -> None:
    for each in episodes:
        if each.withheld:
            where = f"episode '{each.episode_id}' of split '{each.split}'"
            raise InputError(where, "its goal is withheld", "score a split whose goals are public")


def padded_rows(
    graphs: Mapping[str, NavigationGraph], episodes: Sequence[Episode], paths: Sequence[Sequence[str]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return viewpoints as `score_rows` takes them: (B, P) padded rows of each episode's graph, and (B,) lengths."""
    flat, lengths = _flat_rows(graphs, episodes, paths)
    return padded(flat, lengths), lengths


def _flat_rows(
    graphs: Mapping[str, NavigationGraph], episodes: Sequence[Episode], paths: Sequence[Sequence[str]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the concatenated rows of viewpoints in each episode's graph, (N,), and the (B,) lengths."""
    indices = [graphs[episode.scan].index for episode in episodes]
    rows = [index[viewpoint] for index, path in zip(indices, paths, strict=True) for viewpoint in path]
    lengths = np.fromiter(map(len, paths), dtype=np.int64, count=len(paths))
    return np.fromiter(rows, dtype=np.int64, count=len(rows)), lengths


def _drop_turns(flat: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Apply `drop_turns` to (N, ...) concatenated paths."""
    starts = np.cumsum(lengths) - lengths
    moved = flat[1:] != flat[:-1]
    keep = np.ones(len(flat), dtype=bool)
    keep[1:] = moved if moved.ndim == 1 else moved.any(axis=1)
    keep[starts] = True
    return flat[keep], np.add.reduceat(keep, starts, dtype=np.int64)


def padded(flat: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Arrange (N, ...) concatenated sequences as a (B, longest, ...) array, zero beyond each length."""
    valid = _valid_mask(int(lengths.max(initial=1)), lengths)
    padded = np.zeros((*valid.shape, *flat.shape[1:]), dtype=flat.dtype)
    padded[valid] = flat
    return padded


def _valid_mask(width: int, lengths: np.ndarray) -> np.ndarray:
    """Return the mask of valid positions, (B, width) bool: True before each length."""
    return np.arange(width) < lengths[:, None]


def _path_length(steps: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """TL, (B,): metres along a path."""
    return np.where(_valid_mask(steps.shape[1], lengths - 1), steps, 0.0).sum(axis=1)
