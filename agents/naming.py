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

STEPS = 16  # of a walk
EPOCHS = 4  # times that its frames are learnt from; seeing them once costs as much as learning from them once
FRAMES = 64  # of a step of the optimiser: more steps of fewer frames see better than fewer of more
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
    """Wander from the starts of `episodes` (B,), and take steps towards naming what was seen.

    Returns:
        Numbers to log.

    Raises:
        InputError: If the world shows no labels, or the navigator has no use for them.
    """
    wanderer = Wanderer(navigator.low_level_actions, phase.teacher_share)
    student = torch.zeros(len(episodes), device=next(navigator.parameters()).device)
    frames = record(env, episodes, wanderer, student, steps=STEPS).frames
    seen = {name: torch.cat([frame[name] for frame in frames]) for name in frames[0]}
    navigator.train()
    count = len(seen["instruction"])
    order = torch.cat([torch.randperm(count, device=student.device) for _ in range(EPOCHS)])
    losses, norms = zip(
        *(
            _learn({name: value[part] for name, value in seen.items()}, navigator, descent)
            for part in torch.split(order, FRAMES)
        ),
        strict=True,
    )
    loss = torch.stack(losses).mean()
    numbers = {"semantic": loss, "loss": loss, "frames": torch.tensor(count)}
    return {**numbers, "gradient_norm": torch.stack(norms).mean()}


def _learn(frames: Observation, navigator: Navigator, descent: Descent) -> tuple[Tensor, Tensor]:
    """Take a step towards naming what frames show; returns the loss and the norm of the gradient."""
    loss = navigator.naming(navigator.see(frames))
    if loss is None:
        problem = "there are no labelled images to learn from, or the navigator matches no words with them"
        raise InputError("--perception.iterations", problem, "set it to 0")
    descent.add(loss.mean())
    return loss.detach().mean(), descent.step()
