"""Learning to speak: teacher forcing on demonstrations, until what is said gets no better."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from agents.config import CaptionConfig
from agents.learners.sampler import EpisodeSampler
from agents.speaking.speaker import Speaker
from agents.speaking.speaker_inputs import Routes
from agents.training.base import RunRecord
from agents.training.log import Scores
from agents.training.supervised import SupervisedTrainer
from vln.language import PAD


class Demonstrations(Protocol):
    """Routes that people have described."""

    def routes(self, episodes: np.ndarray) -> Routes:
        """Return the routes of episodes (B,)."""


@dataclass(frozen=True)
class CaptionData:
    """The routes of N episodes, and the tokens (N, L) int64 of the sentence of each, zero-padded."""

    demonstrations: Demonstrations
    tokens: Tensor


class CaptionTrainer(SupervisedTrainer):
    """A run of a speaker; what people said on `config.select` is to become likelier, as a critic needs it."""

    config: CaptionConfig
    stage = "learning to speak"

    def __init__(
        self,
        config: CaptionConfig,
        speaker: Speaker,
        captioned: CaptionData,
        sampler: EpisodeSampler,
        evaluate: Callable[[], Scores],
        record: RunRecord,
    ) -> None:
        super().__init__(config, speaker, evaluate, record)
        self.speaker, self.captioned, self.sampler = speaker, captioned, sampler

    def headline(self, row: Mapping[str, float]) -> str:
        """BLEU and loss of a split."""
        return f"BLEU {row['BLEU']:.1f}, loss {row['loss']:.3f}"

    def quality(self, scores: Scores) -> float:
        """Log-probability of a token on the selecting split."""
        return -scores[self.config.select]["loss"]

    def learn(self) -> dict[str, float]:
        """Take a step along the mean loss of the tokens of a batch of episodes."""
        episodes = self.sampler.batch(self.iteration)
        self.speaker.train()
        routes = self.captioned.demonstrations.routes(episodes).to(self.device)
        tokens = self.captioned.tokens[torch.from_numpy(episodes)].to(self.device)
        count = int((tokens != PAD).sum())
        loss = -self.speaker.token_log_probs(self.speaker.read(routes), tokens).sum() / count
        return self.descend(loss, count)
