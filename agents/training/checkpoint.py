"""Checkpoints: one safetensors file with the tensors, and JSON with everything else in its header.

A file holds the model, its running average, the optimiser, the state of the random generators, the iteration, the
configuration and versions: all that a run needs to go on as if it had never stopped. Nothing in it is executable.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
from msgspec import Meta, Struct, field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from agents.box import boxed_file, is_boxed
from vln.configuration import as_json, first_difference, from_json
from vln.errors import InputError
from vln.files import read_json, reading, replacing
from vln.registry import import_module
from vln.schema import Count, convert_value

FORMAT = "vln-checkpoint-2"
OLDER_FORMATS = {"vln-checkpoint-1": "commit 7960839 or before"}
LATEST, BEST = "latest.safetensors", "best.safetensors"
RECORD, ARGUMENTS = "config.json", "arguments"  # what a run was started with: a file in its folder, and a field of it
SAVE_EVERY = 600.0  # seconds after which a run writes a checkpoint, whether or not it is time to evaluate


@dataclass(frozen=True)
class Checkpoint:
    """The content of a file: tensors `model.*`, `average.*`, `optimizer.*`, `random.*`, and JSON with all else."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]
    source: Path

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors under `name.`, without the prefix."""
        start = len(name) + 1
        return {key[start:]: value for key, value in self.tensors.items() if key.startswith(f"{name}.")}


@dataclass(frozen=True)
class Fingerprint:
    """What data a run was trained on, so that a resumed run or an evaluation notices other data."""

    vocabulary: str
    features: str


def save_checkpoint(path: Path, parts: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
    """Write a checkpoint whole, or raise a WriteError; `parts` are named groups of tensors."""
    tensors = {
        f"{part}.{name}": value.detach().cpu().contiguous()
        for part, group in parts.items()
        for name, value in group.items()
    }
    with replacing(path, create=False, durable=True) as temporary, safetensors_os_errors():
        save_file(tensors, temporary, {"format": FORMAT, "state": json.dumps(state)})


@contextmanager
def safetensors_os_errors() -> Iterator[None]:
    """Within the block, files that safetensors cannot write are the OSErrors that they come from."""
    try:
        yield
    except SafetensorError as error:
        found = re.search(r"os error (\d+)", str(error))
        if not found:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1]))) from None


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; an InputError if the file is missing, truncated, or no checkpoint."""
    if not Path(path).is_file():
        raise InputError(path, "there is no checkpoint", "train first, or correct the path")
    fix = "use another checkpoint of the run"
    with reading(path, Exception, fix=fix), safe_open(str(path), framework="pt") as file:
        header = file.metadata() or {}
        if header.get("format") in OLDER_FORMATS:
            fix = f"read it with the version of vln that wrote it, {OLDER_FORMATS[header['format']]}"
            raise InputError(path, f"is of the older format '{header['format']}'", fix)
        if header.get("format") != FORMAT:
            raise InputError(path, f"field 'format' is not '{FORMAT}'", "use a checkpoint written by scripts/train.py")
        state = json.loads(header["state"])  # of ours, in which a loss may be NaN
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    convert_value(state, _State, path, fix, "its state")
    return Checkpoint(tensors, state, Path(path))


class _State(Struct):
    """What the state of a checkpoint may hold; those of different runs have different parts of it."""

    iteration: Count
    seconds: Annotated[float, Meta(ge=0, le=1e12)]
    config: dict[str, Any]
    fingerprint: dict[str, str]
    steps: Count = 0
    evaluations_without_improvement: Count = 0
    workers: Annotated[int, Meta(ge=1, le=1 << 16)] = 1
    best: float | None = None
    waiting: list[dict[str, float]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    vocabulary: str = ""  # this and `training` are of agents that come with the package, see `agents.box`
    training: dict[str, Any] = field(default_factory=dict)


def run_checkpoint(run: Path, name: str = "best") -> Path:
    """Return the file of a run's checkpoint; a run stopped before its first evaluation has no best, so its latest.

    `box:NAME` is an agent that comes with the package, which has one checkpoint.
    """
    if is_boxed(run):
        return boxed_file(run)
    file, latest = run / f"{name}.safetensors", run / LATEST
    return latest if file.name == BEST and latest.is_file() and not file.is_file() else file


def open_checkpoint(run: Path, name: str = "best") -> Checkpoint:
    """Load a checkpoint of a run after the modules that register what its configuration names."""
    if (run / RECORD).is_file():
        import_recorded(read_json(run / RECORD), run / RECORD)
    found = load_checkpoint(run_checkpoint(run, name))
    # Agents that come with the package are packed in half precision.
    tensors = {key: each.float() if each.dtype == torch.float16 else each for key, each in found.tensors.items()}
    return replace(found, tensors=tensors)


def import_recorded(record: Any, source: Path) -> None:
    """Import the modules that a run was started with (`--import`), as its record has them."""
    arguments = record.get(ARGUMENTS) if isinstance(record, dict) else None
    for module in arguments.get("imports", ()) if isinstance(arguments, dict) else ():
        import_module(str(module), source)


def load_model(model: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Load weights; an InputError if they belong to another architecture, naming the first tensor that differs."""
    check_weights(model, tensors, source)
    model.load_state_dict(dict(tensors))


def check_weights(model: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Raise an InputError, naming the first that differs, unless weights have names and shapes of a model's."""
    own = model.state_dict()
    for name in sorted(own.keys() | tensors.keys()):
        shapes = [tuple(group[name].shape) if name in group else "none" for group in (tensors, own)]
        if shapes[0] != shapes[1]:
            problem = f"tensor '{name}' has shape {shapes[0]}, but the agent's has {shapes[1]}: another architecture"
            raise InputError(
                source, problem, "use the configuration, vocabulary and features the checkpoint was trained with"
            )


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state, flat."""
    states = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": torch.as_tensor(value) for index, state in states.items() for name, value in state.items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore what `optimizer_tensors` gave."""
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        states.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})


def check_fingerprint(checkpoint: Checkpoint, fingerprint: Fingerprint) -> None:
    """Raise an InputError if a checkpoint saw another vocabulary or other features."""
    difference = first_difference(checkpoint.state["fingerprint"], as_json(fingerprint))
    if difference:
        raise InputError(checkpoint.source, f"hash {difference}", "use the data the checkpoint was trained on")


def check_same_run(checkpoint: Checkpoint, config: Any, fingerprint: Fingerprint) -> None:
    """Raise an InputError if a checkpoint was made with another configuration or other data."""
    saved = from_json(type(config), checkpoint.state["config"], checkpoint.source)
    difference = first_difference(as_json(saved), as_json(config))
    if difference:
        raise InputError(checkpoint.source, f"configuration {difference}", "resume with the flags the run started with")
    check_fingerprint(checkpoint, fingerprint)


def random_states(device: torch.device) -> dict[str, Tensor]:
    """The states of torch's random generators."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_random(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Restore what `random_states` gave."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)


@contextmanager
def with_random_states(states: Mapping[str, Tensor], device: torch.device) -> Iterator[None]:
    """Within the block chance is as it was when `random_states` gave `states`; after it, as before the block."""
    now = random_states(device)
    restore_random(states, device)
    try:
        yield
    finally:
        restore_random(now, device)


def learner_parts(
    network: nn.Module, average: Mapping[str, Tensor], optimizers: Mapping[str, torch.optim.Optimizer]
) -> dict[str, Mapping[str, Tensor]]:
    """The parts of a checkpoint that tell what a network has learnt, how it goes on learning, and by what chance."""
    states = {name: optimizer_tensors(each) for name, each in optimizers.items()}
    chance = random_states(next(network.parameters()).device)
    return {"model": network.state_dict(), "average": average, **states, "random": chance}


def restore_learner(
    checkpoint: Checkpoint, network: nn.Module, optimizers: Mapping[str, torch.optim.Optimizer]
) -> dict[str, Tensor]:
    """Restore what `learner_parts` gave but for the chance; returns the average."""
    load_model(network, checkpoint.part("model"), checkpoint.source)
    for name, optimizer in optimizers.items():
        load_optimizer(optimizer, checkpoint.part(name))
    average = checkpoint.part("average")
    check_weights(network, average, checkpoint.source)
    # In the order of the weights, which is how they are paired; the file has its own.
    return {name: average[name].to(value.device) for name, value in network.state_dict().items()}
