"""Training in one loop: collect experience, update, evaluate, save, phase after phase."""

import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from agents.config import TrainConfig
from agents.evaluation import versions
from agents.learners.learner import Learner
from agents.policies.policy import Policy
from agents.training.average import averaged, move_average, weights_of
from agents.training.checkpoint import (
    SAVE_EVERY,
    Checkpoint,
    Fingerprint,
    check_same_run,
    learner_parts,
    load_model,
    restore_learner,
    restore_random,
    save_checkpoint,
)
from agents.training.distributed import SINGLE, Workers
from agents.training.log import Log, Run, Scores
from agents.training.malloc_trim import malloc_trim
from agents.training.optimization import OptimizerStep
from vln.configuration import as_json
from vln.errors import InputError, WriteError
from vln.files import writable_folder
from vln.signals import SIGNALS, Stopped, deferred_signals

STOPPING = "stopping after this piece of work, with a checkpoint; Ctrl-C again stops at once without one"
LATEST, BEST = "latest.safetensors", "best.safetensors"
OWN = ("random", "learner")  # parts of a checkpoint in which workers differ; those of the main one have no prefix


class Resumable(Run):
    """A run that can be stopped or killed at any time and goes on where it stood."""

    log: Log
    folder: Path
    workers: Workers = SINGLE
    _saved = 0.0  # when the latest checkpoint was written

    @abstractmethod
    def save(self, name: str) -> None:
        """Write a checkpoint of the run as it stands."""

    @contextmanager
    def going(self) -> Iterator[Callable[[], None]]:
        """Within the block progress is shown; the yielded function is to be called after each piece of work.

        Checkpoints are written at the start, every few minutes, and where a signal of `vln.signals` came, which then
        ends the run.

        Raises:
            InputError: If something cannot be written; the latest checkpoint is as it was.
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
        """Write a checkpoint and tidy memory if it is time to; end the run if a signal came to one of the workers.

        Raises:
            Stopped: If it ends.
        """
        late = time.monotonic() - self._saved > SAVE_EVERY
        due, *everyones = self.workers.any(late, *(number in came for number in SIGNALS))
        if due or any(everyones):
            self.save(LATEST)
            malloc_trim()
            self._saved = time.monotonic()
        if any(everyones):
            self.log.say(f"stopped after iteration {self.iteration}; the same command with --resume goes on")
            raise Stopped(SIGNALS[everyones.index(True)])


class Trainer(Resumable):
    """A run of a policy: its phases, each with a learner, one after the other."""

    def __init__(
        self,
        config: TrainConfig,
        policy: Policy,
        optimizer: OptimizerStep,
        make_learner: Callable[[str, int], Learner],
        evaluate: Callable[[], Scores],
        log: Log,
        folder: Path,
        fingerprint: Fingerprint,
    ) -> None:
        """A run that starts at iteration 0.

        Args:
            config: What to do.
            policy: The policy, on the device to learn on.
            optimizer: Takes the steps.
            make_learner: Makes the learner of the phase with a name, before which so many updates were made.
            evaluate: Scores the policy as it is, by split and metric; only the main worker is asked.
            log: Where numbers go.
            folder: Where checkpoints go.
            fingerprint: Of the data.
        """
        self.workers = optimizer.workers
        self.config, self.policy, self.optimizer = config, policy, optimizer
        self.log, self.folder, self.fingerprint = log, folder, fingerprint
        self._make_learner, self._evaluate = make_learner, evaluate
        self.device = next(policy.parameters()).device
        self.average = weights_of(policy)
        self.iteration, self.steps, self.seconds, self.best = 0, 0, 0.0, -1.0
        self._learner: tuple[str, Learner] | None = None

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
        """Learn until the end of the last phase, with a checkpoint at the start, every few minutes and at evaluations.

        Raises:
            Stopped: By a signal, after a checkpoint has been written.
        """
        with self.going() as keep:
            while self.iteration < self.iterations:
                missing = self.learner.missing()
                if missing:
                    self.collect()
                    self.log.collected(self, missing - 1)
                else:
                    numbers = self.update()
                    self.log.update(self, numbers)
                    if self.iteration % self.config.evaluate_every == 0 or self.iteration == self.iterations:
                        self.evaluate()
                keep()

    def collect(self) -> None:
        """Let the learner collect experience."""
        with self._timed():
            self.steps += self.learner.collect()

    def update(self) -> dict[str, float]:
        """One update; returns numbers to log."""
        learner = self.learner
        with self._timed():
            self.optimizer.set_learning_rate(self.learning_rate())
            numbers = self.workers.mean({name: float(value) for name, value in learner.update().items()})
            move_average(self.average, self.policy, self.config.average, self.iteration)
        self.steps += round(numbers.pop("frames") * self.workers.count)
        self.iteration += 1
        return numbers

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Within the block the clock of the run goes on, and numbers that are not finite end the run.

        Raises:
            InputError: On such numbers; they have not reached the weights.
        """
        started = time.monotonic()
        fix = f"start another run --start-from {self.folder / LATEST} with a smaller learning rate"
        with finite(self.folder, self.iteration, fix):
            yield
        self.seconds += time.monotonic() - started

    def learning_rate(self) -> float:
        """The step size of the next update."""
        name, done = self.place
        phase = self.config.phases[name]
        return phase.learning_rate * (1 - (1 - phase.final_fraction) * (done / phase.iterations))

    def evaluate(self) -> Scores:
        """Score the averaged weights, log, and save a checkpoint; the best by SPL on `select` is kept apart."""
        with self.averaged():
            scores = self.workers.on_main(self._evaluate)
        self.log.scores(self, scores)
        spl = scores.get(self.config.select, {}).get("SPL", 0.0)
        better = spl > self.best or self.config.select == "latest"
        self.best = max(self.best, spl)
        if better:
            self.save(BEST)
        self.save(LATEST)  # last, since it is what a killed run goes on from
        if self._learner:
            self._learner[1].saved()
        return scores

    def averaged(self) -> AbstractContextManager[None]:
        """Within the block, the policy has the averaged weights."""
        return averaged(self.policy, self.average)

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

    def save(self, name: str) -> None:
        """Write a checkpoint of the run as it stands."""
        parts = learner_parts(self.policy, self.average, self.optimizer.optimizers)
        # A learner that has not started yet has nothing to keep.
        started = self._learner is not None and self._learner[0] == self.place[0]
        parts["learner"] = self.learner.state_dict() if started else {}
        everyones = self.workers.gather({name: parts[name] for name in OWN})
        parts.update((f"worker{rank}.{name}", each[name]) for rank, each in enumerate(everyones[1:], 1) for name in OWN)
        state = {
            "iteration": self.iteration,
            "steps": self.steps,
            "seconds": self.seconds,
            "best": self.best,
            "workers": self.workers.count,
            "waiting": self.log.waiting,
            "config": as_json(self.config),
            "fingerprint": as_json(self.fingerprint),
            "versions": versions(),
        }
        if self.workers.is_main:
            save_checkpoint(self.folder / name, parts, state)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on where a checkpoint of this run stood.

        Raises:
            InputError: If it was made with another configuration, other data or by more or fewer workers.
        """
        check_same_run(checkpoint, self.config, self.fingerprint)
        workers = checkpoint.state.get("workers", 1)
        if workers != self.workers.count:
            problem = f"the run has {workers} workers, not {self.workers.count}"
            raise InputError(checkpoint.source, problem, f"resume with --workers {workers}")
        self.average = restore_learner(checkpoint, self.policy, self.optimizer.optimizers)
        self.iteration, self.seconds = checkpoint.state["iteration"], checkpoint.state["seconds"]
        self.best, self.steps = checkpoint.state["best"], checkpoint.state.get("steps", 0)
        self.log.waiting = list(checkpoint.state.get("waiting", []))
        own = "" if self.workers.is_main else f"worker{self.workers.rank}."
        saved = checkpoint.part(f"{own}learner")
        if saved:
            self.learner.load_state_dict(saved)
        # Last, so that nothing draws from it before the next update.
        restore_random(checkpoint.part(f"{own}random"), self.device)

    def start_from(self, checkpoint: Checkpoint) -> None:
        """Take over the weights of another run."""
        load_model(self.policy, checkpoint.part("average"), checkpoint.source)
        self.average = weights_of(self.policy)


@contextmanager
def finite(folder: Path, iteration: int, fix: str) -> Iterator[None]:
    """Within the block, numbers that are not finite end the run.

    Raises:
        InputError: On such numbers.
    """
    try:
        yield
    except FloatingPointError as error:
        raise InputError(folder, f"{error} at iteration {iteration}", fix) from None
