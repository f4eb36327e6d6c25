"""How well trajectories in continuous worlds follow their episodes; the metrics are those of `vln.metrics`.

As in VLN-CE (Krantz et al. 2020): distances to the goal are geodesic, those between a path and its reference Euclidean,
success needs a stop. A demonstration may have a place at every corner only; it is compared as if it had one every 0.25
m, the length of a move, since DTW counts places.
"""

from collections.abc import Sequence

import numpy as np

from vln.errors import InputError
from vln.metrics import PathDistances, _drop_turns, padded, score
from vln.trajectory import Trajectory

SPACING = 0.25  # metres between the places of a reference
CHUNK = 64  # trajectories whose distances are in memory at a time


def score_trajectories(trajectories: Sequence[Trajectory], threshold: float) -> dict[str, np.ndarray]:
    """All metrics of trajectories in continuous worlds.

    Args:
        trajectories: B of them, with distances.
        threshold: Metres; the success radius of the data set, and what nDTW and CLS divide distances by.

    Returns:
        A (B,) float64 array for each name of `vln.metrics.METRICS`.

    Raises:
        InputError: If a goal is withheld.
    """
    for each in trajectories:
        if len(each.distances) != len(each.steps) + 1 or len(each.reference_positions) < 2:
            where = f"trajectory of episode '{each.episode_id}' of split '{each.split}'"
            raise InputError(where, "has no distances to its goal", "score a split whose goals are public")
    # Long ones together: what is computed for a chunk is as long as its longest.
    order = sorted(range(len(trajectories)), key=lambda number: len(trajectories[number].steps))
    chunks = [order[first : first + CHUNK] for first in range(0, len(order), CHUNK)]
    parts = [_score([trajectories[number] for number in chunk], threshold) for chunk in chunks]
    back = np.argsort(order)
    return {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}


def _score(trajectories: Sequence[Trajectory], threshold: float) -> dict[str, np.ndarray]:
    scores = score(trajectory_distances(trajectories), threshold)
    stopped = np.array([bool(each.steps) and each.steps[-1].choice == "stop" for each in trajectories])
    return scores | {name: scores[name] * stopped for name in ("SR", "SPL", "sDTW")}


def trajectory_distances(trajectories: Sequence[Trajectory]) -> PathDistances:
    """The distances of trajectories without their in-place turns, as in `score_trajectories`."""
    places = [np.array([pose.position for pose in each.poses]) for each in trajectories]
    to_goal = [np.array(each.distances)[:, None] for each in trajectories]
    joined = np.concatenate([np.concatenate(pair, 1) for pair in zip(places, to_goal, strict=True)])
    # A body that does not move comes no nearer, so that places with their distances repeat together.
    flat, lengths = _drop_turns(joined, np.array(list(map(len, places))))
    path = padded(flat, lengths)
    references = [resample(np.array(each.reference_positions)) for each in trajectories]
    reference_lengths = np.array(list(map(len, references)))
    reference = padded(np.concatenate(references), reference_lengths)
    return PathDistances(
        to_reference=_apart(path[:, :, None, :3], reference[:, None]),
        to_goal=path[:, :, 3],
        steps=_apart(path[:, 1:, :3], path[:, :-1, :3]),
        reference_steps=_apart(reference[:, 1:], reference[:, :-1]),
        lengths=lengths,
        reference_lengths=reference_lengths,
    )


def path_length(places: np.ndarray | Sequence[Sequence[float]]) -> float:
    """Metres along places (n, 3)."""
    at = np.array(places)
    return float(_apart(at[1:], at[:-1]).sum())


def _apart(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Metres between places (..., 3)."""
    return np.linalg.norm(here - there, axis=-1)


def resample(path: np.ndarray, spacing: float = SPACING) -> np.ndarray:
    """Places along a path, evenly apart, with its start and its end.

    Args:
        path: (n, 3) metres.
        spacing: Metres between places, at most.

    Returns:
        (m, 3), m at least 2.
    """
    along = np.concatenate([[0.0], np.cumsum(_apart(path[1:], path[:-1]))])
    count = max(2, 1 + int(np.ceil(round(along[-1] / spacing, 6))))
    at = np.linspace(0.0, along[-1], count)
    return np.stack([np.interp(at, along, axis) for axis in path.T], 1)
