"""Self-supervised imitation (Wang et al. 2019, section 4): where no goal is known, a critic chooses whom to imitate."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, cast

import torch
from torch import Tensor

from agents.config import LossConfig, TrainConfig
from agents.learners.dagger import Aggregate, MixedActor, RoundsConfig, RoundsLearner, join_shards, shard_of
from agents.learners.episode_learning import EpisodeConfig, learn_episodes
from agents.learners.learner import Metrics, Setup
from agents.learners.losses import progress_target
from agents.learners.recording import Recording, Steps, record, truncated_chunks
from agents.policies.policy import Policy, without_dropout
from vln.errors import InputError

NEVER_STOPPED = 1e3  # nats, more than any trajectories differ by


@dataclass(frozen=True)
class SelfImitationConfig(RoundsConfig):
    """Self-supervised imitation (Wang et al. 2019, section 4): exploring instructions whose goals are not known.

    In each round the agent tries some trajectories for each instruction, the matching critic keeps the one that fits
    it best, and those kept are imitated. The phase's updates are spread evenly over the rounds. The loss weight
    `student` is that of imitation.
    """

    learner: str = "self_imitation"
    loss: LossConfig = field(
        default_factory=lambda: LossConfig(teacher=0.0, value=0.0, auxiliary={"progress": 0.0, "labels": 0.0})
    )
    rounds: int = 4
    episodes: int = 2400
    split: Literal["val_seen", "val_unseen", "test"] = "val_unseen"
    """Whose instructions are explored; only the instructions and the starts of its episodes are used."""
    samples: int = 8
    """Trajectories tried for each: the most probable one, and sampled ones."""
    keep: int = 2
    """Rounds whose trajectories are remembered; older ones are forgotten, which bounds memory and disk."""
    rehearsal_fraction: float = 0.5
    """Share of the updates that imitate the expert in training episodes."""
    rehearsal_loss: LossConfig = field(default_factory=LossConfig)
    """Weights of the terms of the loss of those updates."""
    expert_fraction: float = 0.5
    """Share of the episodes of those updates in which the expert acts."""
    confidence: float = 0.01
    """Weight of the agent's own log-probability of a trajectory beside the critic's of a word (pragmatic inference,
    Fried et al. 2018, section 3.2)."""


class SelfImitation(RoundsLearner):
    """Imitates the best of several trajectories of the agent's own for each instruction."""

    config_type = SelfImitationConfig
    needs_critic = True
    config: SelfImitationConfig

    def __init__(self, config: SelfImitationConfig, setup: Setup) -> None:
        if setup.critic is None or setup.make_episodes is None:
            problem = "nothing says which trajectory is best"
            raise InputError("self_imitation", problem, "pass --critic RUN of a speaker")
        at_once = instructions_at_once(config, setup.batch_size)
        env, self._episodes = setup.make_episodes(config.split, withheld=True, batch_size=at_once)
        keep = config.keep * -(-config.episodes // at_once)
        data = Aggregate(setup.folder / "explored", keep, written=setup.workers.is_main)
        super().__init__(config, setup, data, env, at_once)
        self._critic = setup.critic

    @property
    def starts(self) -> list[int]:
        """As many updates for each round."""
        return [self.config.iterations * number // self.config.rounds for number in range(self.config.rounds)]

    def update(self) -> Metrics:
        """Imitate trajectories that were kept, or the expert in training episodes."""
        if not rehearses(self.updates, self.config.rehearsal_fraction):
            return super().update()
        setup = self.setup
        episodes = setup.sampler.batch(setup.first_iteration + self.updates)
        config = EpisodeConfig(
            loss=self.config.rehearsal_loss, truncate=self.config.truncate, expert_fraction=self.config.expert_fraction
        )
        return learn_episodes(setup.policy, setup.env, episodes, config, setup.optimizer, setup.critic)

    def collect(self) -> int:
        """Add the chosen trajectories of some instructions; return the steps that were taken."""
        workers, samples, device = self.setup.workers, self.config.samples, self.setup.device
        episodes = self._episodes.batch(self.data.added).repeat(samples)
        spare = self.env.num_envs - len(episodes)
        filled = torch.from_numpy(episodes[[*range(len(episodes)), *[0] * spare]])
        no_expert = torch.zeros(len(filled), device=device)
        greedy = torch.arange(len(filled), device=device) % samples == 0
        act = MixedActor(self.setup.policy, no_expert, self.generator(), greedy)
        recording = record(self.env, filled.numpy(), act, 1 - no_expert)
        best = best_of_groups(self._fit(recording)[: len(episodes)].view(-1, samples))
        chosen = select_episodes(recording, best)
        own = shard_of(filled[best.cpu()].numpy(), replace(chosen, expert=chosen.actions))
        self.data.add(join_shards(workers.gather(own)))
        return int(workers.sum(recording.mask.sum()))

    def saved(self) -> None:
        """Delete the files of forgotten rounds."""
        self.data.forget()

    def _fit(self, recording: Recording) -> Tensor:
        """(B,) how well trajectories fit; those that never stopped fit worst."""
        fit = self._critic.score(recording)
        if self.config.confidence:
            fit = fit + self.config.confidence * log_probs(self.setup.policy, recording)
        last = recording.mask.sum(0).long() - 1
        stopped = recording.actions.gather(0, last[None])[0] == cast(Any, self.env).simulator.stop
        return torch.where(stopped, fit, fit - NEVER_STOPPED)

    @classmethod
    def explored_splits(cls, config: SelfImitationConfig) -> tuple[str, ...]:
        """Return the split that is explored."""
        return (config.split,)

    @classmethod
    def check(cls, config: SelfImitationConfig, run: TrainConfig, workers: int) -> None:
        """Check that each worker has whole groups of samples."""
        if config.samples > run.batch_size:
            raise InputError("samples", f"there are only {run.batch_size} environments", "give fewer")
        at_once = instructions_at_once(config, run.batch_size)
        if at_once % workers:
            problem = f"{at_once} instructions at once cannot be divided among {workers} workers"
            raise InputError("samples", problem, "--batch-size over it must be a multiple of the workers")


def instructions_at_once(config: SelfImitationConfig, batch_size: int) -> int:
    """How many instructions are explored at once."""
    return batch_size // config.samples


def rehearses(done: int, fraction: float) -> bool:
    """Whether the update after `done` others is one of the `fraction` that rehearse, evenly spread."""
    return int((done + 1) * fraction) > int(done * fraction)


def best_of_groups(fit: Tensor) -> Tensor:
    """Rows (n,) of the best of each group, from how well they fit (n, samples)."""
    return fit.argmax(1) + fit.shape[1] * torch.arange(len(fit), device=fit.device)


def select_episodes(steps: Steps, rows: Tensor) -> Steps:
    """What happened in some episodes `rows` (n,) of a batch."""
    every = {each.name: getattr(steps, each.name) for each in fields(Steps)}
    return Steps(**{name: value[..., rows] for name, value in every.items()})


@torch.no_grad()
def log_probs(policy: Policy, recording: Recording) -> Tensor:
    """(B,) log-probability that the policy, without dropout, gives to all the actions of recorded episodes."""
    without_dropout(policy)
    found = torch.zeros_like(recording.mask).flatten()
    progress = progress_target(recording.distance[0], recording.distance)
    for predictions, where in truncated_chunks(policy, recording, progress, 0):
        found[where] = predictions.log_prob
    return found.view_as(recording.mask).sum(0)
