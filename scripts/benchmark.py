"""How fast the parts are, measured here and now.

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
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Literal, TypeVar, get_args
from unittest.mock import patch

import numpy as np
import torch
from rich.progress import track
from rich.table import Table

from agents.config import TrainConfig
from agents.policies.views import word_weights
from agents.presets import PRESETS
from agents.training.devices import use_threads
from agents.training.distributed import Workers, check_workers, launch, workers_wanted
from agents.training.trainer import Trainer
from envs.environment import NavigationVectorEnv
from envs.graph import PanoramicGraph
from scripts.benchmark_sim import sim
from scripts.score import load_task, read_walks
from scripts.train import build_trainer
from scripts.worlds import open_world
from vln.cli import commands, show
from vln.console import Console
from vln.data import find_data
from vln.errors import unknown_name
from vln.features import load_captions
from vln.graph import VIEWS, NavigationGraph
from vln.language import Vocabulary
from vln.metrics import padded_rows, score_paths, score_rows
from vln.reference_metrics import distance_dictionaries, score_all
from vln.submission import viewpoints
from vln.timing import time_in_turns

Key = TypeVar("Key", bound=Hashable)


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


DENSE_WIDTH = 512  # numbers a view, CLIP's
ACTIONS = 6  # actions are drawn from so many, one of them stop: episodes of six steps, as in R2R


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
    episodes, graphs = load_task(folder, "r2r", "train")
    vocabulary = Vocabulary.build(episode.instruction for episode in episodes)
    features = _features(folder, list(graphs.values()))
    runs: dict[tuple[str, int], Callable[[], None]] = {}
    for batch in batches:
        simulator = PanoramicGraph(list(graphs.values()))
        env = NavigationVectorEnv(simulator, episodes, vocabulary, batch, tensors=True)
        env.reset(seed=0)
        actions = np.random.default_rng(0).integers(0, min(ACTIONS, int(simulator.action_space.n)), (steps, batch))
        runs |= {(name, batch): partial(_walk, env, actions, tables) for name, tables in features.items()}
    time_in_turns(runs, 1)  # warms up
    seconds = time_in_turns(runs, repeats)
    rows = [
        {"features": name, "batch": batch, "steps_per_second": batch * steps / seconds[name, batch]}
        for name, batch in runs
    ]
    show(_graph_table(rows, steps, repeats), {"threads": torch.get_num_threads(), "walks": rows}, json)


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


def _walk(env: NavigationVectorEnv, actions: np.ndarray, tables: Sequence[torch.Tensor]) -> None:
    """Take actions (T, B), gathering the rows of tables at every step."""
    for each in actions:
        viewpoint = env.step(each)[0]["viewpoint"]
        for table in tables:
            table.index_select(0, viewpoint)


def _graph_table(rows: Sequence[Mapping[str, Any]], steps: int, repeats: int) -> Table:
    table = Table("features", title=f"{steps} steps, medians of {repeats} runs, {torch.get_num_threads()} threads")
    for column in ("batch", "steps/s"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(row["features"], f"{row['batch']:,}", f"{row['steps_per_second']:,.0f}")
    return table


WARM_UP = 5
HOUSES = 20  # all of which are loaded when the clock starts
Phase = Literal["perception", "imitation", "reinforcement"]
PHASES = get_args(Phase)


@dataclass(frozen=True)
class Timing:
    """What `train` times, with its arguments."""

    config: TrainConfig
    preset: str
    phase: Phase
    data: Path | None
    updates: int
    threads: int
    device: str
    json: bool


def train(
    preset: str = "r2r-navigator",
    phase: Phase = "imitation",
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
        phase: Phase of learning.
        data: Data folder; $VLN_DATA or ../shared/data if absent.
        updates: Updates to time, after a few to warm up; the median counts.
        threads: CPU threads of each worker; 0 leaves the choice to torch, or divides the cores among workers.
        workers: Processes that learn as one; the parts are those of the first, the steps those of all.
        device: "cpu" or "cuda".
        precision: Of the numbers that eyes in houses compute with; that of the preset if absent.
        json: Print JSON instead of a table.
    """
    if preset not in PRESETS:
        raise unknown_name("--preset", preset, PRESETS)
    config = PRESETS[preset]()
    earlier = PHASES[: PHASES.index(phase)]
    config = replace(config, **{name: replace(getattr(config, name), iterations=0) for name in earlier})
    config = replace(config, world=replace(config.world, houses=HOUSES))
    config = replace(config, dagger=replace(config.dagger, episodes=config.batch_size))  # as many as it takes
    if precision:
        camera = replace(config.navigator.camera, precision=precision)
        config = replace(config, navigator=replace(config.navigator, camera=camera))
    workers = workers_wanted(workers)
    check_workers(config, workers)
    timing = Timing(config, preset, phase, data, updates, threads, device, json)
    launch(partial(time_training, timing), workers)


def time_training(timing: Timing, workers: Workers) -> None:
    """Time updates as one of the workers; the first one shows what came of it."""
    config = timing.config
    use_threads(timing.threads, workers.count)
    with workers.main_first():
        world = open_world(config, timing.data, ("train",))
    with TemporaryDirectory() as folder:
        trainer = build_trainer(world, Path(folder), workers.device(timing.device), (), workers=workers)
        while trainer.batches_to_gather():
            trainer.gather()
        for _ in range(WARM_UP):
            trainer.update()
        before, console = trainer.steps, Console(stderr=True, quiet=not workers.is_main)
        parts = [time_update(trainer) for _ in track(range(timing.updates), transient=True, console=console)]
    seconds = {name: median(part.get(name, 0.0) for part in parts) for name in parts[-1]}
    rows = {
        "preset": timing.preset,
        "phase": timing.phase,
        "precision": config.navigator.camera.precision,
        "workers": workers.count,
        "threads": torch.get_num_threads(),
        "batch_size": config.batch_size,
        "episodes_per_second": config.batch_size / seconds["update"],
        "steps_per_second": (trainer.steps - before) / sum(part["update"] for part in parts),
        "memory_GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "seconds": seconds,
    }
    if workers.is_main:
        show(_train_table(rows), rows, timing.json)


def time_update(trainer: Trainer) -> dict[str, float]:
    """Seconds of one update, by part; the rest of `update` is sampling, gathering and waiting."""
    seconds: dict[str, float] = defaultdict(float)
    parts = (
        (trainer.navigator, "begin", "read instructions"),
        (trainer.navigator, "see", "see images at once"),
        (trainer.navigator, "think", "remember"),
        (trainer.navigator, "heads", "decide"),
        (trainer.env, "reset", "environment"),
        (trainer.env, "step", "environment"),
        (torch.Tensor, "backward", "backward"),
        *((optimizer, "step", "optimiser") for optimizer in trainer.optimizer.optimizers.values()),
        *([(Workers, "average_gradients", "average and wait")] if trainer.workers.count > 1 else ()),
    )
    with ExitStack() as watches:
        for owner, method, part in parts:
            watches.enter_context(_watched(owner, method, part, seconds))
        started = now()
        trainer.update()
        seconds["update"] = now() - started
    return dict(seconds)


def now() -> float:
    """Seconds on a clock that is read once a GPU has done all that it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return perf_counter()


@contextmanager
def _watched(owner: Any, method: str, part: str, seconds: dict[str, float]) -> Iterator[None]:
    """Within the block, the time in a method is added to `seconds[part]`."""
    original = getattr(owner, method)

    def timed(*args: Any, **options: Any) -> Any:
        started = now()
        try:
            return original(*args, **options)
        finally:
            seconds[part] += now() - started

    with patch.object(owner, method, timed):
        yield


def _train_table(rows: Mapping[str, Any]) -> Table:
    rates = f"{rows['episodes_per_second']:.0f} episodes/s, {rows['steps_per_second']:.0f} steps/s"
    who = f"workers x threads {rows['workers']} x {rows['threads']}"
    title = f"{rows['preset']}, {rows['phase']}, {who}: {rates}, {rows['memory_GB']:.1f} GB at most"
    table = Table("part", title=title)
    for column in ("ms an update", "share"):
        table.add_column(column, justify="right")
    whole = rows["seconds"]["update"]
    for name, taken in rows["seconds"].items():
        table.add_row(name, f"{taken * 1e3:.1f}", f"{taken / whole:.0%}")
    return table


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
    commands({"metrics": metrics, "graph": graph, "train": train, "sim": sim})
