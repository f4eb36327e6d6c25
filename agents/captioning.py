"""Learning to speak: teacher forcing on demonstrations, until what is said gets no better."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from agents.average import averaged, move_average, weights_of
from agents.checkpoint import (
    Checkpoint,
    Fingerprint,
    as_json,
    check_same_run,
    learner_parts,
    restore_learner,
    restore_random,
    save_checkpoint,
)
from agents.config import CaptionConfig
from agents.descent import Descent
from agents.language import PAD
from agents.log import Log, Scores
from agents.rollout import versions
from agents.routes import Routes
from agents.sampler import EpisodeSampler
from agents.speaker import Speaker
from agents.trainer import BEST, LATEST, finite, interruptible


class Demonstrations(Protocol):
    """Routes that people described."""

    def routes(self, episodes: np.ndarray) -> Routes:
        """The routes of episodes (B,)."""


@dataclass(frozen=True)
class Told:
    """What there is to learn from.

    Attributes:
        demonstrations: The routes of N episodes.
        tokens: (N, L) int64, what was said of each, zero-padded.
    """

    demonstrations: Demonstrations
    tokens: Tensor


class CaptionTrainer:
    """A run: the speaker, its optimiser and where they stand."""

    stage = "learning to speak"

    def __init__(
        self,
        config: CaptionConfig,
        speaker: Speaker,
        told: Told,
        sampler: EpisodeSampler,
        evaluate: Callable[[], Scores],
        log: Log,
        folder: Path,
        fingerprint: Fingerprint,
    ) -> None:
        """A run that starts at iteration 0.

        Args:
            config: What to do.
            speaker: On the device to learn on.
            told: Training episodes.
            sampler: Says which episodes each update learns from.
            evaluate: Scores the speaker as it is, by split and metric.
            log: Where numbers go.
            folder: Where checkpoints go.
            fingerprint: Of the data.
        """
        self.config, self.speaker, self.told, self.sampler = config, speaker, told, sampler
        self.log, self.folder, self.fingerprint = log, folder, fingerprint
        self._evaluate = evaluate
        self.device = next(speaker.parameters()).device
        self.average = weights_of(speaker)
        self.iteration, self.steps, self.seconds = 0, 0, 0.0
        self.best, self.in_vain = -1.0, 0  # the best BLEU, and evaluations since
        self.descent = Descent(speaker, config.learning_rate, config.gradient_clip)

    @property
    def iterations(self) -> int:
        """Updates of the whole run, if it is not stopped earlier."""
        return self.config.iterations

    @property
    def done(self) -> bool:
        """Whether there is nothing more to do."""
        return self.iteration >= self.iterations or self.in_vain >= self.config.patience

    def headline(self, row: Mapping[str, float]) -> str:
        """What matters of the scores of a split, in words."""
        return f"BLEU {row['BLEU']:.1f}, loss {row['loss']:.3f}"

    def train(self) -> None:
        """Learn until BLEU on `config.select` has not risen for `config.patience` evaluations, or to the last update.

        Raises:
            KeyboardInterrupt: On Ctrl-C, after a checkpoint has been written.
        """
        self.log.rewind(self.iteration)
        with interruptible() as interrupted, self.log.progress(self):
            while not self.done:
                self.log.update(self, self.update())
                if self.iteration % self.config.evaluate_every == 0 or self.iteration == self.iterations:
                    self.evaluate()
                if interrupted():
                    self.save(LATEST)
                    self.log.say(f"stopped after iteration {self.iteration}; the same command with --resume goes on")
                    raise KeyboardInterrupt

    def update(self) -> dict[str, float]:
        """One update; returns numbers to log."""
        started = time.monotonic()
        share = 1 - (1 - self.config.final_share) * self.iteration / self.iterations
        self.descent.set_rate(self.config.learning_rate * share)
        episodes = self.sampler.batch(self.iteration)
        with finite(self.folder, self.iteration, "start another run with a smaller --learning-rate"):
            numbers = self._learn(episodes)
        move_average(self.average, self.speaker, self.config.average, self.iteration)
        self.seconds += time.monotonic() - started
        self.iteration += 1
        return numbers

    def _learn(self, episodes: np.ndarray) -> dict[str, float]:
        """Take a step along the mean loss of the tokens of episodes (B,)."""
        self.speaker.train()
        routes = self.told.demonstrations.routes(episodes).to(self.device)
        tokens = self.told.tokens[torch.from_numpy(episodes)].to(self.device)
        count = int((tokens != PAD).sum())
        loss = -self.speaker.token_log_probs(self.speaker.read(routes), tokens).sum() / count
        self.descent.add(loss)
        self.steps += count
        return {"loss": float(loss.detach()), "gradient_norm": float(self.descent.step())}

    def evaluate(self) -> Scores:
        """Score the averaged weights, log, and save a checkpoint; the best by BLEU on `select` is kept apart."""
        with self.averaged():
            scores = self._evaluate()
        self.log.scores(self, scores)
        bleu = scores[self.config.select]["BLEU"]
        better = bleu > self.best
        self.best, self.in_vain = max(self.best, bleu), 0 if better else self.in_vain + 1
        if better:
            self.save(BEST)
        self.save(LATEST)  # last, since it is what a killed run goes on from
        return scores

    def averaged(self) -> AbstractContextManager[None]:
        """Within the block, the speaker has the averaged weights."""
        return averaged(self.speaker, self.average)

    def save(self, name: str) -> None:
        """Write a checkpoint of the run as it stands."""
        parts = learner_parts(self.speaker, self.average, self.descent.optimizers)
        state = {
            "iteration": self.iteration,
            "steps": self.steps,
            "seconds": self.seconds,
            "best": self.best,
            "in_vain": self.in_vain,
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
        check_same_run(checkpoint, self.config, self.fingerprint)
        self.average = restore_learner(checkpoint, self.speaker, self.descent.optimizers)
        state = checkpoint.state
        self.iteration, self.steps, self.seconds = state["iteration"], state["steps"], state["seconds"]
        self.best, self.in_vain = state["best"], state["in_vain"]
        self.log.waiting = list(state["waiting"])
        restore_random(
            checkpoint.part("random"), self.device
        )  # last, so that nothing draws from it before the next update
