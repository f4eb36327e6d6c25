"""Learning from examples, in one loop: update, evaluate now and then, save, until what is held out gets no better."""

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from agents.config import LearningConfig
from agents.evaluation import versions
from agents.training.average import averaged, move_average, weights_of
from agents.training.checkpoint import (
    Checkpoint,
    Fingerprint,
    check_same_run,
    learner_parts,
    restore_learner,
    restore_random,
    save_checkpoint,
)
from agents.training.log import Log, Scores
from agents.training.optimization import OptimizerStep
from agents.training.trainer import BEST, LATEST, Resumable, finite
from vln.configuration import as_json


class SupervisedTrainer(Resumable):
    """A run: a network, its optimiser and where they stand; what it learns from is up to those that inherit it."""

    stage: ClassVar[str]
    """What an update is a part of, in words."""

    def __init__(
        self,
        config: LearningConfig,
        network: nn.Module,
        evaluate: Callable[[], Scores],
        log: Log,
        folder: Path,
        fingerprint: Fingerprint,
    ) -> None:
        """A run that starts at iteration 0.

        Args:
            config: What to do.
            network: On the device to learn on.
            evaluate: Scores the network as it is, by split and metric.
            log: Where numbers go.
            folder: Where checkpoints go.
            fingerprint: Of the data.
        """
        self.learning, self.network = config, network
        self.log, self.folder, self.fingerprint = log, folder, fingerprint
        self._evaluate = evaluate
        self.device = next(network.parameters()).device
        self.average = weights_of(network)
        self.iteration, self.steps, self.seconds = 0, 0, 0.0
        self.best: float | None = None
        self.in_vain = 0  # evaluations since the best
        self.optimizer = OptimizerStep(network, config.learning_rate, config.gradient_clip)

    @abstractmethod
    def headline(self, row: Mapping[str, float]) -> str:
        """What matters of the scores of a split, in words."""

    @abstractmethod
    def quality(self, scores: Scores) -> float:
        """The number that is to rise."""

    @abstractmethod
    def learn(self) -> dict[str, float]:
        """Take a step along the mean loss of the examples of this iteration; returns numbers to log."""

    @property
    def iterations(self) -> int:
        """Updates of the whole run, if it is not stopped earlier."""
        return self.learning.iterations

    @property
    def stage_left(self) -> int:
        """Updates still to come; the run is one stage."""
        return self.iterations - self.iteration

    @property
    def done(self) -> bool:
        """Whether there is nothing more to do."""
        return self.iteration >= self.iterations or self.in_vain >= self.learning.patience

    @property
    def due(self) -> bool:
        """Whether the time has come to evaluate."""
        return self.iteration % self.learning.evaluate_every == 0 or self.iteration == self.iterations

    def train(self) -> None:
        """Learn until the quality has not risen for `patience` evaluations, or to the last update.

        Raises:
            Stopped: By a signal, after a checkpoint has been written.
        """
        with self.going() as keep:
            while not self.done:
                self.log.update(self, self.update())
                if self.due:
                    self.evaluate()
                keep()

    def update(self) -> dict[str, float]:
        """One update; returns numbers to log."""
        started = time.monotonic()
        share = 1 - (1 - self.learning.final_fraction) * self.iteration / self.iterations
        self.optimizer.set_learning_rate(self.learning.learning_rate * share)
        with finite(self.folder, self.iteration, "start another run with a smaller --learning-rate"):
            numbers = self.learn()
        move_average(self.average, self.network, self.learning.average, self.iteration)
        self.seconds += time.monotonic() - started
        self.iteration += 1
        return numbers

    def descend(self, loss: Tensor, examples: int) -> dict[str, float]:
        """Take a step along a mean loss of so many examples; returns numbers to log."""
        self.optimizer.backward(loss)
        self.steps += examples
        return {"loss": float(loss.detach()), "gradient_norm": float(self.optimizer.step())}

    def evaluate(self) -> Scores:
        """Score the averaged weights, log, and save a checkpoint; the best by quality is kept apart."""
        with self.averaged():
            scores = self._evaluate()
        self.log.scores(self, scores)
        quality = self.quality(scores)
        better = self.best is None or quality > self.best
        self.best, self.in_vain = (quality, 0) if better else (self.best, self.in_vain + 1)
        if better:
            self.save(BEST)
        self.save(LATEST)  # last, since it is what a killed run goes on from
        return scores

    def averaged(self) -> AbstractContextManager[None]:
        """Within the block, the network has the averaged weights."""
        return averaged(self.network, self.average)

    def parts(self) -> dict[str, Mapping[str, Tensor]]:
        """The tensors of a checkpoint."""
        return learner_parts(self.network, self.average, self.optimizer.optimizers)

    def state(self) -> dict[str, Any]:
        """All else that a checkpoint holds."""
        return {
            "iteration": self.iteration,
            "steps": self.steps,
            "seconds": self.seconds,
            "best": self.best,
            "in_vain": self.in_vain,
            "waiting": self.log.waiting,
            "config": as_json(self.learning),
            "fingerprint": as_json(self.fingerprint),
            "versions": versions(),
        }

    def save(self, name: str) -> None:
        """Write a checkpoint of the run as it stands."""
        save_checkpoint(self.folder / name, self.parts(), self.state())

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on where a checkpoint of this run stood.

        Raises:
            InputError: If it was made with another configuration or other data.
        """
        check_same_run(checkpoint, self.learning, self.fingerprint)
        self.average = restore_learner(checkpoint, self.network, self.optimizer.optimizers)
        state = checkpoint.state
        self.iteration, self.steps, self.seconds = state["iteration"], state["steps"], state["seconds"]
        self.best, self.in_vain = state["best"], state["in_vain"]
        self.log.waiting = list(state["waiting"])
        # Last, so that nothing draws from it before the next update.
        restore_random(checkpoint.part("random"), self.device)
