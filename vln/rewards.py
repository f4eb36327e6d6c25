"""Rewards of navigation, as pure functions of distances to the goal, elementwise on numpy arrays or torch tensors."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True)
class RewardConfig:
    """The extrinsic reward of a step."""

    progress: Literal["metres", "sign"] = "sign"
    """Reward of a move: metres nearer to the goal (Wang et al. 2019, section 3.3), or their sign (Tan et al. 2019)."""
    progress_weight: float = 1.0
    """Factor on the reward of a move."""
    success: float = 2.0
    """Reward for a stop within the success distance."""
    failure: float = -2.0
    """Reward for a stop elsewhere, or for never stopping."""


def progress_reward(before: Any, after: Any, config: RewardConfig) -> Any:
    """Reward for coming nearer: `before` and `after` are distances to the goal in metres, before and after the move.

    0 where either is not finite: where the goal is withheld (NaN), or cannot be reached (infinite).
    """
    with np.errstate(invalid="ignore"):
        nearer = before - after
    nearer[~(abs(nearer) < math.inf)] = 0.0
    if config.progress == "sign":
        nearer = 1.0 * (nearer > 0) - 1.0 * (nearer < 0)
    return config.progress_weight * nearer


def final_reward(ended: Any, success: Any, config: RewardConfig) -> Any:
    """Reward for ending an episode: `ended` and `success` are booleans; zero where the episode goes on."""
    return ended * (config.success * success + config.failure * (1 - 1 * success))
