"""PPO (Schulman et al. 2017) for a recurrent agent: chunks of endless episodes, with the memory carried on.

Within a chunk gradients flow back through time, from a state at its start that is no more than a number: truncated
backpropagation through time. The agent acts and learns without dropout, so that ratios start at 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor
from torch.nn import functional as F

from agents.config import LossConfig, PpoConfig
from agents.learners import losses
from agents.learners.objective import Numbers
from agents.learners.recording import (
    Packing,
    actions_for,
    carried,
    frames_at,
    judge,
    pack,
    sample,
    unlabelled,
    unroll,
    without_dropout,
)
from agents.learners.sampler import EpisodeSampler
from agents.policies.language import Instruction
from agents.policies.navigator import Navigator, Observation, State, as_tensors
from agents.training.distributed import SINGLE, Workers
from agents.training.optimization import OptimizerStep

BATCH_AT = {"core": 2}  # the dimension of a state's tensors that counts bodies, where it is not the first


@dataclass(frozen=True)
class Chunk:
    """T steps of B bodies, (T, B) each unless said otherwise; without gradients.

    Attributes:
        frames: Observations: T of (B, ...).
        actions: Actions taken, int64.
        expert: The expert's actions, int64.
        log_prob: log-probability of the action taken.
        value: Estimated return before the action.
        reward: Reward of the action.
        progress: Share of the way that is done before the action.
        ends: 1.0 where the episode ended with the action.
        success: 1.0 where it ended well.
        begins: bool, the first steps of episodes.
        before: (B,) int64, the expert's actions before the first step; whatever where that begins an episode.
        following: (B,), estimated return after the last action.
        state: The agent's memory before the first action.
    """

    frames: list[Observation]
    actions: Tensor
    expert: Tensor
    log_prob: Tensor
    value: Tensor
    reward: Tensor
    progress: Tensor
    ends: Tensor
    success: Tensor
    begins: Tensor
    before: Tensor
    following: Tensor
    state: State


class Stream:
    """Endless episodes: a body that has ended one starts the next at once.

    A checkpoint keeps the agent's memory and the actions of the episodes that are under way, from which the simulator
    gets back to where it was.
    """

    def __init__(
        self, navigator: Navigator, env: VectorEnv, sampler: EpisodeSampler, frozen_eyes: bool = False
    ) -> None:
        """A stream that starts with the first chunk.

        Args:
            navigator: The agent.
            env: Training episodes, autoreset DISABLED.
            sampler: Says which episodes come one after the other.
            frozen_eyes: Keep what was seen in images instead of them, for an agent whose eyes do not learn.
        """
        self._navigator, self._env, self._sampler, self._frozen_eyes = navigator, env, sampler, frozen_eyes
        self._device = next(navigator.parameters()).device
        self._drawn = 0
        self._actions: list[Tensor] = []
        self.running = False

    def _draw(self, count: int) -> Tensor:
        """The next episodes."""
        batch = self._env.num_envs
        numbers = range(self._drawn, self._drawn + count)
        self._drawn += count
        return torch.tensor([self._sampler.batch(number // batch)[number % batch] for number in numbers])

    def _see(self, observation: dict[str, Any], infos: dict[str, Any]) -> None:
        self._observation = as_tensors(observation, self._device)
        names = ("expert", "distance", "steps", "success")
        self._infos = {name: torch.as_tensor(infos[name], device=self._device) for name in names}

    def _look(self) -> Observation:
        """What there is to act on and to learn from."""
        if self._frozen_eyes:
            shown = {name: value for name, value in self._observation.items() if name not in self._navigator.labels}
            self._observation = self._navigator.see(shown)
        return self._observation

    def _begin(self) -> None:
        """Start all bodies."""
        self._episodes = self._draw(self._env.num_envs)
        self._see(*self._env.reset(options={"episode_index": self._episodes.numpy()}))
        self._state = self._navigator.begin_episodes(self._observation)[1]
        self._start, self.running = self._infos["distance"], True
        self._expert = self._infos["expert"]

    @torch.no_grad()
    def chunk(self, steps: int) -> Chunk:
        """Live through the next `steps` steps.

        Raises:
            FloatingPointError: If the policy is not a number.
        """
        without_dropout(self._navigator)
        if not self.running:
            self._begin()
        self._trim()
        # Read again, as the agent reads since its last update.
        self._instruction, begun = self._navigator.begin_episodes(self._observation)
        self._state = carried(begun, self._state)
        state, expert, lived, frames = self._state, self._expert, [], []
        for _ in range(steps):
            frames.append(self._look())
            lived.append(self._step())
        output = self._navigator(self._instruction, unlabelled(self._navigator, self._look()), self._state)
        stacked = {name: torch.stack([step[name] for step in lived]) for name in lived[0]}
        return Chunk(frames=frames, before=expert, following=output.value, state=state, **stacked)

    def _step(self) -> dict[str, Tensor]:
        """Act once; (B,) each."""
        output = self._navigator(self._instruction, unlabelled(self._navigator, self._observation), self._state)
        actions, before = sample(output.logits), self._infos
        judged = judge(output, actions, before["expert"])
        observation, reward, terminated, truncated, infos = self._env.step(actions_for(self._env, actions))
        self._see(observation, infos)
        self._expert = before["expert"]
        self._state = self._navigator.chose(output, actions)
        self._actions.append(actions.to(torch.uint8))
        ends = torch.as_tensor(terminated, device=self._device) | torch.as_tensor(truncated, device=self._device)
        step = {
            "actions": actions,
            "expert": before["expert"],
            "log_prob": judged.log_prob,
            "value": judged.value,
            "reward": torch.as_tensor(reward, device=self._device),
            "progress": losses.progress_target(self._start, before["distance"]),
            "ends": ends.float(),
            "success": self._infos["success"].float(),
            "begins": before["steps"] == 0,
        }
        if bool(ends.any()):
            self._restart(ends)
        return step

    def _restart(self, ended: Tensor) -> None:
        """Start the next episodes of the bodies where `ended` (B,)."""
        rows = ended.nonzero()[:, 0]
        self._episodes = self._episodes.index_copy(0, rows.cpu(), self._draw(len(rows)))
        options = {"reset_mask": ended.numpy(force=True), "episode_index": self._episodes.numpy()}
        self._see(*self._env.reset(options=options))
        instruction, state = self._navigator.begin_episodes(
            {name: value[rows] for name, value in self._observation.items()}
        )
        self._instruction = _replaced_words(self._instruction, instruction, rows)
        self._state = replaced(self._state, state, rows)
        self._start = torch.where(ended, self._infos["distance"], self._start)

    def _trim(self) -> None:
        """Forget what is older than the oldest episode under way."""
        longest = int(self._infos["steps"].max())
        self._actions = self._actions[len(self._actions) - longest :]
        visited = self._state.visited
        self._state = replace(self._state, visited=visited[:, max(0, visited.shape[1] - longest) :])

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps; nothing before the first chunk."""
        if not self.running:
            return {}
        self._trim()
        state = {name: value for name, value in vars(self._state).items() if isinstance(value, Tensor)}
        return {
            "drawn": torch.tensor(self._drawn),
            "episodes": self._episodes,
            "steps": self._infos["steps"],
            "actions": torch.stack(self._actions) if self._actions else torch.zeros(0, self._env.num_envs),
            **{f"state.{name}": value for name, value in state.items()},
        }

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `tensors` gave: the bodies take the actions again that led to where they are."""
        if not tensors:
            return
        self._drawn, self._episodes = int(tensors["drawn"]), tensors["episodes"]
        steps, self._actions = tensors["steps"].to(self._device), list(tensors["actions"].to(self._device))
        episodes = {"episode_index": self._episodes.numpy()}
        observation, infos = self._env.reset(options=episodes)
        start, expert = (torch.as_tensor(infos[name], device=self._device) for name in ("distance", "expert"))
        for left in range(len(self._actions), -1, -1):  # a body starts as late as it has steps behind it
            late = steps == left
            if left < len(self._actions) and bool(late.any()):
                observation, infos = self._env.reset(options={"reset_mask": late.numpy(force=True), **episodes})
            if left:
                actions, expert = self._actions[-left].long(), torch.as_tensor(infos["expert"], device=self._device)
                observation, _, _, _, infos = self._env.step(actions_for(self._env, actions))
        self._see(observation, infos)
        # Clones, since products of tensors that lie elsewhere than at whole cache lines round differently.
        memory: dict[str, Any] = {
            name[6:]: value.to(self._device).clone() for name, value in tensors.items() if name.startswith("state.")
        }
        self._state = replace(self._navigator.begin_episodes(self._observation)[1], **memory)
        self._start, self._expert, self.running = start, expert, True


def replaced(state: State, new: State, rows: Tensor) -> State:
    """A state with those of the batch rows `rows` (n,) replaced by `new`, of n bodies."""
    tensors: dict[str, Any] = {
        name: _put(value, getattr(new, name), rows, BATCH_AT.get(name, 0))
        for name, value in vars(state).items()
        if isinstance(value, Tensor)
    }
    return replace(state, glance=state.glance.replaced(new.glance, rows), **tensors)


def _put(values: Tensor, new: Tensor, rows: Tensor, dimension: int) -> Tensor:
    """Values with `new` at `rows` of a dimension; the last one is filled up where `new` or they are shorter.

    Only visited places differ in length, and -1 stands for none of them.
    """
    if dimension:
        return values.index_copy(dimension, rows, new)
    width = max(values.shape[1], new.shape[1])
    values, new = (F.pad(each, (0, width - each.shape[1]), value=-1) for each in (values, new))
    return values.index_copy(0, rows, new)


def _replaced_words(instruction: Instruction, new: Instruction, rows: Tensor) -> Instruction:
    """Instructions with those of the batch rows `rows` (n,) replaced by `new`; the shorter are padded."""

    def put(values: Tensor, others: Tensor) -> Tensor:
        length = max(values.shape[1], others.shape[1])
        padding = [0, 0] * (values.dim() - 2)
        values, others = (F.pad(each, (*padding, 0, length - each.shape[1])) for each in (values, others))
        return values.index_copy(0, rows, others)

    goal = instruction.goal
    return Instruction(
        put(instruction.context, new.context),
        put(instruction.words, new.words),
        put(instruction.mask, new.mask),
        instruction.summary.index_copy(0, rows, new.summary),
        goal if goal is None or new.goal is None else goal.index_copy(0, rows, new.goal),
    )


class Ppo:
    """Learning from chunks of a stream."""

    def __init__(self, config: PpoConfig, navigator: Navigator, stream: Stream, optimizer: OptimizerStep) -> None:
        """Learn from `stream`."""
        self.config, self.stream, self._navigator, self._optimizer = config, stream, navigator, optimizer

    def update(self, weights: LossConfig) -> Numbers:
        """Live through a chunk and learn from it; returns numbers to log.

        Raises:
            FloatingPointError: If a loss, gradient or policy is not finite.
        """
        chunk = self.stream.chunk(self.config.steps)
        targets = ppo_targets(chunk, weights, self.config, self._optimizer.workers)
        found: list[Numbers] = []
        for _ in range(self.config.epochs):
            order = torch.randperm(chunk.actions.shape[1], device=chunk.actions.device)
            for bodies in order.chunk(self.config.minibatches):
                loss, numbers = self._loss(chunk, targets, bodies, weights)
                self._optimizer.backward(loss)
                found.append({**numbers, "loss": loss.detach(), "gradient_norm": self._optimizer.step()})
        means = {name: torch.stack([numbers[name] for numbers in found]).mean() for name in found[0]}
        return {**means, **ppo_summary(chunk, targets)}

    def _loss(
        self, chunk: Chunk, targets: Mapping[str, Tensor], bodies: Tensor, weights: LossConfig
    ) -> tuple[Tensor, Numbers]:
        """The loss of the steps of some bodies, and its terms."""
        mask = torch.zeros_like(chunk.reward).index_fill(1, bodies, 1.0)
        pieces = chunk.begins.clone()
        pieces[0] = True
        packing = pack(mask, pieces)
        frames = frames_at(chunk.frames, torch.ones_like(mask), packing.where)
        begins = {name: value[: packing.sizes[0]] for name, value in frames.items()}
        memory = _memory(self._navigator, chunk, packing, begins)
        at = {name: value.flatten()[packing.where] for name, value in targets.items()}
        predictions, _ = unroll(self._navigator, frames, (at["actions"], at["expert"]), packing.sizes, memory)
        change = predictions.log_prob - at["log_prob"]
        ratios, clip = change.exp(), self.config.clip
        terms = {
            "policy": losses.ppo_loss(ratios, at["gains"], clip),
            "value": losses.clipped_value_loss(predictions.value, at["value"], at["returns"], self.config.value_clip),
            "entropy": predictions.entropy.mean(),
            "student": -(predictions.expert_log_prob * at["weight"]).mean(),
            "progress": (predictions.progress - at["progress"]).square().mean(),
            "semantic": predictions.semantic.mean(),
        }
        loss = (
            weights.policy * (terms["policy"] - weights.entropy * terms["entropy"])
            + weights.value * terms["value"]
            + weights.student * terms["student"]
            + weights.progress * terms["progress"]
            + weights.semantic * terms["semantic"]
        )
        numbers = {
            **terms,
            "kl": (ratios - 1 - change).mean(),  # Schulman's estimate, never negative
            "clipped": ((ratios - 1).abs() > clip).float().mean(),
        }
        return loss, {name: value.detach() for name, value in numbers.items()}


def _memory(navigator: Navigator, chunk: Chunk, packing: Packing, begins: Observation) -> tuple[Instruction, State]:
    """Instructions as read now, and what is remembered of the way before each of K pieces of a chunk.

    `begins` are the first observations of the pieces.
    """
    instruction, begun = navigator.begin_episodes(begins)
    goes_on = ~chunk.begins[packing.firsts, packing.bodies]
    before = carried(begun.rows(goes_on.nonzero()[:, 0]), chunk.state.rows(packing.bodies[goes_on]))
    return instruction, replaced(begun, before, goes_on.nonzero()[:, 0])


def ppo_targets(chunk: Chunk, weights: LossConfig, config: PpoConfig, workers: Workers = SINGLE) -> dict[str, Tensor]:
    """What the loss of a chunk is measured with, (T, B) each; advantages and weights are scaled over all workers."""
    gains = losses.advantages(chunk.reward, chunk.value, chunk.ends, chunk.following, weights.discount, config.trace)
    everything = torch.ones_like(chunk.reward)
    return {
        "actions": chunk.actions,
        "expert": chunk.expert,
        "log_prob": chunk.log_prob,
        "value": chunk.value,
        "gains": losses.standardised(gains, workers.cat(gains)),
        "returns": gains + chunk.value,
        "progress": chunk.progress,
        "weight": losses.inflection_weights(
            chunk.expert, chunk.begins, everything, weights.inflection, workers.sum, chunk.before
        ),
    }


def ppo_summary(chunk: Chunk, targets: Mapping[str, Tensor]) -> Numbers:
    """Numbers to log of a chunk; success is that of the episodes that ended in it, NaN if none did."""
    ended = chunk.ends.sum()
    return {
        "success": (chunk.success * chunk.ends).sum() / ended,
        "reward": chunk.reward.mean(),
        "steps": chunk.ends.numel() / ended,
        "frames": torch.tensor(chunk.ends.numel()),
        "explained_variance": losses.explained_variance(chunk.value, targets["returns"], torch.ones_like(chunk.value)),
    }
