"""Self-supervised imitation (Wang et al. 2019, section 4): where no goal is known, a critic chooses whom to imitate."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from agents.config import TrainConfig
from agents.learners.dagger import Aggregate, Rounds, joined, shard_of
from agents.learners.recording import Mixture, Recording, Steps, chunks, record, without_dropout
from agents.learners.sampler import EpisodeSampler
from agents.policies.navigator import Navigator
from agents.speaking.critic import MatchingCritic
from agents.training.distributed import SINGLE, Workers

NEVER_STOPPED = 1e3  # nats, more than any trajectories differ by


class Exploration(Rounds):
    """The best of several trajectories of the agent's own for each instruction."""

    def __init__(
        self,
        config: TrainConfig,
        navigator: Navigator,
        env: VectorEnv,
        sampler: EpisodeSampler,
        critic: MatchingCritic,
        folder: Path,
        workers: Workers = SINGLE,
    ) -> None:
        """Rounds of the phase of exploration that have not started.

        Args:
            config: The run's.
            navigator: The agent.
            env: Episodes whose goals are withheld, autoreset DISABLED, as many as a worker has rows of a batch.
            sampler: Says which episodes are explored, `instructions(config)` at a time in all.
            critic: Chooses.
            folder: Where the data set goes.
            workers: Whose workers divide the instructions among them.
        """
        self._instructions = instructions(config)
        keep = config.sil.keep * -(-config.sil.episodes // self._instructions)
        super().__init__(config, navigator, env, Aggregate(folder, keep, written=workers.is_main), workers)
        self._episodes, self._critic = sampler, critic

    @property
    def starts(self) -> list[int]:
        """As many updates for each round."""
        rounds = self.config.sil.rounds
        return [self.config.exploration.iterations * number // rounds for number in range(rounds)]

    @property
    def per_round(self) -> int:
        """Batches that a round adds."""
        return -(-self.config.sil.episodes // self._instructions)

    def gather(self) -> int:
        """Add the chosen trajectories of some instructions; returns the steps that were taken.

        Raises:
            FloatingPointError: If the policy is not a number.
        """
        number, samples = self.data.added, self.config.sil.samples
        device = next(self._navigator.parameters()).device
        random = torch.Generator(device).manual_seed(self._workers.seed((self.config.seed << 24) + number))
        episodes = self._episodes.batch(number).repeat(samples)
        spare = self._env.num_envs - len(episodes)
        filled = torch.from_numpy(episodes[[*range(len(episodes)), *[0] * spare]])
        nobody = torch.zeros(len(filled), device=device)
        first = torch.arange(len(filled), device=device) % samples == 0  # of each group, which is not left to chance
        act = Mixture(self._navigator, nobody, random, greedy=first)
        recording = record(self._env, filled.numpy(), act, 1 - nobody)
        best = choose(self._fit(recording)[: len(episodes)].view(-1, samples))
        chosen = taken(recording, best)
        own = shard_of(filled[best.cpu()].numpy(), replace(chosen, expert=chosen.actions))
        self.data.add(joined(self._workers.gather(own)))
        return int(self._workers.sum(recording.mask.sum()))

    def _fit(self, recording: Recording) -> Tensor:
        """(B,) how well trajectories fit; those that never stopped fit worst."""
        fit = self._critic.score(recording)
        if self.config.sil.confidence:
            fit = fit + self.config.sil.confidence * log_probs(self._navigator, recording)
        last = recording.mask.sum(0).long() - 1
        stopped = recording.actions.gather(0, last[None])[0] == cast(Any, self._env).simulator.stop
        return torch.where(stopped, fit, fit - NEVER_STOPPED)


def instructions(config: TrainConfig) -> int:
    """How many instructions are explored at once."""
    return config.batch_size // config.sil.samples


def choose(fit: Tensor) -> Tensor:
    """Rows (n,) of the best of each group, from how well they fit (n, samples)."""
    return fit.argmax(1) + fit.shape[1] * torch.arange(len(fit), device=fit.device)


def taken(steps: Steps, rows: Tensor) -> Steps:
    """What happened in some episodes `rows` (n,) of a batch."""
    every = {each.name: getattr(steps, each.name) for each in fields(Steps)}
    return Steps(**{name: value[..., rows] for name, value in every.items()})


@torch.no_grad()
def log_probs(navigator: Navigator, recording: Recording) -> Tensor:
    """(B,) log-probability that the agent, without dropout, gives to all the actions of recorded episodes."""
    without_dropout(navigator)
    found = torch.zeros_like(recording.mask).flatten()
    for predictions, where in chunks(navigator, recording, 0):
        found[where] = predictions.log_prob
    return found.view_as(recording.mask).sum(0)
