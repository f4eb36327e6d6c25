"""Learning: imitation, then reinforcement, in one loop. Gather experience, update, evaluate, save."""

import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from gymnasium.vector import VectorEnv

from agents.config import PhaseConfig, TrainConfig
from agents.evaluation import versions
from agents.learners.dagger import Dagger, Rounds
from agents.learners.episode_learning import learn_episodes, learn_recording
from agents.learners.label_pretraining import Naming
from agents.learners.objective import Numbers
from agents.learners.ppo import Ppo, Stream
from agents.learners.sampler import EpisodeSampler
from agents.learners.self_imitation import Exploration
from agents.policies.navigator import Navigator
from agents.speaking.critic import MatchingCritic
from agents.training.average import averaged, move_average, weights_of
from agents.training.checkpoint import (
    SAVE_EVERY,
    Checkpoint,
    Fingerprint,
    as_json,
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
from vln.errors import InputError, WriteError
from vln.files import writable_folder
from vln.signals import SIGNALS, Stopped, deferred_signals

STAGES = ("perception", "imitation", "reinforcement", "exploration")
STOPPING = "stopping after this piece of work, with a checkpoint; Ctrl-C again stops at once without one"
LATEST, BEST = "latest.safetensors", "best.safetensors"
OWN = ("random", "stream")  # parts of a checkpoint in which workers differ; those of the first have no prefix


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
    """A run of a navigator: its weights, its optimiser and where they stand."""

    def __init__(
        self,
        config: TrainConfig,
        navigator: Navigator,
        env: VectorEnv,
        sampler: EpisodeSampler,
        evaluate: Callable[[], Scores],
        log: Log,
        folder: Path,
        fingerprint: Fingerprint,
        critic: MatchingCritic | None = None,
        exploration: Exploration | None = None,
        workers: Workers = SINGLE,
    ) -> None:
        """A run that starts at iteration 0.

        Args:
            config: What to do.
            navigator: The agent, on the device to learn on.
            env: Training episodes, autoreset DISABLED, as many at a time as this worker has rows of a batch.
            sampler: Says which episodes each update learns from.
            evaluate: Scores the navigator as it is, by split and metric; the first worker is asked alone.
            log: Where numbers go.
            folder: Where checkpoints go.
            fingerprint: Of the data.
            critic: For phases with an intrinsic reward.
            exploration: For the phase of that name, unless it has no updates.
            workers: The workers, all of which have such a trainer.
        """
        self.workers = workers
        self.config, self.navigator, self.env, self.sampler = config, navigator, env, sampler
        self.log, self.folder, self.fingerprint = log, folder, fingerprint
        self._evaluate = evaluate
        self.device = next(navigator.parameters()).device
        self.average = weights_of(navigator)
        self.iteration, self.steps, self.seconds, self.best = 0, 0, 0.0, -1.0
        muon = config.optimizer == "muon"
        self.optimizer = OptimizerStep(navigator, config.imitation.learning_rate, config.gradient_clip, muon, workers)
        self.naming = Naming(config, navigator, env, sampler, workers)
        self.critic, self.exploration = critic, exploration
        self.dagger = Dagger(config, navigator, env, sampler, folder / "dagger", workers)
        self.stream = Stream(navigator, env, sampler, config.ppo.frozen_eyes)
        self.ppo = Ppo(config.ppo, navigator, self.stream, self.optimizer)

    @property
    def iterations(self) -> int:
        """Updates of the whole run."""
        return sum(phase.iterations for phase in self.phases)

    @property
    def phases(self) -> tuple[PhaseConfig, ...]:
        """The phases, in order."""
        config = self.config
        return config.perception, config.imitation, config.reinforcement, config.exploration

    @property
    def place(self) -> tuple[int, int]:
        """Number of the phase of the next update, and of that update in it; at the end, of the last that has any."""
        number, left = 0, self.iteration
        while left >= self.phases[number].iterations and any(phase.iterations for phase in self.phases[number + 1 :]):
            left -= self.phases[number].iterations
            number += 1
        return number, left

    def train(self) -> None:
        """Learn until the end of the last phase, with a checkpoint at the start, every few minutes and at evaluations.

        Raises:
            Stopped: By a signal, after a checkpoint has been written.
        """
        with self.going() as keep:
            while self.iteration < self.iterations:
                left = self.batches_to_gather()
                if left:
                    self.gather()
                    self.log.gathered(self, left - 1)
                else:
                    numbers = self.update()
                    self.log.update(self, numbers)
                    if self.iteration % self.config.evaluate_every == 0 or self.iteration == self.iterations:
                        self.evaluate()
                keep()

    def batches_to_gather(self) -> int:
        """Batches of experience that a data set lacks for the next update."""
        data = self._data()
        return data.lacks(self.place[1]) if data else 0

    def _data(self) -> Rounds | None:
        """The data set that the next update learns from, if from one that grows."""
        return {"dagger": self.dagger, "sil": self.exploration}.get(self.phase().method)

    def gather(self) -> None:
        """Add a batch of experience to the data set."""
        data = self._data()
        assert data is not None
        with self._at_work():
            self.steps += data.gather()

    def update(self) -> dict[str, float]:
        """One update; returns numbers to log."""
        with self._at_work():
            self.optimizer.set_learning_rate(self.learning_rate())
            numbers = self.workers.mean({name: float(value) for name, value in self._learn(self.phase()).items()})
            move_average(self.average, self.navigator, self.config.average, self.iteration)
        self.steps += round(numbers.pop("frames") * self.workers.count)
        self.iteration += 1
        return numbers

    def _learn(self, phase: PhaseConfig) -> Numbers:
        """Gather what the method of a phase wants for an update, and take its steps."""
        data, done = self._data(), self.place[1]
        if phase.method == "naming":
            return self.naming.update(done, phase, self.optimizer)
        self.naming.forget()
        if phase.method == "ppo":
            return self.ppo.update(phase.loss)
        if data and not (phase.method == "sil" and rehearses(done, self.config.sil.rehearsal)):
            return learn_recording(self.navigator, data.recall(done), phase, self.optimizer)
        episodes = self.sampler.batch(self.iteration)
        phase = rehearsal(self.config.imitation) if phase.method == "sil" else phase
        return learn_episodes(self.navigator, self.env, episodes, phase, self.optimizer, self.critic)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Within the block the clock of the run goes on, and numbers that are not finite end the run.

        Raises:
            InputError: On such numbers; they have not reached the weights.
        """
        started = time.monotonic()
        fix = f"start another run --start-from {self.folder / LATEST} with a smaller learning rate"
        with finite(self.folder, self.iteration, fix):
            yield
        self.seconds += time.monotonic() - started

    def phase(self) -> PhaseConfig:
        """The phase of the next update."""
        return self.phases[self.place[0]]

    def learning_rate(self) -> float:
        """The step size of the next update."""
        phase = self.phase()
        done = self.place[1] / phase.iterations
        return phase.learning_rate * (1 - (1 - phase.final_share) * done)

    def evaluate(self) -> Scores:
        """Score the averaged weights, log, and save a checkpoint; the best by SPL on `select` is kept apart.

        Whoever explores a split must not choose by its goals: there the latest is the best.
        """
        with self.averaged():
            scores = self.workers.on_main(self._evaluate)
        self.log.scores(self, scores)
        spl = scores.get(self.config.select, {}).get("SPL", 0.0)
        better = spl > self.best or self.exploration is not None
        self.best = max(self.best, spl)
        if better:
            self.save(BEST)
        self.save(LATEST)  # last, since it is what a killed run goes on from
        if self.exploration:
            self.exploration.data.forget()
        return scores

    def averaged(self) -> AbstractContextManager[None]:
        """Within the block, the navigator has the averaged weights."""
        return averaged(self.navigator, self.average)

    @property
    def stage(self) -> str:
        """What the next update is a part of, in a word."""
        return STAGES[self.place[0]]

    @property
    def stage_left(self) -> int:
        """Updates of that phase which are still to come."""
        number, done = self.place
        return self.phases[number].iterations - done

    def headline(self, row: Mapping[str, float]) -> str:
        """What matters of the scores of a split, in words."""
        return f"SR {row['SR']:.1%} SPL {row['SPL']:.1%}"

    def save(self, name: str) -> None:
        """Write a checkpoint of the run as it stands."""
        parts = learner_parts(self.navigator, self.average, self.optimizer.optimizers)
        parts["stream"] = self.stream.tensors()
        everyones = self.workers.gather({name: parts[name] for name in OWN})
        parts.update((f"worker{rank}.{name}", each[name]) for rank, each in enumerate(everyones[1:], 1) for name in OWN)
        state = {
            "iteration": self.iteration,
            "steps": self.steps,
            "gathered": self.dagger.data.added,
            "explored": self.exploration.data.added if self.exploration else 0,
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
        self.average = restore_learner(checkpoint, self.navigator, self.optimizer.optimizers)
        self.iteration, self.seconds = checkpoint.state["iteration"], checkpoint.state["seconds"]
        self.best, self.steps = checkpoint.state["best"], checkpoint.state.get("steps", 0)
        self.log.waiting = list(checkpoint.state.get("waiting", []))
        self.dagger.data.restore(checkpoint.state.get("gathered", 0))
        if self.exploration:
            self.exploration.data.restore(checkpoint.state.get("explored", 0))
        own = "" if self.workers.is_main else f"worker{self.workers.rank}."
        self.stream.load(checkpoint.part(f"{own}stream"))
        # Last, so that nothing draws from it before the next update.
        restore_random(checkpoint.part(f"{own}random"), self.device)

    def start_from(self, checkpoint: Checkpoint) -> None:
        """Take over the weights of another run."""
        load_model(self.navigator, checkpoint.part("average"), checkpoint.source)
        self.average = weights_of(self.navigator)


def rehearsal(imitation: PhaseConfig) -> PhaseConfig:
    """Imitation episode by episode: in place of a data set lived before, the agent lives what it learns from."""
    return replace(imitation, teacher_share=0.0) if imitation.method == "dagger" else imitation


def rehearses(done: int, share: float) -> bool:
    """Whether the update after `done` others is one of the `share` that is given to something else, evenly spread."""
    return int((done + 1) * share) > int(done * share)


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
