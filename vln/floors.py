"""Storeys of a building, found from the heights of its viewpoints."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

STOREY = 1.8  # metres: levels closer than this are steps within one storey
BANDWIDTH = 0.4  # metres: about the spread of heights within a storey, well below the height of a storey
GRID = 0.05  # metres
MIN_VIEWPOINTS = 3.0  # viewpoints at one height that make a storey; stairs have fewer


@dataclass(frozen=True)
class Floors:
    """The storeys of a building, from the lowest up."""

    heights: np.ndarray  # (F,) median camera height of each storey in metres
    cuts: np.ndarray  # (F - 1,) heights in metres between neighbouring storeys

    @cached_property
    def count(self) -> int:
        """Number of storeys, F."""
        return len(self.heights)

    def of(self, z: np.ndarray | float) -> np.ndarray:
        """Return the storey of each height, from 0; a height on stairs belongs to the storey on its side of the cut."""
        return np.searchsorted(self.cuts, z, side="right")


def find_floors(heights: np.ndarray) -> Floors:
    """Cluster camera heights (V,) in metres into storeys.

    A storey is a mode of the smoothed density of heights. The cut between two storeys is the height of lowest density
    between them, which splits a staircase near its middle. Gaps are no criterion: viewpoints on stairs fill them.
    """
    grid = np.arange(heights.min() - 3 * BANDWIDTH, heights.max() + 3 * BANDWIDTH, GRID)
    density = np.exp(-0.5 * ((grid[:, None] - heights[None]) / BANDWIDTH) ** 2).sum(axis=1)
    modes = _modes(density)
    cuts = np.array([_emptiest(grid, density, low, high) for low, high in pairwise(modes)])
    storeys = np.searchsorted(cuts, heights, side="right")
    return Floors(np.array([float(np.median(heights[storeys == each])) for each in range(len(modes))]), cuts)


def _modes(density: np.ndarray) -> list[int]:
    """Return the indices of the local maxima that make a storey, ascending; of two too close the higher one counts."""
    inner = density[1:-1]
    peaks = 1 + np.flatnonzero((inner > density[:-2]) & (inner >= density[2:]))
    modes: list[int] = []
    for peak in sorted(peaks.tolist(), key=lambda index: -density[index]):
        populous = density[peak] >= MIN_VIEWPOINTS or not modes
        if populous and all(abs(peak - mode) * GRID >= STOREY for mode in modes):
            modes.append(peak)
    return sorted(modes)


def _emptiest(grid: np.ndarray, density: np.ndarray, low: int, high: int) -> float:
    """Return the height of lowest density between two peaks; the middle one of equals."""
    between = density[low : high + 1]
    lowest = np.flatnonzero(between <= between.min() + 1e-9)
    return float(grid[low + int(np.median(lowest))])
