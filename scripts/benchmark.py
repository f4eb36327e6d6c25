"""How fast the parts are, measured here and now.

python scripts/benchmark.py metrics
python scripts/benchmark.py metrics --repeats 21 --json
python scripts/benchmark.py train --preset r2r-navigator
"""

import resource
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from timeit import timeit
from typing import Any, Literal
from unittest.mock import patch

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from agents.presets import PRESETS
from agents.trainer import Trainer
from scripts.common import commands, show
from scripts.reference_metrics import distance_dictionaries, score_all
from scripts.score import load_task, read_walks
from scripts.train import build_trainer, use_threads
from scripts.worlds import open_world
from vln.data import find_data
from vln.errors import InputError
from vln.metrics import padded_rows, score_paths, score_rows
from vln.submission import viewpoints


def metrics(
    predictions: Path | None = None,
    split: str = "val_unseen",
    data: Path | None = None,
    repeats: int = 11,
    json: bool = False,
) -> None:
    """Time the batched metrics against Python that takes an episode at a time, shaped like the published evaluators.

    Each starts from what it looks distances up by, viewpoint ids in dictionaries or rows in arrays; the batched metrics
    also from viewpoint ids, which they turn into rows first. Geodesic distances are computed beforehand for all.

    Args:
        predictions: Submission file; the recorded seq2seq agent of the data folder if absent.
        split: Split the predictions are for.
        data: Data folder; $VLN_DATA or ../shared/data if absent.
        repeats: Runs of each implementation, in turns; the median counts.
        json: Print JSON instead of a table.
    """
    folder = find_data(data)
    episodes, graphs = load_task(folder, "r2r", split)
    source = predictions or folder / "predictions" / f"seq2seq_student_forcing_{split}.json"
    walks = {walk.episode_id: walk for walk in read_walks(source, episodes, graphs)}
    paths = [viewpoints(walks[episode.episode_id]) for episode in episodes]
    distances = {scan: distance_dictionaries(graph) for scan, graph in graphs.items()}
    rows = _compare(
        {
            "an episode at a time": partial(score_all, distances, episodes, paths),
            "batched, from viewpoint ids": partial(score_paths, graphs, episodes, paths),
            "batched, from arrays": partial(score_rows, graphs, episodes, *padded_rows(graphs, episodes, paths)),
        },
        repeats,
    )
    show(_metrics_table(rows, len(episodes), repeats), {"episodes": len(episodes), "implementations": rows}, json)


WARM_UP = 5


def train(
    preset: str = "r2r-navigator",
    phase: Literal["imitation", "reinforcement"] = "imitation",
    data: Path | None = None,
    updates: int = 60,
    threads: int = 0,
    device: str = "cpu",
    json: bool = False,
) -> None:
    """Time updates of a preset as it learns: episodes a second, and where the time goes.

    Args:
        preset: Name of a preset of train.py.
        phase: Phase of learning.
        data: Data folder; $VLN_DATA or ../shared/data if absent.
        updates: Updates to time, after a few to warm up; the median counts.
        threads: CPU threads; 0 leaves the choice to torch.
        device: "cpu" or "cuda".
        json: Print JSON instead of a table.
    """
    if preset not in PRESETS:
        raise InputError("--preset", f"'{preset}' is not known", f"use one of {', '.join(PRESETS)}")
    config = PRESETS[preset]()
    if phase == "reinforcement":
        config = replace(config, imitation=replace(config.imitation, iterations=0))
    use_threads(threads)
    world = open_world(config, find_data(data), ("train",))
    with TemporaryDirectory() as folder:
        trainer = build_trainer(world, Path(folder), device, ())
        parts = [time_update(trainer) for _ in track(range(WARM_UP + updates), transient=True, console=Console(stderr=True))]
    parts = parts[WARM_UP:]
    seconds = {name: median(part.get(name, 0.0) for part in parts) for name in parts[-1]}
    rows = {
        "preset": preset,
        "phase": phase,
        "threads": torch.get_num_threads(),
        "batch_size": config.batch_size,
        "episodes_per_second": config.batch_size / seconds["update"],
        "memory_GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "seconds": seconds,
    }
    show(_train_table(rows), rows, json)


def time_update(trainer: Trainer) -> dict[str, float]:
    """Seconds of one update, by part; the rest of `update` is sampling, gathering and waiting."""
    seconds: dict[str, float] = defaultdict(float)
    parts = (
        (trainer.navigator, "begin", "read instructions"),
        (trainer.navigator, "forward", "decide"),
        (trainer.env, "step", "environment"),
        (torch.Tensor, "backward", "backward"),
        (trainer.optimizer, "step", "optimiser"),
    )
    with ExitStack() as watches:
        for owner, method, part in parts:
            watches.enter_context(_watched(owner, method, part, seconds))
        started = perf_counter()
        trainer.update()
        seconds["update"] = perf_counter() - started
    return dict(seconds)


@contextmanager
def _watched(owner: Any, method: str, part: str, seconds: dict[str, float]) -> Iterator[None]:
    """Within the block, the time in a method is added to `seconds[part]`."""
    original = getattr(owner, method)

    def timed(*args: Any, **options: Any) -> Any:
        started = perf_counter()
        try:
            return original(*args, **options)
        finally:
            seconds[part] += perf_counter() - started

    with patch.object(owner, method, timed):
        yield


def _train_table(rows: Mapping[str, Any]) -> Table:
    rate, memory = rows["episodes_per_second"], rows["memory_GB"]
    title = f"{rows['preset']}, {rows['phase']}, {rows['threads']} threads: {rate:.0f} episodes/s, {memory:.1f} GB at most"
    table = Table("part", title=title)
    for column in ("ms an update", "share"):
        table.add_column(column, justify="right")
    whole = rows["seconds"]["update"]
    for name, taken in rows["seconds"].items():
        table.add_row(name, f"{taken * 1e3:.1f}", f"{taken / whole:.0%}")
    return table


def time_in_turns(runs: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each function, run in turns so that a busy moment of the machine falls on all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in track(range(repeats), description="timing", transient=True, console=Console(stderr=True)):
        for name, run in runs.items():
            seconds[name].append(timeit(run, number=1))
    return {name: median(taken) for name, taken in seconds.items()}


def _compare(runs: Mapping[str, Callable[[], dict[str, np.ndarray]]], repeats: int) -> list[dict[str, Any]]:
    """Time and result of each implementation against the first."""
    results = {name: run() for name, run in runs.items()}
    seconds = time_in_turns(runs, repeats)
    first = next(iter(runs))
    return [
        {
            "implementation": name,
            "seconds": seconds[name],
            "times_as_fast": seconds[first] / seconds[name],
            "largest_difference": max(
                float(np.abs(values - results[first][metric]).max()) for metric, values in results[name].items()
            ),
        }
        for name in runs
    ]


def _metrics_table(rows: Sequence[Mapping[str, Any]], episodes: int, repeats: int) -> Table:
    table = Table("metrics", title=f"{episodes:,} episodes, medians of {repeats} runs")
    for column in ("ms", "us/episode", "speed-up", "difference"):
        table.add_column(column, justify="right")
    for row in rows:
        milliseconds, microseconds = row["seconds"] * 1e3, row["seconds"] / episodes * 1e6
        cells = f"{milliseconds:.1f}", f"{microseconds:.1f}", f"{row['times_as_fast']:.1f}"
        table.add_row(row["implementation"], *cells, f"{row['largest_difference']:.0e}")
    return table


if __name__ == "__main__":
    commands({"metrics": metrics, "train": train})
