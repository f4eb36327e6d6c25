"""Sums that are the same everywhere."""

from collections.abc import Iterable
from functools import reduce
from operator import add


def added(lengths: Iterable[float]) -> float:
    """Their sum, rounded after each as `sum` did before Python 3.12, so that a house is the same in every Python."""
    return reduce(add, lengths, 0.0)
