"""What every training run shares: time, averaged weights, evaluation, checkpoints, signals."""

import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from agents.evaluation import versions
from agents.training.average import averaged, move_average, weights_of
from agents.training.checkpoint import (
    BEST,
    LATEST,
    SAVE_EVERY,
    Checkpoint,
    Fingerprint,
    check_same_run,
    learner_parts,
    restore_learner,
    restore_random,
    save_checkpoint,
)
from agents.training.log import Log, Run, Scores
from agents.training.malloc_trim import malloc_trim
from agents.training.optimization import OptimizerStep
from vln.configuration import as_json
from vln.errors import InputError, WriteError
from vln.files import writable_folder
from vln.signals import SIGNALS, Stopped, deferred_signals

STOPPING = "stopping after this piece of work, with a checkpoint; Ctrl-C again stops at once without one"
OWN = ("random", "learner")  # parts of a checkpoint in which workers differ; those of the main one have no prefix


@dataclass(frozen=True)
class RunRecord:
    """Where a run is recorded: its log, the folder of its checkpoints, and the fingerprint of its data."""

    log: Log
    folder: Path
    fingerprint: Fingerprint


class BaseTrainer(Run):
    """A run that can be stopped or killed at any time and goes on where it stood."""

    fix = "start another run with a smaller --learning-rate"
    """What to do about numbers that are not finite."""

    def __init__(
        self,
        config: Any,
        network: nn.Module,
        optimizer: OptimizerStep,
        evaluate: Callable[[], Scores],
        record: RunRecord,
    ) -> None:
        """Start at iteration 0. `config` is a frozen dataclass with `average`, the decay of the averaged weights.

        `evaluate` scores the network as it is, by split and metric; only the main worker calls it.
        """
        self.config, self.network, self.optimizer, self.workers = config, network, optimizer, optimizer.workers
        self.log, self.folder, self.fingerprint = record.log, record.folder, record.fingerprint
        self._evaluate = evaluate
        self.device = next(network.parameters()).device
        self.average = weights_of(network)
        self.iteration, self.steps, self.seconds = 0, 0, 0.0
        self.best: float | None = None
        self.evaluations_without_improvement = 0
        self._saved = 0.0  # when the latest checkpoint was written

    @abstractmethod
    def learning_rate(self) -> float:
        """The step size of the next update."""

    @abstractmethod
    def quality(self, scores: Scores) -> float:
        """The score that is to rise; the checkpoint with the highest is the best."""

    @contextmanager
    def going(self) -> Iterator[Callable[[], None]]:
        """Within the block progress is shown; the yielded function is to be called after each piece of work.

        Checkpoints are written at the start, every few minutes, and where a signal of `vln.signals` came, which then
        ends the run. Where something cannot be written, an InputError leaves the latest checkpoint as it was.
        """
        try:
            if self.workers.is_main:
                writable_folder(self.folder)
            self.log.rewind(self.iteration)
            with deferred_signals(STOPPING if self.workers.is_main else "") as came, self.log.progress(self):
                if not self.iteration:
                    self.save(LATEST)
                self._saved = time.monotonic()
                yield lambda: self._keep(came())
        except WriteError as error:
            source, problem, fix = error.args
            then = "go on with --resume" if self.iteration or self._saved else "start again"
            raise InputError(source, problem, f"{fix}, and {then}") from None

    def _keep(self, came: Collection[int]) -> None:
        """Write a checkpoint and tidy memory if it is time to; end the run if a signal came to one of the workers."""
        late = time.monotonic() - self._saved > SAVE_EVERY
        due, *everyones = self.workers.any(late, *(number in came for number in SIGNALS))
        if due or any(everyones):
            self.save(LATEST)
            malloc_trim()
            self._saved = time.monotonic()
        if any(everyones):
            self.log.say(f"stopped after iteration {self.iteration}; the same command with --resume goes on")
            raise Stopped(SIGNALS[everyones.index(True)])

    @contextmanager
    def updating(self) -> Iterator[None]:
        """Within the block an update is made with the step size that is due; the averaged weights then follow."""
        with self.timed():
            self.optimizer.set_learning_rate(self.learning_rate())
            yield
            move_average(self.average, self.network, self.config.average, self.iteration)
        self.iteration += 1

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Within the block the run's clock goes on; an InputError if numbers are not finite, which reach no weights."""
        started = time.monotonic()
        try:
            yield
        except FloatingPointError as error:
            raise InputError(self.folder, f"{error} at iteration {self.iteration}", self.fix) from None
        self.seconds += time.monotonic() - started

    def evaluate(self) -> Scores:
        """Score the averaged weights, log, and save a checkpoint; the best by quality is kept apart."""
        with self.averaged():
            scores = self.workers.on_main(self._evaluate)
        self.log.scores(self, scores)
        quality = self.quality(scores)
        if self.best is None or quality > self.best:
            self.best, self.evaluations_without_improvement = quality, 0
            self.save(BEST)
        else:
            self.evaluations_without_improvement += 1
        self.save(LATEST)  # last, since it is what a killed run goes on from
        return scores

    def averaged(self) -> AbstractContextManager[None]:
        """Within the block, the network has the averaged weights."""
        return averaged(self.network, self.average)

    def parts(self) -> dict[str, Mapping[str, Tensor]]:
        """The tensors of a checkpoint, by part."""
        return learner_parts(self.network, self.average, self.optimizer.optimizers)

    def save(self, name: str) -> None:
        """Write a checkpoint of the run as it stands."""
        parts = self.parts()
        everyones = self.workers.gather({name: parts[name] for name in OWN if name in parts})
        for rank, each in enumerate(everyones[1:], 1):
            parts.update({f"worker{rank}.{name}": tensors for name, tensors in each.items()})
        state = {
            "iteration": self.iteration,
            "steps": self.steps,
            "seconds": self.seconds,
            "best": self.best,
            "evaluations_without_improvement": self.evaluations_without_improvement,
            "workers": self.workers.count,
            "waiting": self.log.waiting,
            "config": as_json(self.config),
            "fingerprint": as_json(self.fingerprint),
            "versions": versions(),
        }
        if self.workers.is_main:
            save_checkpoint(self.folder / name, parts, state)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on where a checkpoint of this run stood."""
        check_same_run(checkpoint, self.config, self.fingerprint)
        state = checkpoint.state
        workers = state.get("workers", 1)
        if workers != self.workers.count:
            problem = f"the run has {workers} workers, not {self.workers.count}"
            raise InputError(checkpoint.source, problem, f"resume with --workers {workers}")
        self.average = restore_learner(checkpoint, self.network, self.optimizer.optimizers)
        self.iteration, self.steps, self.seconds = state["iteration"], state.get("steps", 0), state["seconds"]
        self.best = state["best"]
        self.evaluations_without_improvement = state.get("evaluations_without_improvement", 0)
        self.log.waiting = list(state.get("waiting", []))
        own = "" if self.workers.is_main else f"worker{self.workers.rank}."
        self.resume_learner(checkpoint.part(f"{own}learner"))
        # Last, so that nothing draws from it before the next update.
        restore_random(checkpoint.part(f"{own}random"), self.device)

    def resume_learner(self, saved: Mapping[str, Tensor]) -> None:
        """Take over the part "learner" of a checkpoint, which may be empty."""
