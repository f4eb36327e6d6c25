"""Search for interpretable cells (Karpathy, Johnson and Fei-Fei 2016): the predicate that best explains each cell.

Cells and predicates are numbers at the same moments (words or steps), episode after episode. The score of a predicate
for a cell is their correlation. The best predicate of a cell is chosen in one half of the buildings and scored in the
other half, so that the two are independent. The null distribution comes from permutations: the predicates of whole
episodes change places and are rotated in time by a random shift, which keeps their autocorrelation and breaks their
relation to the cells. With many cells and predicates the best score is high even under the null. Therefore each score
is divided by its own spread over the permutations, and compared with the largest such number of each permutation over
all cells and predicates (maxT, Westfall and Young 1993).
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vln.errors import InputError

MIN_EPISODES = 10  # episodes of a half in which a predicate must deviate from its median
LEVEL = 0.05  # significance level
FLAT = 1e-6  # standard deviation below which a cell counts as constant


@dataclass(frozen=True, eq=False)
class Moments:
    """Activations of cells and values of predicates at the N moments of E episodes."""

    cells: np.ndarray  # (N, C) float32
    predicates: np.ndarray  # (N, P) float32; true and false are 1 and 0
    names: tuple[str, ...]  # P names of the predicates
    lengths: np.ndarray  # (E,) number of moments of each episode, in order
    buildings: tuple[Hashable, ...]  # E buildings; the halves share none

    def keep(self, episodes: np.ndarray) -> "Moments":
        """Return the moments of the episodes whose entry in `episodes` (E,) is true."""
        rows = np.repeat(episodes, self.lengths)
        kept = tuple(each for each, wanted in zip(self.buildings, episodes, strict=True) if wanted)
        return Moments(self.cells[rows], self.predicates[rows], self.names, self.lengths[episodes], kept)


@dataclass(frozen=True, slots=True)
class Finding:
    """The predicate that explains a cell best."""

    cell: int
    predicate: str
    chosen: float  # correlation in the half in which the predicate was chosen
    score: float  # correlation in the other half, positive if its sign is that of `chosen`
    # Critical value of `score`: the best of all cells and predicates exceeds it by chance in one of twenty cases
    chance: float
    p_value: float  # probability that any cell and predicate reaches such a score by chance

    @property
    def found(self) -> bool:
        """Whether the score is significant."""
        return self.p_value < LEVEL


def halves(buildings: Sequence[Hashable], seed: int = 0) -> np.ndarray:
    """Divide episodes into two halves of about the same size that share no building; (E,) bool, true in the first."""
    counts = Counter(buildings)
    if len(counts) < 2:
        fix = "choose a split with more buildings, or more of its episodes"
        raise InputError("episodes", "all are in one building, which leaves no other to score in", fix)
    names = sorted(counts, key=str)
    order = np.random.default_rng(seed).permutation(len(names))
    sizes = [0, 0]
    side: dict[Hashable, int] = {}
    for name in sorted((names[number] for number in order), key=lambda each: -counts[each]):
        side[name] = int(sizes[1] < sizes[0])
        sizes[side[name]] += counts[name]
    return np.array([side[name] == 0 for name in buildings])


def supported(moments: Moments) -> np.ndarray:
    """Return (P,) bool, true for predicates that deviate from their median in at least `MIN_EPISODES` episodes."""
    if not len(moments.predicates):
        return np.zeros(len(moments.names), bool)
    other = moments.predicates != np.median(moments.predicates, axis=0)
    starts = np.concatenate([[0], np.cumsum(moments.lengths)[:-1]])
    return np.logical_or.reduceat(other, starts, axis=0).sum(0) >= MIN_EPISODES


def explain(
    moments: Moments, permutations: int = 200, seed: int = 0, track: Callable[[Iterable[int]], Iterable[int]] = iter
) -> list[Finding]:
    """Find the predicate that explains each cell best; the best explained cell comes first.

    Moments need two buildings, and a predicate that changes often. P-values are at least 1 / (permutations + 1).
    `track` wraps the iteration over the permutations, e.g. in a progress bar.
    """
    first = halves(moments.buildings, seed)
    one, other = moments.keep(first), moments.keep(~first)
    kept = supported(one) & supported(other)
    if not kept.any():
        fix = "look at more episodes"
        raise InputError("predicates", f"none of {len(kept)} changes in {MIN_EPISODES} episodes of each half", fix)
    names = [name for name, wanted in zip(moments.names, kept, strict=True) if wanted]
    chosen = _unit(one.cells).T @ _unit(one.predicates[:, kept])
    cells, predicates = _unit(other.cells).T, _unit(other.predicates[:, kept])
    scores = cells @ predicates
    null = _null_correlations(cells, predicates, other.lengths, permutations, np.random.default_rng(seed), track)
    return _ranked(names, chosen, scores, null)


def _ranked(names: Sequence[str], chosen: np.ndarray, scores: np.ndarray, null: np.ndarray) -> list[Finding]:
    """Rank the findings by the correlations (C, P) in the two halves and those after permutations (K, C, P)."""
    spread = np.maximum(np.sqrt(np.square(null).mean(0)), FLAT)
    largest = (np.abs(null) / spread).max((1, 2))
    limit = float(np.quantile(largest, 1 - LEVEL))
    findings = []
    for cell, best in enumerate(np.abs(chosen).argmax(1).tolist()):
        score = float(scores[cell, best] * np.sign(chosen[cell, best]))
        above = int(np.count_nonzero(largest >= score / spread[cell, best]))
        p_value = (1 + above) / (1 + len(largest))
        critical = min(1.0, limit * float(spread[cell, best]))
        findings.append(Finding(cell, names[best], float(chosen[cell, best]), score, critical, p_value))
    return sorted(findings, key=lambda each: -each.score)


def _null_correlations(
    cells: np.ndarray,
    predicates: np.ndarray,
    lengths: np.ndarray,
    permutations: int,
    random: np.random.Generator,
    track: Callable[[Iterable[int]], Iterable[int]],
) -> np.ndarray:
    """Return (K, C, P) correlations of cells (C, N) and predicates (N, P), both of unit length, after permutations."""
    found = np.empty((permutations, len(cells), predicates.shape[1]), np.float32)
    for number in track(range(permutations)):
        found[number] = cells @ predicates[permuted_moments(lengths, random)]
    return found


def permuted_moments(lengths: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return (N,) indices of moments with the episodes permuted, and each rotated by a random shift."""
    order = random.permutation(len(lengths))
    starts, sizes = (np.cumsum(lengths) - lengths)[order], lengths[order]
    shifts = random.integers(sizes)
    place = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.asarray(np.repeat(starts, sizes) + (place + np.repeat(shifts, sizes)) % np.repeat(sizes, sizes))


def _unit(values: np.ndarray) -> np.ndarray:
    """Scale columns (N, X) to mean 0 and length 1; constant columns become 0."""
    centred = values - values.mean(0, dtype=np.float64)
    length = np.sqrt(np.square(centred).sum(0))
    flat = length <= FLAT * np.sqrt(len(values))
    return (centred / np.where(flat, 1.0, length) * ~flat).astype(np.float32)
