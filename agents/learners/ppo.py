"""PPO (Schulman et al. 2017) for a recurrent policy: rollouts of endless episodes, with the state carried on.

Within a rollout gradients flow back through time, from a state at its start that has none: truncated backpropagation
through time. The policy acts and learns without dropout, so that ratios start at 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from agents.config import LossConfig, PhaseConfig, TrainConfig
from agents.learners import losses
from agents.learners.learner import Learner, Metrics, Setup
from agents.learners.recording import Packing, actions_for, evaluate_actions, frames_at, pack, sample
from agents.learners.sampler import EpisodeSampler
from agents.policies.policy import Policy, without_dropout
from agents.policies.state import (
    Observation,
    State,
    as_tensors,
    check_state,
    named_tensors,
    rows,
    scatter,
    with_named_tensors,
    with_privileged,
    without_privileged,
)
from agents.training.distributed import SINGLE, Workers
from vln.errors import InputError

INFOS = ("expert", "distance", "steps", "success")  # that rollouts keep
STATE = "state"  # what names of the policy's tensors start with in a checkpoint


@dataclass(frozen=True)
class PpoConfig(PhaseConfig):
    """PPO (Schulman et al. 2017). The terms of the loss are means over steps; `student` weighs imitation."""

    learner: str = "ppo"
    loss: LossConfig = field(default_factory=lambda: LossConfig(teacher=0.0, student=0.0, policy=1.0, value=0.5))
    """Weights of the terms of the loss."""
    steps: int = 32
    """Steps of a rollout, within which gradients flow back through time; the state is carried on to the next."""
    epochs: int = 2
    """Times that a rollout is learnt from."""
    minibatches: int = 2
    """Parts of the batch, each of whole environments, with one step of the optimiser each."""
    clip: float = 0.2
    """How far the ratio of new to old probability may leave 1 before the gradient stops."""
    value_clip: float = 0.0
    """How far values may leave the old ones before their gradient stops; 0 does not clip."""
    gae_lambda: float = 0.95
    """Lambda of generalised advantage estimation."""
    freeze_encoder: bool = False
    """Leave the image encoder as it is: each image is then encoded once, when the policy acts on it, and not once more
    for each epoch."""


@dataclass(frozen=True)
class Rollout:
    """T steps of B environments, (T, B) each unless said otherwise; without gradients."""

    frames: list[Observation]  # Observations: T of (B, ...)
    actions: Tensor  # Actions taken, int64
    expert: Tensor  # The expert's actions, int64
    log_prob: Tensor  # log-probability of the action taken
    value: Tensor  # Estimated return before the action
    reward: Tensor  # Reward of the action
    progress: Tensor  # Share of the way that is done before the action
    dones: Tensor  # 1.0 where the episode ended with the action
    success: Tensor  # 1.0 where it ended well
    episode_starts: Tensor  # bool, the first steps of episodes
    expert_before: Tensor  # (B,) int64, the expert's actions before the first step; any where an episode starts with it
    next_value: Tensor  # (B,), estimated return after the last action
    state: State  # The policy's state before the first action


class RolloutCollector:
    """Collects rollouts of endless episodes: an environment whose episode has ended starts the next at once.

    A checkpoint keeps the policy's state and the actions of the episodes under way, which bring the simulator back to
    where it was.
    """

    def __init__(self, policy: Policy, env: VectorEnv, sampler: EpisodeSampler, freeze_encoder: bool = False) -> None:
        """Start before the first rollout; `freeze_encoder` keeps encoded observations instead of images."""
        self._policy, self._env, self._sampler, self._freeze_encoder = policy, env, sampler, freeze_encoder
        self._device = next(policy.parameters()).device
        self._drawn = 0
        self._actions: list[Tensor] = []
        self.running = False

    def _draw(self, count: int) -> Tensor:
        """The next episodes."""
        batch = self._env.num_envs
        numbers = range(self._drawn, self._drawn + count)
        self._drawn += count
        return torch.tensor([self._sampler.batch(number // batch)[number % batch] for number in numbers])

    def _receive(self, observation: dict[str, Any], infos: dict[str, Any]) -> None:
        self._observation = as_tensors(observation, self._device)
        self._infos = {name: torch.as_tensor(infos[name], device=self._device) for name in INFOS}

    def _frame(self) -> Observation:
        """The observation to act on and to learn from."""
        if self._freeze_encoder:
            self._observation = self._policy.encode(self._observation)
        return self._observation

    def _begin(self) -> None:
        """Start all environments."""
        self._episodes = self._draw(self._env.num_envs)
        self._receive(*self._env.reset(options={"episode_index": self._episodes.numpy()}))
        self._state = self._policy.initial_state(self._observation)
        check_state(self._state, self._env.num_envs, self._policy)
        self._start, self.running = self._infos["distance"], True
        self._expert = self._infos["expert"]

    @torch.no_grad()
    def rollout(self, steps: int) -> Rollout:
        """Take the next `steps` steps."""
        without_dropout(self._policy)
        if not self.running:
            self._begin()
        self._forget_old_actions()
        # The instructions are read again, as the policy has changed since.
        self._state = self._policy.carry(self._policy.initial_state(self._observation), self._state)
        state, expert, taken, frames = self._state, self._expert, [], []
        for _ in range(steps):
            frames.append(self._frame())
            taken.append(self._step())
        output = self._policy.step(without_privileged(self._frame()), self._state)
        stacked = {name: torch.stack([step[name] for step in taken]) for name in taken[0]}
        return Rollout(frames=frames, expert_before=expert, next_value=output.value, state=state, **stacked)

    def _step(self) -> dict[str, Tensor]:
        """Act once; (B,) each."""
        output = self._policy.step(without_privileged(self._observation), self._state)
        actions, before = sample(output.logits), self._infos
        judged = evaluate_actions(output, actions, before["expert"])
        observation, reward, terminated, truncated, infos = self._env.step(actions_for(self._env, actions))
        self._receive(observation, infos)
        self._expert = before["expert"]
        self._state = self._policy.after(output.state, actions)
        self._actions.append(actions.to(torch.uint8))
        dones = torch.as_tensor(terminated, device=self._device) | torch.as_tensor(truncated, device=self._device)
        step = {
            "actions": actions,
            "expert": before["expert"],
            "log_prob": judged.log_prob,
            "value": judged.value,
            "reward": torch.as_tensor(reward, device=self._device),
            "progress": losses.progress_target(self._start, before["distance"]),
            "dones": dones.float(),
            "success": self._infos["success"].float(),
            "episode_starts": before["steps"] == 0,
        }
        if bool(dones.any()):
            self._restart(dones)
        return step

    def _restart(self, dones: Tensor) -> None:
        """Start the next episodes of the environments where `dones` (B,)."""
        ended = dones.nonzero()[:, 0]
        self._episodes = self._episodes.index_copy(0, ended.cpu(), self._draw(len(ended)))
        options = {"reset_mask": dones.numpy(force=True), "episode_index": self._episodes.numpy()}
        self._receive(*self._env.reset(options=options))
        self._state = scatter(self._state, self._policy.initial_state(rows(self._observation, ended)), ended)
        self._start = torch.where(dones, self._infos["distance"], self._start)

    def _forget_old_actions(self) -> None:
        """Forget actions from before the oldest episode under way."""
        longest = int(self._infos["steps"].max())
        self._actions = self._actions[len(self._actions) - longest :]

    def state_dict(self) -> dict[str, Tensor]:
        """The tensors of a checkpoint; none before the first rollout."""
        if not self.running:
            return {}
        self._forget_old_actions()
        return {
            "drawn": torch.tensor(self._drawn),
            "episodes": self._episodes,
            "steps": self._infos["steps"],
            "actions": torch.stack(self._actions) if self._actions else torch.zeros(0, self._env.num_envs),
            **{f"{STATE}{name}": value for name, value in named_tensors(self._state).items()},
        }

    @torch.no_grad()
    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` gave: the environments take the actions again that led to where they are."""
        if not tensors:
            return
        self._drawn, self._episodes = int(tensors["drawn"]), tensors["episodes"]
        steps, self._actions = tensors["steps"].to(self._device), list(tensors["actions"].to(self._device))
        episodes = {"episode_index": self._episodes.numpy()}
        observation, infos = self._env.reset(options=episodes)
        start, expert = (torch.as_tensor(infos[name], device=self._device) for name in ("distance", "expert"))
        for left in range(len(self._actions), -1, -1):  # an environment starts as late as it has steps behind it
            late = steps == left
            if left < len(self._actions) and bool(late.any()):
                observation, infos = self._env.reset(options={"reset_mask": late.numpy(force=True), **episodes})
            if left:
                actions, expert = self._actions[-left].long(), torch.as_tensor(infos["expert"], device=self._device)
                observation, _, _, _, infos = self._env.step(actions_for(self._env, actions))
        self._receive(observation, infos)
        # Clones, since products of tensors that lie elsewhere than at whole cache lines round differently.
        saved = {
            name[len(STATE) :]: value.to(self._device).clone()
            for name, value in tensors.items()
            if name.startswith(STATE)
        }
        without_dropout(self._policy)  # as when the state was saved
        self._state = with_named_tensors(self._policy.initial_state(self._observation), saved)
        self._start, self._expert, self.running = start, expert, True


class Ppo(Learner):
    """Learning from rollouts."""

    config_type: ClassVar[type[PhaseConfig]] = PpoConfig
    config: PpoConfig

    def __init__(self, config: PpoConfig, setup: Setup) -> None:
        super().__init__(config, setup)
        self.collector = RolloutCollector(setup.policy, setup.env, setup.sampler, config.freeze_encoder)

    def update(self) -> Metrics:
        """Collect a rollout and learn from it."""
        rollout = self.collector.rollout(self.config.steps)
        targets = ppo_targets(rollout, self.config, self.setup.workers)
        found: list[Metrics] = []
        for _ in range(self.config.epochs):
            order = torch.randperm(rollout.actions.shape[1], device=rollout.actions.device)
            for environments in order.chunk(self.config.minibatches):
                loss, numbers = minibatch_loss(self.setup.policy, rollout, targets, environments, self.config)
                self.setup.optimizer.backward(loss)
                gradient_norm = self.setup.optimizer.step()
                found.append({**numbers, "loss": loss.detach(), "gradient_norm": gradient_norm})
        means = {name: torch.stack([numbers[name] for numbers in found]).mean() for name in found[0]}
        return {**means, **ppo_summary(rollout, targets)}

    def state_dict(self) -> dict[str, Tensor]:
        """The collector's."""
        return self.collector.state_dict()

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from the collector's state."""
        self.collector.load_state_dict(tensors)

    @classmethod
    def check(cls, config: PpoConfig, run: TrainConfig, workers: int) -> None:
        """Check that each minibatch has an environment, and that an encoder that is frozen has a camera."""
        environments = run.batch_size // workers
        if config.minibatches > environments:
            each = f"each of {workers} workers has" if workers > 1 else "there are"
            raise InputError("minibatches", f"{each} only {environments} environments", "give fewer")
        if config.freeze_encoder and not run.task.continuous:
            raise InputError("freeze_encoder", f"agents in {run.task.name} have no camera", "leave it out")


def minibatch_loss(
    policy: Policy, rollout: Rollout, targets: Mapping[str, Tensor], environments: Tensor, config: PpoConfig
) -> tuple[Tensor, Metrics]:
    """The loss of the steps of some environments, and its terms."""
    mask = torch.zeros_like(rollout.reward).index_fill(1, environments, 1.0)
    pieces = rollout.episode_starts.clone()
    pieces[0] = True
    packing = pack(mask, pieces)
    at = {name: value.flatten()[packing.where] for name, value in targets.items()}
    frames = frames_at(rollout.frames, torch.ones_like(mask), packing.where)
    state = piece_states(policy, rollout, packing, rows(frames, torch.arange(packing.sizes[0], device=mask.device)))
    frames = with_privileged(frames, progress=at["progress"])
    output, _ = policy.unroll(frames, at["actions"], packing.sizes, state)
    predictions = evaluate_actions(output, at["actions"], at["expert"])
    change = predictions.log_prob - at["log_prob"]
    ratios, weights = change.exp(), config.loss
    terms = {
        "policy": losses.ppo_loss(ratios, at["advantages"], config.clip),
        "value": losses.clipped_value_loss(predictions.value, at["value"], at["returns"], config.value_clip),
        "entropy": predictions.entropy.mean(),
        "student": -(predictions.expert_log_prob * at["weight"]).mean(),
    }
    auxiliary = {name: value.mean() for name, value in predictions.auxiliary.items()}
    loss = (
        weights.policy * (terms["policy"] - weights.entropy * terms["entropy"])
        + weights.value * terms["value"]
        + weights.student * terms["student"]
    )
    for name, value in auxiliary.items():
        loss = loss + weights.of(name) * value
    numbers = {
        **terms,
        **auxiliary,
        "kl": (ratios - 1 - change).mean(),  # Schulman's estimate, never negative
        "clipped": ((ratios - 1).abs() > config.clip).float().mean(),
    }
    return loss, {name: value.detach() for name, value in numbers.items()}


def piece_states(policy: Policy, rollout: Rollout, packing: Packing, first: Observation) -> State:
    """The states before K pieces of episodes in a rollout, whose first observations are `first` (K, ...)."""
    initial = policy.initial_state(first)
    goes_on = ~rollout.episode_starts[packing.firsts, packing.bodies]
    index = goes_on.nonzero()[:, 0]
    carried = policy.carry(rows(initial, index), rows(rollout.state, packing.bodies[goes_on]))
    return scatter(initial, carried, index)


def ppo_targets(rollout: Rollout, config: PpoConfig, workers: Workers = SINGLE) -> dict[str, Tensor]:
    """What the loss of a rollout is measured with, (T, B) each; advantages and weights are scaled over all workers."""
    weights = config.loss
    advantages = losses.advantages(
        rollout.reward, rollout.value, rollout.dones, rollout.next_value, weights.discount, config.gae_lambda
    )
    everything = torch.ones_like(rollout.reward)
    return {
        "actions": rollout.actions,
        "expert": rollout.expert,
        "log_prob": rollout.log_prob,
        "value": rollout.value,
        "advantages": losses.standardised(advantages, workers.cat(advantages)),
        "returns": advantages + rollout.value,
        "progress": rollout.progress,
        "weight": losses.inflection_weights(
            rollout.expert,
            rollout.episode_starts,
            everything,
            weights.inflection,
            workers.sum,
            rollout.expert_before,
        ),
    }


def ppo_summary(rollout: Rollout, targets: Mapping[str, Tensor]) -> Metrics:
    """Numbers to log of a rollout; success is that of the episodes that ended in it, NaN if none did."""
    ended = rollout.dones.sum()
    explained = losses.explained_variance(rollout.value, targets["returns"], torch.ones_like(rollout.value))
    return {
        "success": (rollout.success * rollout.dones).sum() / ended,
        "reward": rollout.reward.mean(),
        "steps": rollout.dones.numel() / ended,
        "frames": torch.tensor(rollout.dones.numel()),
        "explained_variance": explained,
    }
