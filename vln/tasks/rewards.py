"""Rewards: what each action is worth, from where bodies were and are, their ways so far and the references."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np

from vln.metrics import PathDistances, cls, ndtw
from vln.registry import Registry
from vln.tasks.success import Moment

if TYPE_CHECKING:
    from vln.tasks.task import Task
    from vln.trajectory import Pose


class EpisodeStates(Moment, Protocol):
    """B episodes before or after an action."""

    @property
    def ended(self) -> Any:
        """(B,) bool: whether this action ended the episode; nowhere before it."""

    @property
    def success(self) -> Any:
        """(B,) bool: whether it ended in success."""

    @property
    def paths(self) -> Sequence[Sequence["Pose"]]:
        """The poses of each body so far, from the start; only for rewards with `needs_paths`."""

    @property
    def path(self) -> PathDistances:
        """Distances of these paths to the references and the goals; only for rewards with `needs_paths`."""


@dataclass(frozen=True)
class Reward(ABC):
    """The reward of an action; subclasses are frozen dataclasses, registered with `REWARDS.register`.

    An environment gives 0 instead where the goal is withheld or cannot be reached, and after the end of an episode.
    """

    needs_paths: ClassVar[bool] = False
    """Whether it looks at ways so far, which an environment then remembers."""

    @abstractmethod
    def __call__(self, before: EpisodeStates, after: EpisodeStates, task: "Task") -> Any:
        """Return (B,) floats, as a torch tensor or a numpy array: what one action of each body was worth."""


REWARDS: Registry[type[Reward]] = Registry("reward")


@REWARDS.register("progress")
@dataclass(frozen=True)
class ProgressReward(Reward):
    """Rewards coming nearer to the goal, and success at the end."""

    progress: Literal["metres", "sign"] = "sign"
    """Reward of a move: metres nearer to the goal (Wang et al. 2019, section 3.3), or their sign (Tan et al. 2019)."""
    progress_weight: float = 1.0
    """Factor on the reward of a move."""
    success: float = 2.0
    """Reward for ending in success."""
    failure: float = -2.0
    """Reward for ending elsewhere, or for never stopping."""

    def __call__(self, before: EpisodeStates, after: EpisodeStates, task: "Task") -> Any:
        """Add the reward of the move and that of the end."""
        return progress_reward(before.distance, after.distance, self) + final_reward(after.ended, after.success, self)


@dataclass(frozen=True)
class PathReward(Reward):
    """Rewards likeness of the way to the reference, and success at the end."""

    needs_paths = True
    weight: float = 1.0
    """Factor on the likeness."""
    success: float = 1.0
    """Reward for ending in success."""


@REWARDS.register("ndtw")
@dataclass(frozen=True)
class NdtwReward(PathReward):
    """Rewards every gain in nDTW (Ilharco et al. 2019), and success at the end.

    The gains of an episode add up to its nDTW less that of standing at the start.
    """

    def __call__(self, before: EpisodeStates, after: EpisodeStates, task: "Task") -> Any:
        """Compare the ways before and after the action."""
        near = task.success.metres
        gain = ndtw(after.path, near) - ndtw(before.path, near)
        return self.weight * gain + self.success * np.asarray(after.success)


@REWARDS.register("cls")
@dataclass(frozen=True)
class ClsReward(PathReward):
    """Rewards the end alone: by CLS, and by success (the fidelity-oriented reward of Jain et al. 2019)."""

    def __call__(self, before: EpisodeStates, after: EpisodeStates, task: "Task") -> Any:
        """Score the whole way where it has ended."""
        ended = np.asarray(after.ended)
        found = cls(after.path, task.success.metres) if ended.any() else np.zeros(len(ended))
        return ended * (self.weight * found + self.success * np.asarray(after.success))


def progress_reward(before: Any, after: Any, config: ProgressReward) -> Any:
    """Reward for coming nearer: `before` and `after` are distances to the goal in metres, before and after the move.

    0 where either is not finite: where the goal is withheld (NaN), or cannot be reached (infinite).
    """
    with np.errstate(invalid="ignore"):
        nearer = before - after
    nearer[~(abs(nearer) < math.inf)] = 0.0
    if config.progress == "sign":
        nearer = 1.0 * (nearer > 0) - 1.0 * (nearer < 0)
    return config.progress_weight * nearer


def final_reward(ended: Any, success: Any, config: ProgressReward) -> Any:
    """Reward for ending an episode: `ended` and `success` are booleans; zero where the episode goes on."""
    return ended * (config.success * success + config.failure * (1 - 1 * success))
