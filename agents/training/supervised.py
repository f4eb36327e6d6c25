"""Learning from examples in one loop: update, evaluate now and then, until what is held out gets no better."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from torch import Tensor, nn

from agents.config import LearningConfig
from agents.training.base import BaseTrainer, RunRecord
from agents.training.log import Scores
from agents.training.optimization import OptimizerStep


class SupervisedTrainer(BaseTrainer):
    """A run of a network that learns from examples; a subclass says from which."""

    config: LearningConfig
    stage: ClassVar[str]
    """What an update is a part of, in words."""

    def __init__(
        self, config: LearningConfig, network: nn.Module, evaluate: Callable[[], Scores], record: RunRecord
    ) -> None:
        optimizer = OptimizerStep(network, config.learning_rate, config.gradient_clip)
        super().__init__(config, network, optimizer, evaluate, record)

    @property
    def iterations(self) -> int:
        """Updates of the whole run, if it is not stopped earlier."""
        return self.config.iterations

    @property
    def stage_left(self) -> int:
        """Updates still to come; the run is one stage."""
        return self.iterations - self.iteration

    @property
    def done(self) -> bool:
        """Whether there is nothing more to do."""
        return self.iteration >= self.iterations or self.evaluations_without_improvement >= self.config.patience

    @property
    def due(self) -> bool:
        """Whether the time has come to evaluate."""
        return self.iteration % self.config.evaluate_every == 0 or self.iteration == self.iterations

    def train(self) -> None:
        """Learn until the quality has not risen for `patience` evaluations, or to the last update."""
        with self.going() as keep:
            while not self.done:
                self.log.update(self, self.update())
                if self.due:
                    self.evaluate()
                keep()

    def update(self) -> dict[str, float]:
        """Learn from the examples of this iteration; returns numbers to log."""
        numbers: dict[str, float] = {}
        with self.updating():
            numbers |= self.learn()
        return numbers

    @abstractmethod
    def learn(self) -> dict[str, float]:
        """Take a step along the mean loss of the examples of this iteration; returns numbers to log."""

    def learning_rate(self) -> float:
        """The step size of the next update."""
        share = 1 - (1 - self.config.final_fraction) * self.iteration / self.iterations
        return self.config.learning_rate * share

    def descend(self, loss: Tensor, examples: int) -> dict[str, float]:
        """Take a step along a mean loss of so many examples; returns numbers to log."""
        self.optimizer.backward(loss)
        self.steps += examples
        return {"loss": float(loss.detach()), "gradient_norm": float(self.optimizer.step())}
