"""Search at test time: of several trajectories that an agent would go, the one that fits its instruction best.

Pragmatic inference (Fried et al. 2018, section 3.2). What it costs is not part of the trajectory's length, so that its
numbers are no single run's.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch

from scripts.speaker_world import BATCH, TrainedSpeaker
from vln.trajectory import Trajectory


def best_of(
    candidates: Sequence[Sequence[Trajectory]], critic: TrainedSpeaker, confidence: float = 0.01
) -> list[Trajectory]:
    """The best trajectory of each episode.

    Args:
        candidates: What an agent did in the same episodes, several times.
        critic: Says how well a trajectory fits its instruction, in nats a word.
        confidence: What the agent's own log-probability of a trajectory counts beside.

    Raises:
        InputError: If trajectories are of another world than the critic's.
    """
    fits = [fit(each, critic) + confidence * np.array([own_log_prob(one) for one in each]) for each in candidates]
    best = np.stack(fits).argmax(0)  # the first of those that are as good
    return [candidates[chosen][episode] for episode, chosen in enumerate(best.tolist())]


@torch.no_grad()
def fit(trajectories: Sequence[Trajectory], critic: TrainedSpeaker) -> np.ndarray:
    """(N,) mean log-probability that the critic gives to the words of the instructions."""
    data = critic.world.data
    device = next(critic.speaker.parameters()).device
    sentences = [each.instruction for each in trajectories]
    tokens, _ = data.vocabulary.encode_batch(sentences, data.options.max_length)
    scores = []
    for number, batch in enumerate(critic.world.trajectory_routes("trajectories", trajectories)):
        told = torch.from_numpy(tokens[number * BATCH :][:BATCH]).to(device)
        scores.append(critic.speaker.log_prob(batch.to(device), told).numpy(force=True))
    return np.concatenate(scores)


def own_log_prob(trajectory: Trajectory) -> float:
    """Log-probability that the agent gave to all its actions, as far as they were written down."""
    taken = (step.probabilities[step.choices.index(step.choice)] for step in trajectory.steps if step.choices)
    return sum(math.log(max(each, 1e-4)) for each in taken)  # four digits are written
