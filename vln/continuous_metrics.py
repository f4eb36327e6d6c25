"""How well trajectories in continuous worlds follow their episodes; the metrics are those of `vln.metrics`.

As in VLN-CE (Krantz et al. 2020): distances to the goal are geodesic, those between a path and its reference Euclidean,
success needs a stop. A demonstration may have a place at every corner only; it is compared as if it had one every 0.25
m, the length of a move, since DTW counts places.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vln.errors import InputError
from vln.metrics import FIDELITY, PathDistances, _drop_turns, padded, score, spl
from vln.trajectory import Trajectory

SPACING = 0.25  # metres between the places of a reference
CHUNK = 64  # trajectories whose distances are in memory at a time


@dataclass(frozen=True, eq=False)
class Walks:
    """B walks through continuous worlds, and what they are compared with."""

    places: Sequence[np.ndarray]  # of each walk (n, 3) metres, the start first, turns in place included
    to_goal: Sequence[np.ndarray]  # of each walk (n,) metres to the goal
    # Of each walk (m, 3) metres, the places that it should pass; None where they are not known
    references: Sequence[np.ndarray] | None
    stopped: np.ndarray  # (B,) bool, whether the walk ended with a stop

    def take(self, rows: Sequence[int]) -> "Walks":
        """Some of them."""
        places, to_goal = ([each[row] for row in rows] for each in (self.places, self.to_goal))
        references = None if self.references is None else [self.references[row] for row in rows]
        return Walks(places, to_goal, references, self.stopped[list(rows)])


def score_trajectories(
    trajectories: Sequence[Trajectory], threshold: float, references: Sequence[np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """All metrics of trajectories in continuous worlds; threshold and result as in `score_walks`.

    `references` are places (m, 3) that each should pass; those of the trajectories, resampled, if absent.
    """
    return score_walks(walks_of(trajectories, references), threshold)


def walks_of(trajectories: Sequence[Trajectory], references: Sequence[np.ndarray] | None = None) -> Walks:
    """Trajectories as walks; arguments and errors as in `score_trajectories`."""
    for each in trajectories:
        if len(each.distances) != len(each.steps) + 1 or each.withheld:
            where = f"trajectory of episode '{each.episode_id}' of split '{each.split}'"
            raise InputError(where, "has no distances to its goal", "score a split whose goals are public")
    if references is None and all(each.known != "goal" for each in trajectories):
        references = [resample(np.array(each.reference_positions)) for each in trajectories]
    return Walks(
        [np.array([pose.position for pose in each.poses]) for each in trajectories],
        [np.array(each.distances) for each in trajectories],
        references,
        np.array([bool(each.steps) and each.steps[-1].choice == "stop" for each in trajectories]),
    )


def score_walks(walks: Walks, threshold: float, shortest: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """All metrics of B walks, a (B,) float64 array for each of `vln.metrics.METRICS`.

    Those of `FIDELITY` are left out where there are no references. `threshold` is in metres: the success radius, and
    what nDTW and CLS divide distances by. SPL has `shortest`, (B,) metres from start to goal, or what `to_goal` begins
    with if absent.
    """
    # Long ones together: what is computed for a chunk is as long as its longest.
    order = sorted(range(len(walks.places)), key=lambda number: len(walks.places[number]))
    chunks = [order[first : first + CHUNK] for first in range(0, len(order), CHUNK)]
    parts = [score(walk_distances(walks.take(chunk)), threshold) for chunk in chunks]
    back = np.argsort(order)
    scores = {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}
    scores |= {name: scores[name] * walks.stopped for name in ("SR", "SPL", "sDTW")}
    if walks.references is None:
        scores = {name: values for name, values in scores.items() if name not in FIDELITY}
    return scores if shortest is None else scores | {"SPL": spl(scores["SR"], scores["TL"], shortest)}


def walk_distances(walks: Walks) -> PathDistances:
    """The distances of walks without their in-place turns, as in `score_walks`."""
    joined = np.concatenate([np.column_stack(pair) for pair in zip(walks.places, walks.to_goal, strict=True)])
    # A body that does not move comes no nearer, so that places with their distances repeat together.
    flat, lengths = _drop_turns(joined, np.array(list(map(len, walks.places))))
    path = padded(flat, lengths)
    references = [walk[:1] for walk in walks.places] if walks.references is None else walks.references
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
    """Places along a path (n, 3), evenly apart by at most `spacing` metres, with its start and its end."""
    along = np.concatenate([[0.0], np.cumsum(_apart(path[1:], path[:-1]))])
    count = max(2, 1 + int(np.ceil(round(along[-1] / spacing, 6))))
    at = np.linspace(0.0, along[-1], count)
    return np.stack([np.interp(at, along, axis) for axis in path.T], 1)
