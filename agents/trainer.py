"""Learning: imitation, then reinforcement, in one loop. Collect episodes, update, evaluate, save."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn

from agents import losses
from agents.checkpoint import (
    Checkpoint,
    Fingerprint,
    as_json,
    check_fingerprint,
    first_difference,
    load_model,
    load_optimizer,
    optimizer_tensors,
    save_checkpoint,
)
from agents.config import LossConfig, PhaseConfig, TrainConfig
from agents.experience import Experience, collect
from agents.log import Log
from agents.navigator import Navigator
from agents.rollout import versions
from agents.sampler import EpisodeSampler
from vln.errors import InputError

LATEST, BEST = "latest.safetensors", "best.safetensors"
Scores = dict[str, dict[str, float]]


class Trainer:
    """A run: the navigator, its optimiser and where they stand."""

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
    ) -> None:
        """A run that starts at iteration 0.

        Args:
            config: What to do.
            navigator: The agent, on the device to learn on.
            env: Training episodes, autoreset DISABLED, `config.batch_size` at a time.
            sampler: Says which episodes each update learns from.
            evaluate: Scores the navigator as it is, by split and metric.
            log: Where numbers go.
            folder: Where checkpoints go.
            fingerprint: Of the data.
        """
        self.config, self.navigator, self.env, self.sampler = config, navigator, env, sampler
        self.log, self.folder, self.fingerprint = log, folder, fingerprint
        self._evaluate = evaluate
        self.device = next(navigator.parameters()).device
        self.average = {name: value.detach().clone() for name, value in navigator.state_dict().items()}
        self.iteration, self.seconds, self.best = 0, 0.0, -1.0
        self.optimizer = torch.optim.Adam(navigator.parameters(), config.imitation.learning_rate, fused=True)

    @property
    def iterations(self) -> int:
        """Updates of the whole run."""
        return self.config.imitation.iterations + self.config.reinforcement.iterations

    def train(self) -> None:
        """Learn until the end of the last phase.

        Raises:
            KeyboardInterrupt: On Ctrl-C, after a checkpoint has been written.
        """
        self.log.rewind(self.iteration)
        with interruptible() as interrupted, self.log.progress(self):
            while self.iteration < self.iterations:
                started = time.monotonic()
                numbers = self.update()
                self.seconds += time.monotonic() - started
                self.log.update(self, numbers)
                if self.iteration % self.config.evaluate_every == 0 or self.iteration == self.iterations:
                    self.evaluate()
                if interrupted():
                    self.save(LATEST)
                    self.log.say(f"stopped after iteration {self.iteration}; the same command with --resume goes on")
                    raise KeyboardInterrupt

    def update(self) -> dict[str, float]:
        """One update; returns numbers to log."""
        phase = self.phase()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.navigator.train()
        student = torch.rand(self.config.batch_size, device=self.device) >= phase.teacher_share
        try:
            experience = collect(self.navigator, self.env, self.sampler.batch(self.iteration), student)
        except FloatingPointError as error:
            raise self._diverged(str(error)) from None
        loss, numbers = objective(experience, phase.loss)
        self._check_finite("loss", loss)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.navigator.parameters(), self.config.gradient_clip)
        self._check_finite("norm of the gradient", norm)
        self.optimizer.step()
        self._move_average()
        self.iteration += 1
        return {name: float(value) for name, value in {**numbers, "loss": loss.detach(), "gradient_norm": norm}.items()}

    def phase(self) -> PhaseConfig:
        """The phase of the next update."""
        imitating = self.iteration < self.config.imitation.iterations
        return self.config.imitation if imitating else self.config.reinforcement

    def learning_rate(self) -> float:
        """The step size of the next update."""
        phase = self.phase()
        first = 0 if phase is self.config.imitation else self.config.imitation.iterations
        done = (self.iteration - first) / phase.iterations
        return phase.learning_rate * (1 - (1 - phase.final_share) * done)

    def _check_finite(self, name: str, value: Tensor) -> None:
        if not bool(torch.isfinite(value)):
            raise self._diverged(f"the {name} is {value.item()}")

    def _diverged(self, problem: str) -> InputError:
        """What to raise before numbers that are not finite reach the weights."""
        fix = f"start another run --start-from {self.folder / LATEST} with a smaller learning rate"
        return InputError(self.folder, f"{problem} at iteration {self.iteration}", fix)

    @torch.no_grad()
    def _move_average(self) -> None:
        """Move the running average towards the weights; early on it is a plain mean, so that the start is forgotten."""
        decay = min(self.config.average, self.iteration / (self.iteration + 10))
        torch._foreach_lerp_(list(self.average.values()), list(self.navigator.state_dict().values()), 1 - decay)

    def evaluate(self) -> Scores:
        """Score the averaged weights, log, and save a checkpoint; the best by SPL on `select` is kept apart."""
        with self.averaged():
            scores = self._evaluate()
        self.log.scores(self, scores)
        spl = scores[self.config.select]["SPL"]
        better = spl > self.best
        self.best = max(self.best, spl)
        if better:
            self.save(BEST)
        self.save(LATEST)  # last, since it is what a killed run goes on from
        return scores

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within the block, the navigator has the averaged weights."""
        own = {name: value.clone() for name, value in self.navigator.state_dict().items()}
        self.navigator.load_state_dict(self.average)
        try:
            yield
        finally:
            self.navigator.load_state_dict(own)

    def save(self, name: str) -> None:
        """Write a checkpoint of the run as it stands."""
        random = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            random["cuda"] = torch.cuda.get_rng_state(self.device)
        parts: Mapping[str, Mapping[str, Tensor]] = {
            "model": self.navigator.state_dict(),
            "average": self.average,
            "optimizer": optimizer_tensors(self.optimizer),
            "random": random,
        }
        state = {
            "iteration": self.iteration,
            "seconds": self.seconds,
            "best": self.best,
            "waiting": self.log.waiting,
            "config": as_json(self.config),
            "fingerprint": as_json(self.fingerprint),
            "versions": versions(),
        }
        save_checkpoint(self.folder / name, parts, state)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on where a checkpoint of this run stood.

        Raises:
            InputError: If it was made with another configuration or other data.
        """
        difference = first_difference(checkpoint.state["config"], as_json(self.config))
        if difference:
            raise InputError(
                checkpoint.source, f"configuration {difference}", "resume with the flags the run started with"
            )
        check_fingerprint(checkpoint, self.fingerprint)
        self.start_from(checkpoint, "model")
        average = checkpoint.part("average")
        # In the order of the weights, which is how they are paired; the file has its own.
        self.average = {name: average[name].to(self.device) for name in self.navigator.state_dict()}
        load_optimizer(self.optimizer, checkpoint.part("optimizer"))
        random = checkpoint.part("random")
        torch.set_rng_state(random["cpu"])
        if "cuda" in random and self.device.type == "cuda":
            torch.cuda.set_rng_state(random["cuda"], self.device)
        self.iteration, self.seconds = checkpoint.state["iteration"], checkpoint.state["seconds"]
        self.best = checkpoint.state["best"]
        self.log.waiting = list(checkpoint.state.get("waiting", []))

    def start_from(self, checkpoint: Checkpoint, part: str = "average") -> None:
        """Take over the weights of another run."""
        load_model(self.navigator, checkpoint.part(part), checkpoint.source)
        self.average = {name: value.detach().clone() for name, value in self.navigator.state_dict().items()}


def objective(experience: Experience, weights: LossConfig) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of a batch of episodes, and its terms and other numbers to log."""
    mask, student = experience.mask, experience.student
    batch = len(student)
    as_student, as_teacher = mask * student, mask * (1 - student)
    returns = losses.discounted_returns(experience.reward, mask, weights.discount)
    terms = {
        "teacher": losses.per_episode(-experience.expert_log_prob, as_teacher, batch),
        "student": losses.per_episode(-experience.expert_log_prob, as_student, batch),
        "policy": losses.policy_loss(experience.log_prob, returns - experience.value, as_student, batch),
        "value": losses.value_loss(experience.value, returns, as_student, batch),
        "entropy": losses.per_episode(experience.entropy, as_student, batch),
        "progress": losses.progress_loss(experience.progress, experience.distance[0], experience.distance, mask),
    }
    loss = (
        weights.teacher * terms["teacher"]
        + weights.student * terms["student"]
        + weights.policy * (terms["policy"] - weights.entropy * terms["entropy"])
        + weights.value * terms["value"]
        + weights.progress * terms["progress"]
    )
    numbers = {
        **terms,
        "success": losses.masked_mean(experience.success, student),
        "return": losses.masked_mean(experience.reward.sum(0), student),
        "steps": mask.sum() / batch,
        "explained_variance": losses.explained_variance(experience.value, returns, as_student),
    }
    return loss, {name: value.detach() for name, value in numbers.items()}


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Within the block the first Ctrl-C only makes the yielded function true; the second ends the program at once."""
    pressed = False

    def note(_number: int, _frame: Any) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
