"""Timing several functions against each other."""

from collections.abc import Callable, Hashable, Mapping
from statistics import median
from timeit import timeit
from typing import Any, TypeVar

from rich.progress import track

from vln.console import Console

Key = TypeVar("Key", bound=Hashable)


def time_in_turns(runs: Mapping[Key, Callable[[], Any]], repeats: int) -> dict[Key, float]:
    """Run functions in turns, so that other load slows all alike, and return the median seconds of each."""
    seconds: dict[Key, list[float]] = {name: [] for name in runs}
    for _ in track(range(repeats), description="timing", transient=True, console=Console(stderr=True)):
        for name, run in runs.items():
            seconds[name].append(timeit(run, number=1))
    return {name: median(taken) for name, taken in seconds.items()}
