"""Training a policy in one loop: collect experience, update, evaluate, save, phase after phase."""

from collections.abc import Callable, Mapping

from torch import Tensor

from agents.config import TrainConfig
from agents.learners.learner import Learner
from agents.policies.policy import Policy
from agents.training.average import weights_of
from agents.training.base import BaseTrainer, RunRecord
from agents.training.checkpoint import LATEST, Checkpoint, load_model
from agents.training.log import Scores
from agents.training.optimization import OptimizerStep


class Trainer(BaseTrainer):
    """A run of a policy: its phases, each with a learner, one after the other."""

    config: TrainConfig

    def __init__(
        self,
        config: TrainConfig,
        policy: Policy,
        optimizer: OptimizerStep,
        make_learner: Callable[[str, int], Learner],
        evaluate: Callable[[], Scores],
        record: RunRecord,
    ) -> None:
        """Start at iteration 0; `make_learner` takes the name of a phase and the updates before it."""
        super().__init__(config, policy, optimizer, evaluate, record)
        self.policy, self._make_learner = policy, make_learner
        self._learner: tuple[str, Learner] | None = None
        self.fix = f"start another run --start-from {self.folder / LATEST} with a smaller learning rate"

    @property
    def iterations(self) -> int:
        """Updates of the whole run."""
        return sum(phase.iterations for phase in self.config.phases.values())

    @property
    def place(self) -> tuple[str, int]:
        """Name of the phase of the next update, and its updates so far; at the end, of the last phase that has any."""
        every = [(name, phase.iterations) for name, phase in self.config.phases.items()]
        phases, left = [each for each in every if each[1]] or every, self.iteration
        for name, iterations in phases[:-1]:
            if left < iterations:
                return name, left
            left -= iterations
        return phases[-1][0], left

    @property
    def learner(self) -> Learner:
        """The learner of the phase of the next update."""
        name, done = self.place
        if self._learner is None or self._learner[0] != name:
            self._learner = None  # frees the memory of the phase before
            self._learner = name, self._make_learner(name, self.iteration - done)
        self._learner[1].updates = done
        return self._learner[1]

    def train(self) -> None:
        """Learn until the end of the last phase, with checkpoints at the start, now and then and at evaluations."""
        with self.going() as keep:
            while self.iteration < self.iterations:
                missing = self.learner.missing()
                if missing:
                    self.collect()
                    self.log.collected(self, missing - 1)
                else:
                    self.log.update(self, self.update())
                    if self.iteration % self.config.evaluate_every == 0 or self.iteration == self.iterations:
                        self.evaluate()
                keep()

    def collect(self) -> None:
        """Let the learner collect experience."""
        with self.timed():
            self.steps += self.learner.collect()

    def update(self) -> dict[str, float]:
        """Let the learner make one update; returns numbers to log."""
        with self.updating():
            numbers = self.workers.mean({name: float(value) for name, value in self.learner.update().items()})
        self.steps += round(numbers.pop("frames") * self.workers.count)
        return numbers

    def learning_rate(self) -> float:
        """The step size of the next update."""
        name, done = self.place
        phase = self.config.phases[name]
        return phase.learning_rate * (1 - (1 - phase.final_fraction) * (done / phase.iterations))

    def quality(self, scores: Scores) -> float:
        """SPL on the split that selects; with `latest`, what has learnt longer is better."""
        if self.config.select == "latest":
            return self.iteration
        return scores.get(self.config.select, {}).get("SPL", 0.0)

    def evaluate(self) -> Scores:
        """Score the averaged weights, log, and save a checkpoint; the best by quality is kept apart."""
        scores = super().evaluate()
        if self._learner:
            self._learner[1].saved()
        return scores

    @property
    def stage(self) -> str:
        """The phase of the next update, in words."""
        return self.place[0].replace("_", " ")

    @property
    def stage_left(self) -> int:
        """Updates of that phase which are still to come."""
        name, done = self.place
        return self.config.phases[name].iterations - done

    def headline(self, row: Mapping[str, float]) -> str:
        """Sum up the scores of a split."""
        return f"SR {row['SR']:.1%} SPL {row['SPL']:.1%}"

    def parts(self) -> dict[str, Mapping[str, Tensor]]:
        """The tensors of a checkpoint, by part; a learner that has not started yet has nothing to keep."""
        started = self._learner is not None and self._learner[0] == self.place[0]
        return {**super().parts(), "learner": self.learner.state_dict() if started else {}}

    def resume_learner(self, saved: Mapping[str, Tensor]) -> None:
        """Take over what the learner of a phase had kept."""
        if saved:
            self.learner.load_state_dict(dict(saved))

    def start_from(self, checkpoint: Checkpoint) -> None:
        """Take over the weights of another run."""
        load_model(self.policy, checkpoint.part("average"), checkpoint.source)
        self.average = weights_of(self.policy)
