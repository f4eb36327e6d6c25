"""Trained agents that come with the package: `box:houses-demo` wherever the folder of a run is taken.

    python -m agents.box runs/demo/full agents/box/houses-demo.safetensors    # packs the agent of a run

A file holds averaged weights in half precision, configuration, vocabulary, and how the agent was trained.
"""

from pathlib import Path
from typing import Any

import torch

from agents.training.checkpoint import Checkpoint, load_checkpoint, open_checkpoint, save_checkpoint
from vln.configuration import as_json
from vln.errors import unknown_name
from vln.files import read_json, read_text
from vln.records import this_commit, this_machine

PREFIX = "box:"
FOLDER = Path(__file__).parent
VOCABULARY, TRAINING = "vocabulary", "training"  # what the state of a packed checkpoint has besides that of others
DEFAULT = "box:houses-demo"  # the agent that play sends where none is named


def is_boxed(run: Path | str) -> bool:
    """Return whether a name is that of an agent of the package."""
    return str(run).startswith(PREFIX)


def open_boxed(run: Path | str) -> Checkpoint:
    """Open an agent of the package by its name; raise an InputError if there is none of that name."""
    name = str(run).removeprefix(PREFIX)
    names = sorted(file.stem for file in FOLDER.glob("*.safetensors"))
    if name not in names:
        raise unknown_name("agent of the box", name, names)
    return load_checkpoint(FOLDER / f"{name}.safetensors")


def output_folder(run: Path | str) -> Path:
    """Where files of an agent of the package go."""
    return Path("runs") / str(run).replace(":", "-")


def pack(run: Path, file: Path) -> None:
    """Pack the averaged weights of a run's latest checkpoint, and what acting needs, into a small file."""
    found = open_checkpoint(run, "latest")
    weights = {name: tensor.to(torch.float16) for name, tensor in found.part("average").items()}
    kept = {key: found.state[key] for key in ("iteration", "seconds", "config", "fingerprint", "steps", "versions")}
    scores = {file.name.split(".")[0]: read_json(file) for file in sorted((run / "eval").glob("*.scores.json"))}
    training: dict[str, Any] = {
        "packed at commit": this_commit(),
        "machine": as_json(this_machine()),
        "minutes": found.state["seconds"] / 60,
        "seed": found.state["config"]["seed"],
        "scores": {split: rows[run.name] for split, rows in scores.items()},
    }
    state = {**kept, VOCABULARY: read_text(run / "vocabulary.json"), TRAINING: training}
    save_checkpoint(file, {"average": weights}, state)
