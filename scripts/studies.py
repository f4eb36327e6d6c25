"""What studies of several trainings share: runs that are not trained twice, their scores, tables and curves."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from agents.config import TrainConfig
from agents.evaluation import score
from agents.training.checkpoint import Checkpoint, load_checkpoint
from agents.training.log import read_metrics
from agents.training.runs import train_once
from agents.training.trainer import LATEST
from scripts import train
from scripts.evaluate import lives, open_run
from vln.configuration import from_json
from vln.errors import InputError


def check_scale(scale: float, seeds: Sequence[int]) -> None:
    """See that something is to be trained.

    Raises:
        InputError: If the share of the updates is none, or there is no seed.
    """
    if not 0 < scale <= 1 or not seeds:
        raise InputError(
            "--scale" if seeds else "--seeds", "nothing would be trained", "give a share above 0, and seeds"
        )


def learn(
    run: Path,
    title: str,
    config: TrainConfig,
    data: Path | None,
    threads: int,
    start: Path | None = None,
    critic: Path | None = None,
) -> Path:
    """Train a run, or go on with it, unless it has ended.

    Args:
        run: Its folder.
        title: What it is called while it learns.
        config: What it learns.
        data: Data folder; the usual ones if absent.
        threads: CPU threads; 0 takes one for each core.
        start: Checkpoint whose weights to start from.
        critic: Run of a speaker.
    """
    arguments = train.Arguments(config, run, data, start_from=start, critic=critic, threads=threads)
    return train_once(run, title, lambda resume: train.main(replace(arguments, resume=resume)))


def config_of(checkpoint: Checkpoint) -> TrainConfig:
    """The configuration of the run that a checkpoint is of.

    Raises:
        InputError: If it is no navigator's.
    """
    if "speaker" in checkpoint.state["config"]:
        raise InputError(checkpoint.source, "is a speaker's", "give the run of a navigator")
    return from_json(TrainConfig, checkpoint.state["config"], checkpoint.source)


def slug(name: str) -> str:
    """A name as a folder."""
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower()).strip("-")


def shorter(config: TrainConfig, scale: float) -> TrainConfig:
    """A configuration with a share of its updates, and of the episodes of its growing data sets, rounded up."""

    def part(settings: Any, *names: str) -> Any:
        return replace(settings, **{name: math.ceil(getattr(settings, name) * scale) for name in names})

    phases = {
        name: part(phase, *({"iterations", "rounds", "episodes"} & vars(phase).keys()))
        for name, phase in config.phases.items()
    }
    return replace(part(config, "evaluate_every"), phases=phases)


def measured(run: Path, split: str, data: Path | None) -> dict[str, Any]:
    """What a run's last weights do in a split.

    Returns:
        Metrics of the episodes, (N,) each, the `episodes` themselves, and the `minutes` that the run took.
    """
    trained = open_run(run, split, data, "latest", False, "greedy", "cpu")
    columns = score(lives(trained, split, "nothing", 0, 0)[0], trained.data)
    return {**columns, "episodes": trained.data.splits[split], "minutes": minutes(run)}


def minutes(run: Path) -> float:
    """The minutes that a run has learnt for."""
    return load_checkpoint(run / LATEST).state["seconds"] / 60


def curves(runs: Mapping[str, Sequence[Path]], split: str = "val_unseen") -> Figure:
    """Success while learning, by updates; the runs of a name, which differ in their seeds, have one colour."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for number, (name, seeds) in enumerate(runs.items()):
        for place, run in enumerate(seeds):
            log = read_metrics(run / "metrics.jsonl")
            points = [(row["iteration"], 100 * row["SR"]) for row in log if row["group"] == split]
            label = None if place else name
            axes.plot(*zip(*points, strict=True), f"C{number % 10}", marker=".", label=label)
    axes.set(xlabel="updates", ylabel=f"{split} SR, %")
    axes.legend(fontsize="small")
    return figure
