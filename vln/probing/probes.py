"""Searching for interpretable cells (Karpathy, Johnson and Fei-Fei 2016): which cell is explained by which predicate.

Cells and predicates are numbers at the same moments (words or steps), episode after episode. A cell is explained as
well as it correlates with a predicate. Which predicate explains a cell best is chosen in one half of the buildings and
scored in the other half, so that the two share nothing. What chance gives is known from permutations: whole episodes of
predicates change places, and each begins at a random moment and goes on with its beginning after its end, so that
predicates keep their course and lose what they have to do with the cells. With many cells and predicates the best of
them looks good by chance: each score is divided by its own spread over the permutations, and compared with the largest
such number that each permutation has among all cells and predicates (maxT, Westfall and Young 1993).
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vln.errors import InputError

LEAST = 10  # episodes of a half in which a predicate must be other than it mostly is
LEVEL = 0.05  # of the p-value of a finding
FLAT = 1e-6  # spread of a cell that never changes, next to 1


@dataclass(frozen=True, eq=False)
class Moments:
    """Cells and predicates at the N moments of E episodes.

    Attributes:
        cells: (N, C) float32.
        predicates: (N, P) float32; what holds or does not hold is 1 or 0.
        names: P names of the predicates.
        lengths: (E,) moments of each episode, in order.
        buildings: E buildings; the halves share none.
    """

    cells: np.ndarray
    predicates: np.ndarray
    names: tuple[str, ...]
    lengths: np.ndarray
    buildings: tuple[Hashable, ...]

    def keep(self, episodes: np.ndarray) -> "Moments":
        """The moments of the episodes that are true in `episodes` (E,)."""
        rows = np.repeat(episodes, self.lengths)
        kept = tuple(each for each, wanted in zip(self.buildings, episodes, strict=True) if wanted)
        return Moments(self.cells[rows], self.predicates[rows], self.names, self.lengths[episodes], kept)


@dataclass(frozen=True, slots=True)
class Finding:
    """What explains a cell best.

    Attributes:
        cell: Which, from 0.
        predicate: Its name.
        chosen: Correlation in the half in which the predicate was chosen.
        score: Correlation in the other half, positive if its sign is the same as that of `chosen`.
        chance: What the best of all cells and predicates reaches by chance in one of twenty cases, on the scale of
            `score`.
        p_value: Of so good a score for any cell and predicate by chance.
    """

    cell: int
    predicate: str
    chosen: float
    score: float
    chance: float
    p_value: float

    @property
    def found(self) -> bool:
        """Whether it is more than chance."""
        return self.p_value < LEVEL


def halves(buildings: Sequence[Hashable], seed: int = 0) -> np.ndarray:
    """(E,) bool, which episodes are in the first of two halves of about the same size that share no building.

    Raises:
        InputError: If there is only one building.
    """
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
    """(P,) bool, which predicates are other than they mostly are in `LEAST` episodes or more."""
    if not len(moments.predicates):
        return np.zeros(len(moments.names), bool)
    other = moments.predicates != np.median(moments.predicates, axis=0)
    starts = np.concatenate([[0], np.cumsum(moments.lengths)[:-1]])
    return np.logical_or.reduceat(other, starts, axis=0).sum(0) >= LEAST


def explain(
    moments: Moments,
    permutations: int = 200,
    seed: int = 0,
    track: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> list[Finding]:
    """What explains each cell best, the best explained cell first.

    Args:
        moments: Cells and predicates.
        permutations: How many tell what chance gives; p-values are never below 1 / (permutations + 1).
        seed: Of the halves and of the permutations.
        track: Goes through the numbers of the permutations, e.g. with a progress bar.

    Raises:
        InputError: If all episodes are in one building, or no predicate changes often enough.
    """
    first = halves(moments.buildings, seed)
    one, other = moments.keep(first), moments.keep(~first)
    kept = supported(one) & supported(other)
    if not kept.any():
        fix = "look at more episodes"
        raise InputError("predicates", f"none of {len(kept)} changes in {LEAST} episodes of each half", fix)
    names = [name for name, wanted in zip(moments.names, kept, strict=True) if wanted]
    chosen = _unit(one.cells).T @ _unit(one.predicates[:, kept])
    cells, predicates = _unit(other.cells).T, _unit(other.predicates[:, kept])
    scores = cells @ predicates
    chance = _by_chance(cells, predicates, other.lengths, permutations, np.random.default_rng(seed), track)
    return _ranked(names, chosen, scores, chance)


def _ranked(names: Sequence[str], chosen: np.ndarray, scores: np.ndarray, chance: np.ndarray) -> list[Finding]:
    """Findings of correlations (C, P) in either half, and by chance (K, C, P)."""
    spread = np.maximum(np.sqrt(np.square(chance).mean(0)), FLAT)
    largest = (np.abs(chance) / spread).max((1, 2))
    limit = float(np.quantile(largest, 1 - LEVEL))
    findings = []
    for cell, best in enumerate(np.abs(chosen).argmax(1).tolist()):
        score = float(scores[cell, best] * np.sign(chosen[cell, best]))
        above = int(np.count_nonzero(largest >= score / spread[cell, best]))
        p_value = (1 + above) / (1 + len(largest))
        by_chance = min(1.0, limit * float(spread[cell, best]))
        findings.append(Finding(cell, names[best], float(chosen[cell, best]), score, by_chance, p_value))
    return sorted(findings, key=lambda each: -each.score)


def _by_chance(
    cells: np.ndarray,
    predicates: np.ndarray,
    lengths: np.ndarray,
    permutations: int,
    random: np.random.Generator,
    track: Callable[[Iterable[int]], Iterable[int]],
) -> np.ndarray:
    """(K, C, P) correlations of cells (C, N) and predicates (N, P), both of unit length, after permutations."""
    found = np.empty((permutations, len(cells), predicates.shape[1]), np.float32)
    for number in track(range(permutations)):
        found[number] = cells @ predicates[shuffled(lengths, random)]
    return found


def shuffled(lengths: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(N,) moments of episodes that have changed places, each begun at a random moment."""
    order = random.permutation(len(lengths))
    starts, sizes = (np.cumsum(lengths) - lengths)[order], lengths[order]
    shifts = random.integers(sizes)
    place = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.asarray(np.repeat(starts, sizes) + (place + np.repeat(shifts, sizes)) % np.repeat(sizes, sizes))


def _unit(values: np.ndarray) -> np.ndarray:
    """Columns (N, X) of mean 0 and length 1; what hardly ever changes is 0."""
    centred = values - values.mean(0, dtype=np.float64)
    length = np.sqrt(np.square(centred).sum(0))
    flat = length <= FLAT * np.sqrt(len(values))
    return (centred / np.where(flat, 1.0, length) * ~flat).astype(np.float32)
