"""Regions of the walkable area: outlines keep their corners where regions meet."""

import numpy as np

from envs.navigation.floors import Floors


def find_regions(floors: Floors, width: int, islands: np.ndarray) -> np.ndarray:
    """(N,) int32 region of each place."""
    return islands
