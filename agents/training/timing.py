"""Time the updates of a trainer and their parts."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from time import perf_counter
from typing import Any
from unittest.mock import patch

import torch
from rich.progress import track

from agents.training.distributed import Workers
from agents.training.trainer import Trainer
from vln.console import Console

WARM_UP = 5  # updates


def time_updates(trainer: Trainer, updates: int) -> dict[str, Any]:
    """Collect the trainer's data set, warm up, and time updates; `seconds` are medians of their parts."""
    while trainer.learner.missing():
        trainer.collect()
    for _ in range(WARM_UP):
        trainer.update()
    before, console = trainer.steps, Console(stderr=True, quiet=not trainer.workers.is_main)
    parts = [time_update(trainer) for _ in track(range(updates), transient=True, console=console)]
    seconds = {name: median(part.get(name, 0.0) for part in parts) for name in parts[-1]}
    return {
        "episodes_per_second": trainer.config.batch_size / seconds["update"],
        "steps_per_second": (trainer.steps - before) / sum(part["update"] for part in parts),
        "seconds": seconds,
    }


def time_update(trainer: Trainer) -> dict[str, float]:
    """Return the seconds of one update and of its parts; the rest of `update` is sampling, collecting and waiting."""
    seconds: dict[str, float] = defaultdict(float)
    policy, env = trainer.policy, trainer.learner.setup.env
    parts = (
        (policy, "initial_state", "read instructions"),
        (policy, "encode", "encode images"),
        # A policy that computes several steps at once has parts of its own.
        *((policy, name, name) for name in ("step_features", "heads") if hasattr(policy, name)),
        (env, "reset", "environment"),
        (env, "step", "environment"),
        (torch.Tensor, "backward", "backward"),
        *((optimizer, "step", "optimiser") for optimizer in trainer.optimizer.optimizers.values()),
        *([(Workers, "average_gradients", "average and wait")] if trainer.workers.count > 1 else ()),
    )
    with ExitStack() as stack:
        for owner, method, part in parts:
            stack.enter_context(_timed(owner, method, part, seconds))
        started = now()
        trainer.update()
        seconds["update"] = now() - started
    return dict(seconds)


def now() -> float:
    """Return the seconds of a clock, read when the GPU has finished its queue."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return perf_counter()


@contextmanager
def _timed(owner: Any, method: str, part: str, seconds: dict[str, float]) -> Iterator[None]:
    """Within the block, add the time spent in a method to `seconds[part]`."""
    original = getattr(owner, method)

    def timed(*args: Any, **options: Any) -> Any:
        started = now()
        try:
            return original(*args, **options)
        finally:
            seconds[part] += now() - started

    with patch.object(owner, method, timed):
        yield
