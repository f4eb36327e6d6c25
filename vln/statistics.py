"""How sure a mean over episodes is, and whether two agents differ: seeded bootstraps (Efron and Tibshirani 1993).

Instructions of one path share building, start and goal, so that their scores are not independent: give the paths as
`groups` to resample whole paths (the cluster bootstrap). Without groups the intervals of R2R come out too narrow.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

RESAMPLES = 10_000
TAIL = 2.5  # percent beyond either end of a 95 % interval
BLOCK = 1 << 17  # draws held at a time, few enough for the cache


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % interval, of bootstrap percentiles unless said otherwise.

    Attributes:
        mean: Of the values as given.
        low: Lower end.
        high: Upper end.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A paired comparison of two agents on the same episodes.

    Attributes:
        difference: Mean over the episodes of the second agent's value minus the first's, with its 95 % interval.
        p_value: Two-sided, of no difference: twice the smaller share of resampled differences on either side of zero.
    """

    difference: Interval
    p_value: float


def mean_interval(values: np.ndarray, groups: Sequence[Hashable] | None = None, seed: int = 0) -> Interval:
    """The mean of a metric with a 95 % interval.

    Args:
        values: (N,) a value an episode.
        groups: N labels; episodes of one label are drawn together. Each episode by itself if absent.
        seed: Of the resampling.

    Raises:
        ValueError: If there is no value, or not a label a value.
    """
    values = np.asarray(values, dtype=np.float64)
    return _interval(values, _resampled_means(values, groups, seed))


def compare_paired(
    first: np.ndarray, second: np.ndarray, groups: Sequence[Hashable] | None = None, seed: int = 0
) -> Comparison:
    """Whether two agents differ on the same episodes, by a bootstrap of the paired differences.

    Args:
        first: (N,) the one agent's value of each episode.
        second: (N,) the other's, in the same order.
        groups: As in `mean_interval`.
        seed: Of the resampling.

    Raises:
        ValueError: If the agents have not one value each an episode, there is none, or not a label a value.
    """
    if np.shape(first) != np.shape(second):
        raise ValueError(f"a paired comparison needs the same episodes, got {np.shape(first)} and {np.shape(second)}")
    differences = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    means = _resampled_means(differences, groups, seed)
    # The observed sample counts as one resample, so that a p-value is never zero.
    beyond = 1 + min(int(np.count_nonzero(means <= 0)), int(np.count_nonzero(means >= 0)))
    return Comparison(_interval(differences, means), min(1.0, 2 * beyond / (RESAMPLES + 1)))


def seed_interval(values: np.ndarray) -> Interval:
    """The mean of what runs from different seeds gave, with a 95 % interval by Student's t.

    A bootstrap of three numbers would be far too narrow.

    Args:
        values: (N,) a value a seed, two at least.

    Raises:
        ValueError: If there are fewer.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"an interval over seeds needs two of them at least, got shape {values.shape}")
    half = float(stdtrit(len(values) - 1, 1 - TAIL / 100) * values.std(ddof=1) / np.sqrt(len(values)))
    return Interval(float(values.mean()), float(values.mean()) - half, float(values.mean()) + half)


def thirds(sizes: np.ndarray) -> list[np.ndarray]:
    """Which of some things are among the small, the middle and the large third of their sizes.

    Args:
        sizes: (N,) of which equal ones stay together.

    Returns:
        Up to three (N,) bool, without those that would be empty.
    """
    low, high = np.quantile(sizes, (1 / 3, 2 / 3))
    parts = (sizes <= low, (sizes > low) & (sizes <= high), sizes > high)
    return [part for part in parts if part.any()]


def _interval(values: np.ndarray, means: np.ndarray) -> Interval:
    low, high = np.percentile(means, (TAIL, 100 - TAIL))
    return Interval(float(values.mean()), float(low), float(high))


def _resampled_means(values: np.ndarray, groups: Sequence[Hashable] | None, seed: int) -> np.ndarray:
    """(RESAMPLES,) means of as many groups as there are, drawn with replacement."""
    if values.ndim != 1 or not len(values):
        raise ValueError(f"values are one number an episode, of one episode at least, got shape {values.shape}")
    sums, sizes = _group_sums(values, groups)
    random = np.random.default_rng(seed)
    means = []
    for draws in _blocks(len(sums)):
        chosen = random.integers(len(sums), size=(draws, len(sums)))
        means.append(sums.take(chosen).sum(axis=1) / sizes.take(chosen).sum(axis=1))
    return np.concatenate(means)


def _group_sums(values: np.ndarray, groups: Sequence[Hashable] | None) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the values of each group."""
    if groups is None:
        return values, np.ones(len(values))
    if len(groups) != len(values):
        raise ValueError(f"{len(values)} values need as many groups, got {len(groups)}")
    numbers = {label: number for number, label in enumerate(dict.fromkeys(groups))}
    member = np.array([numbers[label] for label in groups])
    return np.bincount(member, weights=values), np.bincount(member).astype(np.float64)


def _blocks(groups: int) -> list[int]:
    """Numbers of resamples that together make `RESAMPLES`, each of `BLOCK` draws at most."""
    size = max(1, BLOCK // groups)
    full, rest = divmod(RESAMPLES, size)
    return [size] * full + [rest] * (rest > 0)
