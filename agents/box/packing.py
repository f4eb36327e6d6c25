"""Packing the agent of a run into a small file."""

from pathlib import Path
from typing import Any

import torch

from agents.training.checkpoint import open_checkpoint, save_checkpoint
from vln.configuration import as_json
from vln.files import read_json, read_text
from vln.records import this_commit, this_machine


def pack(run: Path, file: Path) -> None:
    """Pack the averaged weights of a run's best checkpoint, and what acting needs, into a small file."""
    found = open_checkpoint(run)
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
    state = {**kept, "vocabulary": read_text(run / "vocabulary.json"), "training": training}
    save_checkpoint(file, {"average": weights}, state)
