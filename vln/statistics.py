"""Confidence intervals of means over episodes and paired comparisons, by seeded bootstraps (Efron and Tibshirani 1993).

Instructions of one path share building, start and goal, so their scores are not independent. Pass the paths as `groups`
to resample whole paths (the cluster bootstrap); without groups the intervals of R2R come out too narrow.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

RESAMPLES = 10_000
TAIL = 2.5  # percent beyond each end of a 95 % interval
BLOCK = 1 << 17  # draws in memory at a time, few enough for the processor's cache


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % interval, of bootstrap percentiles unless said otherwise."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A paired comparison of two agents on the same episodes."""

    difference: Interval  # mean over the episodes of the second agent's value minus the first's, with its 95 % interval
    # Two-sided p-value of no difference: twice the smaller fraction of resampled differences on either side of zero
    p_value: float


def mean_interval(values: np.ndarray, groups: Sequence[Hashable] | None = None, seed: int = 0) -> Interval:
    """Return the mean of a metric, (N,) one value for each of N >= 1 episodes, with a 95 % interval.

    Episodes of one label of `groups` (N,) are drawn together; without groups each is its own.
    """
    values = np.asarray(values, dtype=np.float64)
    return _interval(values, _resampled_means(values, groups, seed))


def compare_paired(
    first: np.ndarray, second: np.ndarray, groups: Sequence[Hashable] | None = None, seed: int = 0
) -> Comparison:
    """Compare two agents on the same N >= 1 episodes, (N,) values each, by a bootstrap of the paired differences."""
    if np.shape(first) != np.shape(second):
        raise ValueError(f"a paired comparison needs the same episodes, got {np.shape(first)} and {np.shape(second)}")
    differences = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    means = _resampled_means(differences, groups, seed)
    # The observed sample counts as one resample, so that a p-value is never zero.
    beyond = 1 + min(int(np.count_nonzero(means <= 0)), int(np.count_nonzero(means >= 0)))
    return Comparison(_interval(differences, means), min(1.0, 2 * beyond / (RESAMPLES + 1)))


def seed_interval(values: np.ndarray) -> Interval:
    """Return the mean over at least two runs with different seeds (N,), with a 95 % interval by Student's t.

    A bootstrap of three numbers would be far too narrow.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"an interval over seeds needs two of them at least, got shape {values.shape}")
    half = float(stdtrit(len(values) - 1, 1 - TAIL / 100) * values.std(ddof=1) / np.sqrt(len(values)))
    return Interval(float(values.mean()), float(values.mean()) - half, float(values.mean()) + half)


def thirds(sizes: np.ndarray) -> list[np.ndarray]:
    """Divide items into the small, the middle and the large third by size (N,), as up to three (N,) bool masks.

    Items of equal size stay together; empty thirds are left out.
    """
    low, high = np.quantile(sizes, (1 / 3, 2 / 3))
    parts = (sizes <= low, (sizes > low) & (sizes <= high), sizes > high)
    return [part for part in parts if part.any()]


def _interval(values: np.ndarray, means: np.ndarray) -> Interval:
    low, high = np.percentile(means, (TAIL, 100 - TAIL))
    return Interval(float(values.mean()), float(low), float(high))


def _resampled_means(values: np.ndarray, groups: Sequence[Hashable] | None, seed: int) -> np.ndarray:
    """Return (RESAMPLES,) means, each over as many groups as there are, drawn with replacement."""
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
    """Return the sum and the number of the values of each group."""
    if groups is None:
        return values, np.ones(len(values))
    if len(groups) != len(values):
        raise ValueError(f"{len(values)} values need as many groups, got {len(groups)}")
    numbers = {label: number for number, label in enumerate(dict.fromkeys(groups))}
    member = np.array([numbers[label] for label in groups])
    return np.bincount(member, weights=values), np.bincount(member).astype(np.float64)


def _blocks(groups: int) -> list[int]:
    """Return the numbers of resamples in each block; they add up to `RESAMPLES`, with at most `BLOCK` draws a block."""
    size = max(1, BLOCK // groups)
    full, rest = divmod(RESAMPLES, size)
    return [size] * full + [rest] * (rest > 0)
