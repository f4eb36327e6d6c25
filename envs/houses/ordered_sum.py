"""Sums that do not depend on the version of Python."""

from collections.abc import Iterable
from functools import reduce
from operator import add


def ordered_sum(lengths: Iterable[float]) -> float:
    """Sum lengths one by one, as `sum` did before Python 3.12, so that a house is the same in every version."""
    return reduce(add, lengths, 0.0)
