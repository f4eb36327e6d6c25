"""Learning from whole episodes: teacher and student forcing, A2C, and what DAgger recalls."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from agents.config import PhaseConfig
from agents.learners.experience import Moment, again, collect
from agents.learners.losses import masked_mean
from agents.learners.objective import Numbers, objective, summary, targets_of, weigh
from agents.learners.recording import Expert, Predictions, Recording, chunks, record
from agents.policies.navigator import Navigator
from agents.speaking.critic import MatchingCritic
from agents.training.checkpoint import random_states
from agents.training.distributed import SINGLE, Workers
from agents.training.optimization import OptimizerStep


def learn_episodes(
    navigator: Navigator,
    env: VectorEnv,
    episodes: np.ndarray,
    phase: PhaseConfig,
    optimizer: OptimizerStep,
    critic: MatchingCritic | None = None,
) -> Numbers:
    """Live through `episodes` (B,), in some of which the expert acts, and take a step.

    What the critic makes of them is a reward where the phase has an intrinsic one. The agent acts with dropout, and
    learns from the very policy that it acted by, however often gradients are cut.

    Returns:
        Numbers to log.
    """
    device = next(navigator.parameters()).device
    student = torch.rand(len(episodes), device=device) >= phase.teacher_share
    if not bool(student.any()):
        recording = record(env, episodes, Expert(), student)
        return learn_recording(navigator, recording, phase, optimizer, critic)
    navigator.train()
    judged = critic is not None and bool(phase.loss.intrinsic)
    if phase.truncate:
        reading, moments = random_states(device), list[Moment]()
        with torch.no_grad():
            lived = collect(navigator, env, episodes, student, keep_frames=judged, moments=moments)
        parts = again(navigator, moments, reading, phase.truncate)
        numbers = add_gradients(navigator, lived, phase, optimizer.backward, critic, optimizer.workers, parts)
        return {**numbers, "gradient_norm": optimizer.step()}
    experience = collect(navigator, env, episodes, student, keep_frames=judged)
    bonus = intrinsic_reward(experience, phase.loss.intrinsic, critic, optimizer.workers)
    loss, numbers = objective(experience, phase.loss, bonus, optimizer.workers)
    optimizer.backward(loss)
    return {**numbers, "loss": loss.detach(), "gradient_norm": optimizer.step()}


def intrinsic_reward(
    lived: Recording, weight: float, critic: MatchingCritic | None, workers: Workers = SINGLE
) -> Tensor | None:
    """(B,) `weight` times how well trajectories fit their instructions, less the mean of those the agents went.

    Wang et al. 2019, section 3.3; a baseline makes it a matter of better and worse, as the extrinsic one is.
    """
    if not weight or critic is None:
        return None
    fit = critic.score(lived)
    return weight * (fit - masked_mean(fit, lived.student, workers.sum))


def learn_recording(
    navigator: Navigator,
    recording: Recording,
    phase: PhaseConfig,
    optimizer: OptimizerStep,
    critic: MatchingCritic | None = None,
) -> Numbers:
    """Go through recorded episodes and take a step; returns numbers to log."""
    navigator.train()
    numbers = add_gradients(navigator, recording, phase, optimizer.backward, critic, optimizer.workers)
    return {**numbers, "gradient_norm": optimizer.step()}


def add_gradients(
    navigator: Navigator,
    recording: Recording,
    phase: PhaseConfig,
    add: Callable[[Tensor], object],
    critic: MatchingCritic | None = None,
    workers: Workers = SINGLE,
    parts: Iterable[tuple[Predictions, Tensor]] | None = None,
) -> Numbers:
    """Go through recorded episodes and hand the parts of their loss to `add`; returns numbers to log.

    The gradients of `phase.truncate` steps at a time are computed and added up, so that only these need memory. They
    are those of `parts`, predictions and their places, if there are any, else of what the agent makes of it now.
    """
    bonus = intrinsic_reward(recording, phase.loss.intrinsic, critic, workers)
    targets = targets_of(recording, phase.loss, bonus, workers)
    values = torch.zeros_like(recording.reward)
    numbers: Numbers = {}
    parts = chunks(navigator, recording, phase.truncate) if parts is None else parts
    for predictions, where in parts:
        loss, terms = weigh(predictions, targets.at(where), phase.loss)
        add(loss)
        values.view(-1)[where] = predictions.value.detach()
        numbers = _added(numbers, {**terms, "loss": loss.detach()})
    return {**numbers, **summary(recording, values, targets)}


def _added(numbers: Numbers, more: dict[str, Tensor]) -> Numbers:
    return {name: value + numbers.get(name, 0.0) for name, value in more.items()}
