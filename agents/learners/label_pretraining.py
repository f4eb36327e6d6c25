"""Learning to see before learning to act: a body wanders about, and its eyes learn to name what is before them.

Naming needs no memory, so frames are learnt from many times as fast as episodes, and whoever can tell a sofa from a
sink learns in a fraction of the episodes to follow a sentence about them. Labels are never seen when acting.
"""

from typing import Any, cast

import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from torch import Tensor

from agents.config import PhaseConfig, TrainConfig
from agents.learners.objective import Numbers
from agents.learners.recording import record
from agents.learners.sampler import EpisodeSampler
from agents.policies.navigator import Navigator, Observation
from agents.policies.recognition import sampled
from agents.policies.vision import ImageContent
from agents.training.distributed import SINGLE, Workers
from agents.training.optimization import OptimizerStep
from vln.errors import InputError

STEPS = 16  # of a walk
WALKS = 32  # that are kept: what is learnt from at once must be of many houses, and of many places in them
LOOKS = 4  # times that a frame is learnt from, on average; seeing it once costs as much as learning from it once
FRAMES = 64  # of a step of the optimiser: more steps of fewer frames see better than fewer of more
STOP = 0  # in every continuous world


class Wanderer:
    """Follows the expert in a share of the steps, moves or turns at random in the others, and never stops."""

    def __init__(self, actions: int, expert_share: float, random: torch.Generator | None = None) -> None:
        """A wanderer in a world of so many actions."""
        self._actions, self._share, self._random = actions, expert_share, random

    def __call__(self, observation: Observation, infos: dict[str, Any], alive: Tensor) -> Tensor:
        """Actions (B,)."""
        chance: dict[str, Any] = {"device": alive.device, "generator": self._random}
        expert = torch.as_tensor(infos["expert"], device=alive.device)
        anywhere = torch.randint(STOP + 1, self._actions, alive.shape, **chance)
        following = (torch.rand(len(alive), **chance) < self._share) & (expert != STOP)
        return torch.where(following, expert, anywhere)


class Naming:
    """Walks of B bodies, one an update, and steps towards naming what was seen on the latest of them.

    A walk depends on its number alone, so that a resumed run walks the latest ones again.
    """

    def __init__(
        self,
        config: TrainConfig,
        navigator: Navigator,
        env: VectorEnv,
        sampler: EpisodeSampler,
        workers: Workers = SINGLE,
    ) -> None:
        """Nothing has been seen yet.

        Args:
            config: The run's.
            navigator: The agent.
            env: Training episodes, autoreset DISABLED.
            sampler: Says from the starts of which episodes each walk sets out.
            workers: Whose workers divide bodies and frames among them.
        """
        self._workers, self._frames = workers, max(1, FRAMES // workers.count)
        self.config, self._navigator, self._env, self._sampler = config, navigator, env, sampler
        self._device = next(navigator.parameters()).device
        self._seen: Observation = {}
        self._walked = 0  # number of the next walk

    def update(self, done: int, phase: PhaseConfig, optimizer: OptimizerStep) -> Numbers:
        """The update after `done` updates of the phase; returns numbers to log.

        Raises:
            InputError: If the world shows no labels, or the navigator has no use for them.
        """
        self._walked = max(self._walked, done + 1 - WALKS)
        while self._walked <= done:
            frames = self._walk(self._walked, phase.teacher_share)
            self._keep(frames, self._walked)
            self._walked += 1
        count = frames_of(self._seen) // WALKS
        self._navigator.train()
        losses, norms = zip(
            *(
                self._learn(min(done + 1, WALKS) * count, optimizer)
                for _ in range(max(1, LOOKS * count // self._frames))
            ),
            strict=True,
        )
        loss = torch.stack(losses).mean()
        numbers = {"semantic": loss, "loss": loss, "frames": torch.tensor(count)}
        return {**numbers, "gradient_norm": torch.stack(norms).mean()}

    def forget(self) -> None:
        """Forget what was seen, hundreds of megabytes: nothing is named any more."""
        self._seen = {}

    def _walk(self, number: int, expert_share: float) -> Observation:
        """What is seen on a walk, (STEPS * B, ...), labels as few as are asked for, depth in half precision."""
        navigator, episodes = self._navigator, self._sampler.batch(number)
        if not navigator.labels or not set(navigator.labels) <= set(
            cast(spaces.Dict, self._env.single_observation_space)
        ):
            problem = "there are no labelled images to learn from, or the navigator matches no words with them"
            raise InputError("--perception.iterations", problem, "set it to 0")
        random = torch.Generator(self._device).manual_seed(self._workers.seed((self.config.seed << 24) + number))
        wanderer = Wanderer(navigator.low_level_actions, expert_share, random)
        nobody = torch.zeros(len(episodes), device=self._device)
        frames = record(self._env, episodes, wanderer, nobody, steps=STEPS).frames
        seen = {name: torch.cat([frame[name] for frame in frames]) for name in ("rgb", "depth")}
        side = cast(ImageContent, navigator.views).side
        labels = {name: torch.cat([sampled(frame[name], side) for frame in frames]) for name in navigator.labels}
        return {"rgb": seen["rgb"], "depth": seen["depth"].half(), **labels}

    def _keep(self, frames: Observation, number: int) -> None:
        """Put a walk in the place of the oldest."""
        count = frames_of(frames)
        if not self._seen:
            self._seen = {name: value.new_zeros(WALKS * count, *value.shape[1:]) for name, value in frames.items()}
        place = number % WALKS * count
        for name, value in frames.items():
            self._seen[name][place : place + count] = value

    def _learn(self, count: int, optimizer: OptimizerStep) -> tuple[Tensor, Tensor]:
        """Take a step towards naming what some of the first `count` frames show; returns loss and norm of gradient."""
        chosen = torch.randint(count, (min(self._frames, count),), device=self._device)
        frames = {name: value[chosen] for name, value in self._seen.items()}
        loss = self._navigator.naming(self._navigator.see({**frames, "depth": frames["depth"].float()}))
        assert loss is not None, "there are labels"
        optimizer.backward(loss.mean())
        return loss.detach().mean(), optimizer.step()


def frames_of(observation: Observation) -> int:
    """Number of frames in an observation."""
    return len(observation["rgb"])
