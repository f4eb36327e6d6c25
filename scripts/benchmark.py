"""How fast the parts are, measured here and now.

python scripts/benchmark.py metrics
python scripts/benchmark.py metrics --repeats 21 --json
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from timeit import timeit
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from scripts.common import commands, show
from scripts.reference_metrics import distance_dictionaries, score_all
from scripts.score import load_task, read_walks
from vln.data import find_data
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
    commands({"metrics": metrics})
