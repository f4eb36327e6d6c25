"""The loss of whole episodes: imitation, policy gradient, value and auxiliary losses, weighed as a phase wants."""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from agents.config import LossConfig
from agents.learners import losses
from agents.learners.experience import Experience
from agents.learners.learner import Metrics
from agents.learners.recording import Predictions, Steps, whole
from agents.training.distributed import SINGLE, Workers


@dataclass(frozen=True)
class Targets:
    """What the loss of predictions needs besides; no gradients, and of one shape unless said otherwise.

    Attributes:
        returns: Discounted sum of the rewards to come.
        weight: How much the step counts in imitation.
        mask: 1.0 where the episode was alive.
        student: 1.0 where the agent acted, and the episode was alive.
        batch: Episodes, in all.
        steps: Live steps of all episodes, a number (); among several workers, their mean.
    """

    returns: Tensor
    weight: Tensor
    mask: Tensor
    student: Tensor
    batch: int
    steps: Tensor

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
        losses.inflection_weights(steps.expert, whole(steps.mask), steps.mask, weights.inflection, workers.sum),
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
