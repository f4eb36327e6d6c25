"""Learning to see before learning to act: a body wanders about, and its eyes learn to name what is before them.

Naming needs no memory, so frames are learnt from many times as fast as episodes, and whoever can tell a sofa from a
sink learns in a fraction of the episodes to follow a sentence about them. Labels are never seen when acting.
"""

from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from agents.config import PhaseConfig
from agents.descent import Descent
from agents.navigator import Navigator, Observation
from agents.objective import Numbers
from agents.recording import record
from vln.errors import InputError

STEPS = 8  # of a walk
STOP = 0  # in every continuous world


class Wanderer:
    """Follows the expert in a share of the steps, moves or turns at random in the others, and never stops."""

    def __init__(self, actions: int, expert_share: float) -> None:
        """A wanderer in a world of so many actions."""
        self._actions, self._share = actions, expert_share

    def __call__(self, observation: Observation, infos: dict[str, Any], alive: Tensor) -> Tensor:
        """Actions (B,)."""
        expert = torch.as_tensor(infos["expert"], device=alive.device)
        anywhere = torch.randint(STOP + 1, self._actions, alive.shape, device=alive.device)
        following = (torch.rand(len(alive), device=alive.device) < self._share) & (expert != STOP)
        return torch.where(following, expert, anywhere)


def learn_names(
    navigator: Navigator, env: VectorEnv, episodes: np.ndarray, phase: PhaseConfig, descent: Descent
) -> Numbers:
    """Wander from the starts of `episodes` (B,), and take a step towards naming what was seen.

    Returns:
        Numbers to log.

    Raises:
        InputError: If the world shows no labels, or the navigator has no use for them.
    """
    wanderer = Wanderer(navigator.low_level_actions, phase.teacher_share)
    student = torch.zeros(len(episodes), device=next(navigator.parameters()).device)
    frames = record(env, episodes, wanderer, student, steps=STEPS).frames
    navigator.train()
    loss = navigator.naming(navigator.see({name: torch.cat([frame[name] for frame in frames]) for name in frames[0]}))
    if loss is None:
        problem = "there are no labelled images to learn from, or the navigator matches no words with them"
        raise InputError("--perception.iterations", problem, "set it to 0")
    descent.add(loss.mean())
    numbers = {"semantic": loss.detach().mean(), "loss": loss.detach().mean(), "frames": torch.tensor(len(loss))}
    return {**numbers, "gradient_norm": descent.step()}
