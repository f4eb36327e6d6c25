"""Pre-training of an image encoder: it learns to name labels of pixels before the policy learns to act.

Frames need no memory of the way, so they are learnt from many times as fast as episodes, and an encoder that tells a
sofa from a sink makes instructions about them learnable in a fraction of the episodes. Labels are never used to act.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

import torch
from gymnasium import spaces
from torch import Tensor

from agents.config import PhaseConfig
from agents.learners.learner import Learner, Metrics, Setup
from agents.learners.recording import record
from agents.policies.recognition import sampled
from agents.policies.state import Observation, privileged
from vln.errors import InputError
from vln.observation import PRIVILEGED

STEPS = 16  # of a walk
WALKS = 32  # kept at a time: a step of the optimiser must see many houses, and many places in them
PASSES = 4  # times that a frame is learnt from, on average; rendering it costs as much as learning from it once
FRAMES = 64  # of a step of the optimiser: more steps of fewer frames learn more than fewer of more
STOP = 0  # in every continuous world


@runtime_checkable
class LabelledEncoder(Protocol):
    """A policy whose image encoder can be trained with labels of pixels."""

    labels: dict[str, int]  # How many labels there are, by their name in the privileged part of observations
    label_grid: int  # Rows and columns of cells that labels are compared in

    def encode(self, observation: Observation) -> Observation:
        """Encode images."""

    def label_loss(self, observation: Observation) -> Tensor | None:
        """(B,) loss of naming the labels of encoded images."""


@dataclass(frozen=True)
class LabelPretrainingConfig(PhaseConfig):
    """Pre-training with labels: an update is a walk of each body, and steps towards naming what was seen on walks."""

    learner: str = "label_pretraining"
    learning_rate: float = 2e-3
    expert_fraction: float = 0.5
    """Share of the steps of walks that follow the expert; the others are random moves and turns."""


class RandomWalk:
    """Follows the expert in a share of the steps, moves or turns at random in the others, and never stops."""

    def __init__(self, actions: int, expert_fraction: float, random: torch.Generator | None = None) -> None:
        self._actions, self._fraction, self._random = actions, expert_fraction, random

    def __call__(self, observation: Observation, infos: dict[str, Any], alive: Tensor) -> Tensor:
        """Actions (B,)."""
        draws: dict[str, Any] = {"device": alive.device, "generator": self._random}
        expert = torch.as_tensor(infos["expert"], device=alive.device)
        anywhere = torch.randint(STOP + 1, self._actions, alive.shape, **draws)
        following = (torch.rand(len(alive), **draws) < self._fraction) & (expert != STOP)
        return torch.where(following, expert, anywhere)


class LabelPretraining(Learner):
    """Walks of B bodies, one an update, and steps towards naming what was seen on the latest of them.

    A walk depends on its number alone, so that a resumed run walks the latest ones again.
    """

    config_type: ClassVar[type[PhaseConfig]] = LabelPretrainingConfig
    needs_labels = True
    config: LabelPretrainingConfig

    def __init__(self, config: LabelPretrainingConfig, setup: Setup) -> None:
        super().__init__(config, setup)
        self.encoder = labelled_encoder(setup)
        self._frames = max(1, FRAMES // setup.workers.count)
        self._seen: Observation = {}
        self._walked = 0  # number of the next walk

    def update(self) -> Metrics:
        """Walk, and learn from frames of the latest walks."""
        self._walked = max(self._walked, self.updates + 1 - WALKS)
        while self._walked <= self.updates:
            self._keep(self._walk(self._walked), self._walked)
            self._walked += 1
        count = len(self._seen["rgb"]) // WALKS
        self.setup.policy.train()
        steps = max(1, PASSES * count // self._frames)
        losses, norms = zip(*(self._learn(min(self.updates + 1, WALKS) * count) for _ in range(steps)), strict=True)
        loss = torch.stack(losses).mean()
        numbers = {"labels": loss, "loss": loss, "frames": torch.tensor(count)}
        return {**numbers, "gradient_norm": torch.stack(norms).mean()}

    def _walk(self, number: int) -> Observation:
        """Frames of a walk, (STEPS * B, ...), no more labels than are compared, depth in half precision."""
        setup, encoder = self.setup, self.encoder
        random = torch.Generator(setup.device).manual_seed(setup.workers.seed((setup.seed << 24) + number))
        episodes, actions = setup.sampler.batch(number), int(cast(spaces.Discrete, setup.env.single_action_space).n)
        act = RandomWalk(actions, self.config.expert_fraction, random)
        frames = record(setup.env, episodes, act, torch.zeros(len(episodes), device=setup.device), steps=STEPS).frames
        seen = {name: torch.cat([frame[name] for frame in frames]) for name in ("rgb", "depth")}
        labels = {
            name: torch.cat([sampled(privileged(frame)[name], encoder.label_grid) for frame in frames])
            for name in encoder.labels
        }
        return {"rgb": seen["rgb"], "depth": seen["depth"].half(), **labels}

    def _keep(self, frames: Observation, number: int) -> None:
        """Put a walk in the place of the oldest."""
        count = len(frames["rgb"])
        if not self._seen:
            self._seen = {name: value.new_zeros(WALKS * count, *value.shape[1:]) for name, value in frames.items()}
        place = number % WALKS * count
        for name, value in frames.items():
            self._seen[name][place : place + count] = value

    def _learn(self, count: int) -> tuple[Tensor, Tensor]:
        """Take a step towards naming what some of the first `count` frames show; return loss and gradient norm."""
        chosen = torch.randint(count, (min(self._frames, count),), device=self.setup.device)
        frames = {name: value[chosen] for name, value in self._seen.items()}
        labels = {name: frames.pop(name) for name in self.encoder.labels}
        observation = {**frames, "depth": frames["depth"].float(), PRIVILEGED: labels}
        loss = self.encoder.label_loss(self.encoder.encode(observation))
        assert loss is not None, "there are labels"
        self.setup.optimizer.backward(loss.mean())
        return loss.detach().mean(), self.setup.optimizer.step()


def labelled_encoder(setup: Setup) -> LabelledEncoder:
    """The policy, if it can learn from labels that its world shows; else an InputError."""
    shown = cast(spaces.Dict, setup.env.single_observation_space).spaces.get(PRIVILEGED)
    known = set(shown.spaces) if isinstance(shown, spaces.Dict) else set()
    policy = setup.policy
    if not isinstance(policy, LabelledEncoder) or not policy.labels or not set(policy.labels) <= known:
        problem = "there are no labelled images to learn from, or the policy does not learn from labels"
        raise InputError("learner 'label_pretraining'", problem, "set the iterations of its phase to 0")
    return policy
