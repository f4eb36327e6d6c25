"""Sums that are the same everywhere."""

from collections.abc import Iterable
from functools import reduce
from operator import add


def added(lengths: Iterable[float]) -> float:
    """Their sum, rounded after each: `sum` rounds so up to Python 3.11 only, and a house is the same in every Python."""
    return reduce(add, lengths, 0.0)
