"""Storeys of a building, found from the heights of its viewpoints."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

STOREY = 1.8  # metres: levels closer than this are steps within one storey
BANDWIDTH = 0.4  # metres: about the spread of heights within a storey, well below the height of a storey
GRID = 0.05  # metres
FEWEST = 3.0  # viewpoints at one height that make a storey; stairs are passed by fewer


@dataclass(frozen=True)
class Floors:
    """The storeys of a building, from the lowest up.

    Attributes:
        heights: (F,) median camera height of each storey in metres.
        cuts: (F - 1,) heights in metres at which one storey ends and the next begins.
    """

    heights: np.ndarray
    cuts: np.ndarray

    @cached_property
    def count(self) -> int:
        """Number of storeys, F."""
        return len(self.heights)

    def of(self, z: np.ndarray | float) -> np.ndarray:
        """Storey of each height, from 0; stairs go to the storey on their side of the cut."""
        return np.searchsorted(self.cuts, z, side="right")


def find_floors(heights: np.ndarray) -> Floors:
    """Cluster camera heights into storeys.

    A storey is a mode of the smoothed density of heights; the cut between two storeys is the emptiest height between
    them, which splits a staircase about its middle. Gaps alone would not do: viewpoints on stairs fill them.

    Args:
        heights: (V,) camera heights in metres.
    """
    grid = np.arange(heights.min() - 3 * BANDWIDTH, heights.max() + 3 * BANDWIDTH, GRID)
    density = np.exp(-0.5 * ((grid[:, None] - heights[None]) / BANDWIDTH) ** 2).sum(axis=1)
    modes = _modes(density)
    cuts = np.array([_emptiest(grid, density, low, high) for low, high in pairwise(modes)])
    storeys = np.searchsorted(cuts, heights, side="right")
    return Floors(np.array([float(np.median(heights[storeys == each])) for each in range(len(modes))]), cuts)


def _modes(density: np.ndarray) -> list[int]:
    """Indices of the local maxima that make a storey, ascending; of two too close to one another the higher."""
    inner = density[1:-1]
    peaks = 1 + np.flatnonzero((inner > density[:-2]) & (inner >= density[2:]))
    modes: list[int] = []
    for peak in sorted(peaks.tolist(), key=lambda index: -density[index]):
        populous = density[peak] >= FEWEST or not modes
        if populous and all(abs(peak - mode) * GRID >= STOREY for mode in modes):
            modes.append(peak)
    return sorted(modes)


def _emptiest(grid: np.ndarray, density: np.ndarray, low: int, high: int) -> float:
    """Height between two peaks where the density is lowest, in the middle of such heights."""
    between = density[low : high + 1]
    lowest = np.flatnonzero(between <= between.min() + 1e-9)
    return float(grid[low + int(np.median(lowest))])
