"""Measure the speed of metrics, simulators and training on this machine.

python scripts/benchmark.py metrics
python scripts/benchmark.py metrics --repeats 21 --json
python scripts/benchmark.py graph
python scripts/benchmark.py graph --threads 1 --batches 1 64 1024
python scripts/benchmark.py train --preset r2r-navigator
python scripts/benchmark.py train --preset houses-demo --threads 1 --workers 2
python scripts/benchmark.py sim
python scripts/benchmark.py sim --vs habitat
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numba
import numpy as np
import torch
from rich.console import Group
from rich.table import Table

from agents.config import TrainConfig, data_options
from agents.policies.views import word_weights
from agents.presets import PRESETS
from agents.training.build import build_trainer
from agents.training.devices import use_threads
from agents.training.distributed import Workers, check_workers, launch, workers_wanted
from agents.training.timing import time_updates
from envs.benchmarks.graph import time_walks
from envs.benchmarks.rendering import Kind, memory, open_views, time_views
from envs.benchmarks.stepping import compare_with_habitat, open_courses, time_houses
from envs.habitat.settings import habitat_interpreter, use_interpreter
from envs.make import open_task
from vln.cli import commands, show
from vln.data import find_data
from vln.errors import unknown_name
from vln.features import load_captions
from vln.graph import VIEWS, NavigationGraph
from vln.metrics import padded_rows, score_paths, score_rows
from vln.reference_metrics import distance_dictionaries, score_all
from vln.score_files import load_graph_split
from vln.submission import check_submission, read_submission, viewpoints
from vln.tables import number_table
from vln.timing import time_in_turns


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
    episodes, sources = load_graph_split(folder, "r2r", split)
    graphs = sources.graphs({episode.scan for episode in episodes})
    source = predictions or folder / "predictions" / f"seq2seq_student_forcing_{split}.json"
    submission = read_submission(source)
    check_submission(source, submission, episodes, graphs)
    walks = {walk.episode_id: walk for walk in submission}
    paths = [viewpoints(walks[episode.episode_id]) for episode in episodes]
    distances = {scan: distance_dictionaries(graph) for scan, graph in graphs.items()}
    runs = {
        "an episode at a time": partial(score_all, distances, episodes, paths),
        "batched, from viewpoint ids": partial(score_paths, graphs, episodes, paths),
        "batched, from arrays": partial(score_rows, graphs, episodes, *padded_rows(graphs, episodes, paths)),
    }
    rows = _compare(runs, repeats)
    show(_metrics_table(rows, len(episodes), repeats), {"episodes": len(episodes), "implementations": rows}, json)


DENSE_WIDTH = 512  # numbers a view, CLIP's


def graph(
    batches: tuple[int, ...] = (256, 4096),
    steps: int = 20,
    repeats: int = 11,
    threads: int = 0,
    data: Path | None = None,
    json: bool = False,
) -> None:
    """Time random walks in the panoramic vector environment, without features and with those of all 36 views.

    A step makes the whole observation, reward, infos and the expert's action, and restarts episodes that ended. The
    features are the words of the captions with their weights, or 512 numbers a view.

    Args:
        batches: Numbers of environments.
        steps: Steps of a run.
        repeats: Runs of each, in turns; the median counts.
        threads: CPU threads; 0 leaves the choice to torch.
        data: Data folder; $VLN_DATA or ../shared/data if absent.
        json: Print JSON instead of a table.
    """
    use_threads(threads)
    folder = find_data(data)
    episodes, sources = load_graph_split(folder, "r2r", "train")
    graphs = sources.graphs({episode.scan for episode in episodes})
    buildings = list(graphs.values())
    walks = time_walks(buildings, episodes, _features(folder, buildings), batches, steps, repeats)
    show(_graph_table(walks, steps, repeats), {"threads": torch.get_num_threads(), "walks": walks}, json)


def _features(data: Path, graphs: Sequence[NavigationGraph]) -> dict[str, tuple[torch.Tensor, ...]]:
    """Tables over the viewpoints, by name: what a step gathers for all 36 views."""
    captions = load_captions(data, scans=[graph.scan for graph in graphs])
    assert captions.words is not None
    assert captions.attributes is not None
    rows = captions.rows(graphs)
    words, weights = torch.from_numpy(captions.words[rows]), torch.from_numpy(word_weights(captions.attributes[rows]))
    return {
        "none": (),
        "words of captions": (words, weights),
        f"{DENSE_WIDTH} numbers a view": (torch.rand(len(rows), VIEWS, DENSE_WIDTH),),
    }


def _graph_table(rows: Sequence[Mapping[str, Any]], steps: int, repeats: int) -> Table:
    title = f"{steps} steps, medians of {repeats} runs, {torch.get_num_threads()} threads"
    cells = [(row["features"], f"{row['batch']:,}", f"{row['steps_per_second']:,.0f}") for row in rows]
    return number_table(("features", "batch", "steps/s"), cells, title)


SCENE_HEADS = ("scenes", "triangles", "size", "batch")
HOUSES = 20  # few, so that all are loaded when the clock starts


@dataclass(frozen=True)
class Timing:
    """What `train` times, with its arguments."""

    config: TrainConfig
    preset: str
    phase: str
    data: Path | None
    updates: int
    threads: int
    device: str
    json: bool


def train(
    preset: str = "r2r-navigator",
    phase: str = "imitation",
    data: Path | None = None,
    updates: int = 60,
    threads: int = 0,
    workers: int = 1,
    device: str = "cpu",
    precision: Literal["float32", "bfloat16"] | None = None,
    json: bool = False,
) -> None:
    """Time updates of a preset as it learns: episodes a second, and where the time goes.

    Args:
        preset: Name of a preset of train.py.
        phase: Name of the phase of the preset to time.
        data: Data folder; $VLN_DATA or ../shared/data if absent.
        updates: Updates to time, after a few to warm up; the median counts.
        threads: CPU threads of each worker; 0 leaves the choice to torch, or divides the cores among workers.
        workers: Processes that learn as one; the parts are those of the first, the steps those of all.
        device: "cpu" or "cuda".
        precision: Of the numbers that the image encoder computes with; that of the preset if absent.
        json: Print JSON instead of a table.
    """
    if preset not in PRESETS:
        raise unknown_name("--preset", preset, PRESETS)
    config = PRESETS[preset]()
    if phase not in config.phases:
        raise unknown_name("--phase", phase, config.phases)
    config = config.without_learning(*(name for name in config.phases if name != phase))
    config = replace(config, scenes=HOUSES if config.task.continuous else None)
    if hasattr(config.phases[phase], "episodes"):
        config = config.with_phase(phase, episodes=config.batch_size)  # as many as it takes
    if precision:
        camera = replace(config.navigator.camera, precision=precision)
        config = replace(config, policy=replace(config.navigator, camera=camera))
    workers = workers_wanted(workers)
    check_workers(config, workers)
    timing = Timing(config, preset, phase, data, updates, threads, device, json)
    launch(partial(time_training, timing), workers)


def time_training(timing: Timing, workers: Workers) -> None:
    """Time updates as one of the workers; the first one shows what came of it."""
    config = timing.config
    use_threads(timing.threads, workers.count)
    with workers.main_first():
        data = open_task(config.task, ("train",), data=timing.data, **data_options(config))
    with TemporaryDirectory() as folder:
        trainer = build_trainer(config, data, Path(folder), workers.device(timing.device), (), workers=workers)
        found = time_updates(trainer, timing.updates)
    rows = {
        "preset": timing.preset,
        "phase": timing.phase,
        "precision": config.navigator.camera.precision,
        "workers": workers.count,
        "threads": torch.get_num_threads(),
        "batch_size": config.batch_size,
        "memory_GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        **found,
    }
    if workers.is_main:
        show(_train_table(rows), rows, timing.json)


def _train_table(rows: Mapping[str, Any]) -> Table:
    rates = f"{rows['episodes_per_second']:.0f} episodes/s, {rows['steps_per_second']:.0f} steps/s"
    who = f"workers x threads {rows['workers']} x {rows['threads']}"
    title = f"{rows['preset']}, {rows['phase']}, {who}: {rates}, {rows['memory_GB']:.1f} GB at most"
    seconds = rows["seconds"]
    cells = [(name, f"{taken * 1e3:.1f}", f"{taken / seconds['update']:.0%}") for name, taken in seconds.items()]
    return number_table(("part", "ms an update", "share"), cells, title)


def sim(
    sizes: tuple[int, ...] = (64, 128, 256),
    batches: tuple[int, ...] = (16, 64),
    houses: int = 4,
    triangles: int = 200_000,
    repeats: int = 5,
    threads: int = 0,
    kinds: tuple[Kind, ...] = ("houses", "mesh", "environment"),
    vs: Literal["embree", "habitat"] = "embree",
    habitat_python: Path | None = None,
    json: bool = False,
) -> None:
    """Time the renderer in generated houses and in a large mesh, and the vector environment; count memory.

    A frame is RGB and depth. Embree casts the rays of the same views, one a pixel, through its Python binding, and
    shades nothing. The large mesh is a house whose triangles were cut and made uneven, saved as GLB and loaded again.

    Args:
        sizes: Pixels a side.
        batches: Numbers of views at a time.
        houses: Generated houses, seeds from 0, that views are spread over.
        triangles: Of the large mesh, at least.
        repeats: Runs of each, in turns; the median counts.
        threads: CPU threads; 0 for all there are.
        kinds: What to time.
        vs: Compare the renderer with rays cast by Embree, or the vector environment with habitat-sim's.
        habitat_python: Python that has habitat-sim; default $VLN_HABITAT_PYTHON, then this Python.
        json: Print JSON instead of tables.
    """
    use_threads(threads)
    if vs == "habitat":
        use_interpreter(habitat_python)
        habitat_interpreter()
        with TemporaryDirectory() as folder:
            courses = list(open_courses(kinds, houses, triangles, max(batches), Path(folder)))
            compared = list(compare_with_habitat(courses, sizes, batches, repeats))
        found = {"threads": numba.get_num_threads(), "environment": compared}
        show(_habitat_table(compared, repeats), found, json)
        return
    scenes = list(open_views(kinds, houses, triangles))
    rows = [row for views in scenes for row in time_views(views, sizes, batches, repeats)]
    steps = time_houses(sizes, batches, houses, repeats) if "environment" in kinds else []
    megabytes = memory(houses)
    printed = {"threads": numba.get_num_threads(), "views": rows, "environment": steps, "memory": megabytes}
    tables = [_views_table(rows, repeats), *([_steps_table(steps)] if steps else []), _memory_table(megabytes)]
    show(Group(*tables), printed, json)


def _views_table(rows: Sequence[Mapping[str, Any]], repeats: int) -> Table:
    title = f"RGB-D frames a second, {numba.get_num_threads()} threads, medians of {repeats} runs"
    heads = (*SCENE_HEADS, "renderer", "Embree, depth", "times")
    rates = [(f"{row['frames_per_second']:,.0f}", f"{row['embree_frames_per_second']:,.0f}") for row in rows]
    cells = [(*_scene(row), *rate, f"{row['times_as_fast']:.1f}") for row, rate in zip(rows, rates, strict=True)]
    return number_table(heads, cells, title)


def _scene(row: Mapping[str, Any]) -> tuple[str, ...]:
    return row["scenes"], f"{row['triangles']:,}", str(row["size"]), str(row["batch"])


def _steps_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    cells = [(str(row["size"]), str(row["batch"]), f"{row['frames_per_second']:,.0f}") for row in rows]
    return number_table(("size", "batch", "frames/s"), cells, "Vector environment, random moves")


def _memory_table(memory: Mapping[str, float]) -> Table:
    megabytes = {name.removeprefix("MB_"): value for name, value in memory.items() if name.startswith("MB")}
    cells = [(name.replace("_", " "), f"{value:,.1f}") for name, value in megabytes.items()]
    return number_table(("memory", "MB"), cells, f"Means of {memory['houses']} houses")


def _habitat_table(rows: Sequence[Mapping[str, Any]], repeats: int) -> Table:
    version = rows[0]["version"]["habitat"]
    heads = (*SCENE_HEADS, "embedded", "habitat-sim", "workers", "times")
    cells = [
        (
            *_scene(row),
            *(f"{row[f'{name}_frames_per_second']:,.0f}" for name in ("embedded", "habitat")),
            str(row["workers"]),
            f"{row['times_as_fast']:.1f}",
        )
        for row in rows
    ]
    title = f"Vector environment against habitat-sim {version}, medians of {repeats} runs"
    return number_table(heads, cells, title)


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
    cells = [
        (
            row["implementation"],
            f"{row['seconds'] * 1e3:.1f}",
            f"{row['seconds'] / episodes * 1e6:.1f}",
            f"{row['times_as_fast']:.1f}",
            f"{row['largest_difference']:.0e}",
        )
        for row in rows
    ]
    heads = ("metrics", "ms", "us/episode", "speed-up", "difference")
    return number_table(heads, cells, f"{episodes:,} episodes, medians of {repeats} runs")


if __name__ == "__main__":
    commands({"metrics": metrics, "graph": graph, "train": train, "sim": sim})
