"""What studies of several training runs share: shortened configurations, folder names, minutes, learning curves."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from agents.config import TrainConfig
from agents.training.checkpoint import LATEST, Checkpoint, load_checkpoint
from agents.training.sinks import read_metrics
from vln.configuration import from_json
from vln.errors import InputError


def check_scale(scale: float, seeds: Sequence[int]) -> None:
    """Raise an InputError if no share of the updates is to be trained, or there is no seed."""
    if not 0 < scale <= 1 or not seeds:
        raise InputError(
            "--scale" if seeds else "--seeds", "nothing would be trained", "give a share above 0, and seeds"
        )


def config_of(checkpoint: Checkpoint) -> TrainConfig:
    """Return the configuration of a navigator's checkpoint; raise an InputError if it is a speaker's."""
    if "speaker" in checkpoint.state["config"]:
        raise InputError(checkpoint.source, "is a speaker's", "give the run of a navigator")
    return from_json(TrainConfig, checkpoint.state["config"], checkpoint.source)


def slug(name: str) -> str:
    """Return a name as a folder has it."""
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower()).strip("-")


def shorter(config: TrainConfig, scale: float) -> TrainConfig:
    """Return a configuration with a share of its updates, and of the episodes of its growing data sets, rounded up."""

    def part(settings: Any, *names: str) -> Any:
        return replace(settings, **{name: math.ceil(getattr(settings, name) * scale) for name in names})

    phases = {
        name: part(phase, *({"iterations", "rounds", "episodes"} & vars(phase).keys()))
        for name, phase in config.phases.items()
    }
    return replace(part(config, "evaluate_every"), phases=phases)


def minutes(run: Path) -> float:
    """Return the minutes that a run has trained."""
    return load_checkpoint(run / LATEST).state["seconds"] / 60


def learning_curves(runs: Mapping[str, Sequence[Path]], split: str = "val_unseen") -> Figure:
    """Draw success by updates; runs of one name, which differ in their seeds, have one colour."""
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
