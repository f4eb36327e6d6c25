"""Learning from whole episodes: behaviour cloning, student forcing, A2C, and what DAgger and self-imitation replay."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from agents.config import LossConfig, PhaseConfig
from agents.learners import losses
from agents.learners.learner import Learner, Metrics
from agents.learners.recording import (
    CollectedStep,
    Experience,
    ExpertActor,
    Predictions,
    Recording,
    Steps,
    collect,
    first_steps,
    record,
    replay_steps,
    truncated_chunks,
)
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
    very policy that it acted by, however often gradients are cut. Returns numbers to log.
    """
    device = next(policy.parameters()).device
    student = torch.rand(len(episodes), device=device) >= config.expert_fraction
    if not bool(student.any()):
        recording = record(env, episodes, ExpertActor(), student)
        return learn_recording(policy, recording, config, optimizer, critic)
    policy.train()
    scored = critic is not None and bool(config.loss.intrinsic)
    if config.truncate:
        reading, moments = random_states(device), list[CollectedStep]()
        with torch.no_grad():
            experience = collect(policy, env, episodes, student, keep_frames=scored, moments=moments)
        parts = replay_steps(policy, moments, reading, config.truncate)
        numbers = add_gradients(policy, experience, config, optimizer.backward, critic, optimizer.workers, parts)
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
    return weight * (fit - losses.masked_mean(fit, recording.student, workers.sum))


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
        progress = losses.progress_target(recording.distance[0], recording.distance)
        parts = truncated_chunks(policy, recording, progress, config.truncate)
    for predictions, where in parts:
        loss, terms = weigh(predictions, targets.at(where), config.loss)
        backward(loss)
        values.view(-1)[where] = predictions.value.detach()
        terms["loss"] = loss.detach()
        numbers = {name: value + numbers.get(name, 0.0) for name, value in terms.items()}
    return {**numbers, **summary(recording, values, targets)}


# --- the loss of whole episodes ---


@dataclass(frozen=True)
class Targets:
    """What the loss of predictions needs besides; no gradients, and of one shape unless said otherwise."""

    returns: Tensor  # Discounted sum of the rewards to come
    weight: Tensor  # How much the step counts in imitation
    mask: Tensor  # 1.0 where the episode was alive
    student: Tensor  # 1.0 where the agent acted, and the episode was alive
    batch: int  # Episodes, in all
    steps: Tensor  # Live steps of all episodes, a number (); among several workers, their mean

    def at(self, where: Tensor) -> "Targets":
        """The targets at flattened positions (n,)."""
        names = ("returns", "weight", "mask", "student")
        parts: dict[str, Any] = {name: getattr(self, name).flatten()[where] for name in names}
        return replace(self, **parts)


def targets_of(steps: Steps, weights: LossConfig, bonus: Tensor | None = None, workers: Workers = SINGLE) -> Targets:
    """The targets (T, B) of whole episodes; `bonus` (B,) is added to the return of each of their steps.

    They are such that the mean of the losses of all workers is the loss of its whole batch.
    """
    returns = losses.discounted_returns(steps.reward, steps.mask, weights.discount)
    return Targets(
        returns if bonus is None else returns + bonus * steps.mask,
        losses.inflection_weights(steps.expert, first_steps(steps.mask), steps.mask, weights.inflection, workers.sum),
        steps.mask,
        steps.mask * steps.student,
        len(steps.student),
        workers.sum(steps.mask.sum()) / workers.count,
    )


def objective(
    experience: Experience, weights: LossConfig, bonus: Tensor | None = None, workers: Workers = SINGLE
) -> tuple[Tensor, Metrics]:
    """The loss of a batch of episodes, and its terms and other numbers to log; see `targets_of` for the bonus."""
    targets = targets_of(experience, weights, bonus, workers)
    loss, terms = weigh(experience.predictions, targets, weights)
    return loss, {**terms, **summary(experience, experience.predictions.value, targets)}


def weigh(predictions: Predictions, targets: Targets, weights: LossConfig) -> tuple[Tensor, Metrics]:
    """The loss of steps and its terms. Both are sums: those of the parts of a batch add up to those of the whole."""
    teacher, batch = targets.mask - targets.student, targets.batch
    imitation = -predictions.expert_log_prob * targets.weight
    advantages = targets.returns - predictions.value
    terms = {
        "teacher": losses.per_episode(imitation, teacher, batch),
        "student": losses.per_episode(imitation, targets.student, batch),
        "policy": losses.policy_loss(predictions.log_prob, advantages, targets.student, batch),
        "value": losses.value_loss(predictions.value, targets.returns, targets.student, batch),
        "entropy": losses.per_episode(predictions.entropy, targets.student, batch),
    }
    auxiliary = {name: (value * targets.mask).sum() / targets.steps for name, value in predictions.auxiliary.items()}
    loss = (
        weights.teacher * terms["teacher"]
        + weights.student * terms["student"]
        + weights.policy * (terms["policy"] - weights.entropy * terms["entropy"])
        + weights.value * terms["value"]
    )
    for name, value in auxiliary.items():
        loss = loss + weights.of(name) * value
    return loss, {name: value.detach() for name, value in {**terms, **auxiliary}.items()}


def summary(steps: Steps, values: Tensor, targets: Targets) -> Metrics:
    """Metrics to log of whole episodes with estimated returns `values` (T, B)."""
    return {
        "success": losses.masked_mean(steps.success, steps.student),
        "return": losses.masked_mean(steps.reward.sum(0), steps.student),
        "steps": targets.steps / targets.batch,
        "frames": targets.steps,
        "explained_variance": losses.explained_variance(values.detach(), targets.returns, targets.student),
    }
