"""What a learner is: an algorithm that improves a policy, update by update, in one phase of a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from agents.config import PhaseConfig, TrainConfig
from agents.learners.sampler import EpisodeSampler
from agents.policies.policy import Policy
from agents.registry import LEARNERS
from agents.speaking.critic import MatchingCritic
from agents.training.distributed import SINGLE, Workers
from agents.training.optimization import OptimizerStep
from vln.errors import InputError

Metrics = dict[str, Tensor]
MakeEpisodes = Callable[..., tuple[VectorEnv, EpisodeSampler]]
"""Makes an environment of a split and a sampler of its episodes, `batch_size` at a time for all workers; if `withheld`
it shows nothing of them but the instructions and where they start."""


@dataclass(frozen=True)
class Setup:
    """What a learner is given to work with."""

    policy: Policy  # The policy, on the device to learn on
    env: VectorEnv  # Training episodes, autoreset DISABLED, as many at a time as this worker has rows of a batch
    sampler: EpisodeSampler  # Says which episodes each update learns from
    optimizer: OptimizerStep  # Takes steps along gradients of the policy
    batch_size: int  # Episodes of an update, of all workers together
    seed: int  # Seed of everything random
    folder: Path  # Folder of the run, in which a learner may keep a folder of its own
    first_iteration: int = 0  # Updates of the phases before this one
    critic: MatchingCritic | None = None  # The matching critic, for intrinsic rewards and self-imitation
    make_episodes: MakeEpisodes | None = None  # Makes other environments than `env`
    workers: Workers = field(default=SINGLE)  # The processes that learn together

    @property
    def device(self) -> torch.device:
        """Where the policy is."""
        return next(self.policy.parameters()).device


class Learner:
    """A learning algorithm. A run makes one for each of its phases.

    Subclasses set `config_type` and implement `update`. Those whose experience outlives an update also implement
    `state_dict` and `load_state_dict`, from which a killed run goes on.
    """

    config_type: ClassVar[type[PhaseConfig]] = PhaseConfig
    needs_critic: ClassVar[bool] = False
    needs_labels: ClassVar[bool] = False  # of pixels, which environments show only where they are learnt from

    def __init__(self, config: Any, setup: Setup) -> None:
        """A learner that has made no update; `config` is of its `config_type`."""
        self.config, self.setup = config, setup
        self.updates = 0

    def update(self) -> Metrics:
        """Take one or more steps of the optimiser; return numbers to log.

        They include `loss`, `gradient_norm` and `frames`, the steps of episodes that were learnt from. `updates` counts
        the calls that have returned; the trainer keeps it. A loss, gradient or policy that is not finite is a
        FloatingPointError; it has not reached the weights.
        """
        raise NotImplementedError

    def missing(self) -> int:
        """Return how many times `collect` is to be called before the next update."""
        return 0

    def collect(self) -> int:
        """Collect experience; return the steps that were taken."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Tensor]:
        """Return the tensors from which `load_state_dict` goes on, those of this worker."""
        return {}

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` returned, after `updates` was restored."""

    def saved(self) -> None:
        """Free what only checkpoints before the one just written needed."""

    @classmethod
    def explored_splits(cls, config: Any) -> tuple[str, ...]:
        """Return the splits besides training whose episodes are learnt from, without their goals."""
        del config
        return ()

    @classmethod
    def check(cls, config: Any, run: TrainConfig, workers: int) -> None:
        """Raise an InputError, with a setting as its source, if a phase cannot learn in a run with so many workers."""


def make_learner(name: str, config: PhaseConfig, setup: Setup) -> Learner:
    """Make the learner of a phase with a name."""
    kind = LEARNERS.find(config.learner)
    if not isinstance(config, kind.config_type):
        problem = f"is for '{config.learner}', but its configuration is a {type(config).__name__}"
        raise InputError(f"phase '{name}'", problem, f"give it a {kind.config_type.__name__}")
    return kind(config, setup)
