"""Reranking at test time: of several trajectories for an instruction, take the one that a speaker says fits best.

Pragmatic inference (Fried et al. 2018, section 3.2). The search is not counted into the length of the trajectory, so
that its scores are no single run's.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from agents.speaking.demonstrations import BATCH
from agents.speaking.runs import TrainedSpeaker
from vln.errors import InputError
from vln.trajectory import Trajectory


def best_of(
    candidates: Sequence[Sequence[Trajectory]], critic: TrainedSpeaker, confidence: float = 0.01
) -> list[Trajectory]:
    """Return the best of several trajectories of each of N episodes; the first of equally good ones.

    The critic scores in nats a word; `confidence` weighs the agent's own log-probability.
    """
    scores = [fit(each, critic) + confidence * np.array([own_log_prob(one) for one in each]) for each in candidates]
    best = np.stack(scores).argmax(0)
    return [candidates[chosen][episode] for episode, chosen in enumerate(best.tolist())]


def check_search(search: int, critic: Path | None) -> None:
    """Raise an InputError unless the flags --search and --critic are both given, or neither."""
    if search < 0:
        raise InputError("--search", f"{search} is out of range", "give a whole number of at least 0")
    if bool(search) != bool(critic):
        given, missing = ("--search", "--critic RUN") if search else ("--critic", "--search N")
        raise InputError(given, f"it goes with {missing}", "give both, or neither")


@torch.no_grad()
def fit(trajectories: Sequence[Trajectory], critic: TrainedSpeaker) -> np.ndarray:
    """Return the (N,) mean log-probabilities that the critic gives to the words of the instructions."""
    data = critic.data.data
    device = next(critic.speaker.parameters()).device
    sentences = [each.instruction for each in trajectories]
    tokens, _ = data.vocabulary.encode_batch(sentences, data.options.max_length)
    scores = []
    for number, batch in enumerate(critic.data.trajectory_routes("trajectories", trajectories)):
        words = torch.from_numpy(tokens[number * BATCH :][:BATCH]).to(device)
        scores.append(critic.speaker.log_prob(batch.to(device), words).numpy(force=True))
    return np.concatenate(scores)


def own_log_prob(trajectory: Trajectory) -> float:
    """Return the log-probability that the agent gave to all its actions, as far as the trajectory has it."""
    taken = (step.probabilities[step.choices.index(step.choice)] for step in trajectory.steps if step.choices)
    return sum(math.log(max(each, 1e-4)) for each in taken)  # four digits are written
