"""Learning from whole episodes: behaviour cloning, student forcing, A2C, and what DAgger and self-imitation replay."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from agents.config import LossConfig, PhaseConfig
from agents.learners.experience import Moment, again, collect
from agents.learners.learner import Learner, Metrics
from agents.learners.losses import masked_mean, progress_target
from agents.learners.objective import objective, summary, targets_of, weigh
from agents.learners.recording import Expert, Predictions, Recording, chunks, record
from agents.policies.policy import Policy
from agents.speaking.critic import MatchingCritic
from agents.training.checkpoint import random_states
from agents.training.distributed import SINGLE, Workers
from agents.training.optimization import OptimizerStep


@dataclass(frozen=True)
class SequenceConfig(PhaseConfig):
    """Learning from sequences of steps, by backpropagation through time."""

    loss: LossConfig = field(default_factory=LossConfig)
    """Weights of the terms of the loss."""
    truncate: int = 0
    """Steps after which gradients stop flowing back through time, to bound memory; 0 is never. Nothing else changes."""


@dataclass(frozen=True)
class EpisodeConfig(SequenceConfig):
    """Whole episodes, each learnt from once."""

    learner: str = "student_forcing"
    expert_fraction: float = 0.0
    """Share of the episodes in which the expert acts (teacher forcing); the agent samples in the others."""


@dataclass(frozen=True)
class BehaviourCloningConfig(EpisodeConfig):
    """Imitation where the expert acts (teacher forcing)."""

    learner: str = "behaviour_cloning"
    expert_fraction: float = 1.0


@dataclass(frozen=True)
class A2CConfig(EpisodeConfig):
    """Policy gradients with a share of teacher forcing."""

    learner: str = "a2c"
    expert_fraction: float = 0.25
    loss: LossConfig = field(default_factory=lambda: LossConfig(teacher=1.0, student=0.0, policy=1.0))


class EpisodeLearner(Learner):
    """Learns from each batch of whole episodes once."""

    config_type: ClassVar[type[EpisodeConfig]] = EpisodeConfig
    config: EpisodeConfig

    def update(self) -> Metrics:
        """Step through the episodes of the sampler's next batch and learn from them."""
        setup = self.setup
        episodes = setup.sampler.batch(setup.first_iteration + self.updates)
        return learn_episodes(setup.policy, setup.env, episodes, self.config, setup.optimizer, setup.critic)


class StudentForcing(EpisodeLearner):
    """Imitation of the expert in states that the agent reaches (Anderson et al. 2018, section 4.2)."""


class BehaviourCloning(EpisodeLearner):
    """Imitation of the expert in states that the expert reaches."""

    config_type = BehaviourCloningConfig


class A2C(EpisodeLearner):
    """Advantage actor-critic over whole episodes (Mnih et al. 2016)."""

    config_type = A2CConfig


def learn_episodes(
    policy: Policy,
    env: VectorEnv,
    episodes: np.ndarray,
    config: EpisodeConfig,
    optimizer: OptimizerStep,
    critic: MatchingCritic | None = None,
) -> Metrics:
    """Step through `episodes` (B,), in some of which the expert acts, and take a step of the optimiser.

    The critic's score is a reward where the loss has an intrinsic one. The agent acts with dropout, and learns from the
    very policy that it acted by, however often gradients are cut.

    Returns:
        Numbers to log.
    """
    device = next(policy.parameters()).device
    student = torch.rand(len(episodes), device=device) >= config.expert_fraction
    if not bool(student.any()):
        recording = record(env, episodes, Expert(), student)
        return learn_recording(policy, recording, config, optimizer, critic)
    policy.train()
    scored = critic is not None and bool(config.loss.intrinsic)
    if config.truncate:
        reading, moments = random_states(device), list[Moment]()
        with torch.no_grad():
            lived = collect(policy, env, episodes, student, keep_frames=scored, moments=moments)
        parts = again(policy, moments, reading, config.truncate)
        numbers = add_gradients(policy, lived, config, optimizer.backward, critic, optimizer.workers, parts)
        return {**numbers, "gradient_norm": optimizer.step()}
    experience = collect(policy, env, episodes, student, keep_frames=scored)
    bonus = intrinsic_reward(experience, config.loss.intrinsic, critic, optimizer.workers)
    loss, numbers = objective(experience, config.loss, bonus, optimizer.workers)
    optimizer.backward(loss)
    return {**numbers, "loss": loss.detach(), "gradient_norm": optimizer.step()}


def intrinsic_reward(
    recording: Recording, weight: float, critic: MatchingCritic | None, workers: Workers = SINGLE
) -> Tensor | None:
    """(B,) `weight` times how well trajectories fit their instructions, less the mean of those that the agent chose.

    Wang et al. 2019, section 3.3; a baseline makes it a matter of better and worse, as the extrinsic one is.
    """
    if not weight or critic is None:
        return None
    fit = critic.score(recording)
    return weight * (fit - masked_mean(fit, recording.student, workers.sum))


def learn_recording(
    policy: Policy,
    recording: Recording,
    config: SequenceConfig,
    optimizer: OptimizerStep,
    critic: MatchingCritic | None = None,
) -> Metrics:
    """Go through recorded episodes and take a step of the optimiser; return numbers to log."""
    policy.train()
    numbers = add_gradients(policy, recording, config, optimizer.backward, critic, optimizer.workers)
    return {**numbers, "gradient_norm": optimizer.step()}


def add_gradients(
    policy: Policy,
    recording: Recording,
    config: SequenceConfig,
    backward: Callable[[Tensor], object],
    critic: MatchingCritic | None = None,
    workers: Workers = SINGLE,
    parts: Iterable[tuple[Predictions, Tensor]] | None = None,
) -> Metrics:
    """Go through recorded episodes and hand the parts of their loss to `backward`; return numbers to log.

    The gradients of `config.truncate` steps at a time are computed and added up, so that only these need memory. They
    are those of `parts`, predictions and their places, if given, else those of the policy's present judgement.
    """
    bonus = intrinsic_reward(recording, config.loss.intrinsic, critic, workers)
    targets = targets_of(recording, config.loss, bonus, workers)
    values = torch.zeros_like(recording.reward)
    numbers: Metrics = {}
    if parts is None:
        progress = progress_target(recording.distance[0], recording.distance)
        parts = chunks(policy, recording, progress, config.truncate)
    for predictions, where in parts:
        loss, terms = weigh(predictions, targets.at(where), config.loss)
        backward(loss)
        values.view(-1)[where] = predictions.value.detach()
        numbers = _added(numbers, {**terms, "loss": loss.detach()})
    return {**numbers, **summary(recording, values, targets)}


def _added(numbers: Metrics, more: Metrics) -> Metrics:
    return {name: value + numbers.get(name, 0.0) for name, value in more.items()}
