"""Collecting whole episodes to learn from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from agents.navigator import Navigator, as_tensors

SHRINK = 0.8  # leave ended episodes out of the network once no more than this share is alive


@dataclass(frozen=True)
class Experience:
    """Episodes of a batch, (T, B) each unless said otherwise.

    Attributes:
        expert_log_prob: log-probability of the expert's action, with gradient.
        log_prob: log-probability of the action taken, with gradient.
        entropy: Entropy of the policy in nats, with gradient.
        value: Estimated return, with gradient.
        progress: Estimated progress, with gradient.
        reward: Reward of the action.
        distance: Metres to the goal before the action.
        mask: 1.0 where the episode was alive.
        student: (B,) 1.0 where the agent acted, 0.0 where the expert did.
        success: (B,) 1.0 where the episode succeeded.
    """

    expert_log_prob: Tensor
    log_prob: Tensor
    entropy: Tensor
    value: Tensor
    progress: Tensor
    reward: Tensor
    distance: Tensor
    mask: Tensor
    student: Tensor
    success: Tensor


def collect(navigator: Navigator, env: VectorEnv, episodes: np.ndarray, student: Tensor) -> Experience:
    """Live through `episodes` (B,): the agent samples where `student` (B,) is true, the expert acts elsewhere.

    The environment's autoreset mode is DISABLED.

    Raises:
        FloatingPointError: If the policy is not a number.
    """
    device = student.device
    observation, infos = env.reset(options={"episodes": episodes})
    observation = as_tensors(observation, device)
    instruction, state = navigator.begin(observation["instruction"])
    rows = torch.arange(len(student), device=device)
    alive = torch.ones(len(student), device=device)
    steps: list[dict[str, Tensor]] = []
    while bool(alive.any()):
        rows, instruction, state = _shrink(rows, alive, instruction, state)
        output = navigator(instruction, {name: value[rows] for name, value in observation.items()}, state)
        log_probs = output.logits.log_softmax(-1)
        if bool(log_probs.isnan().any()):
            raise FloatingPointError("a probability of the policy is nan")
        probs = log_probs.exp()
        expert = torch.as_tensor(infos["expert"], device=device)[rows]
        actions = torch.where(student[rows], torch.multinomial(probs.detach(), 1)[:, 0], expert)
        taken = {
            "expert_log_prob": _pick(log_probs, expert),
            "log_prob": _pick(log_probs, actions),
            "entropy": -(probs * log_probs.masked_fill(probs == 0, 0.0)).sum(-1),
            "value": output.value,
            "progress": output.progress,
        }
        distance = torch.as_tensor(infos["distance"], device=device)
        before, everyone = alive, torch.zeros_like(student, dtype=torch.int64).index_copy(0, rows, actions)
        observation, reward, terminated, truncated, infos = env.step(_for(env, everyone))
        observation = as_tensors(observation, device)
        ended = torch.as_tensor(terminated, device=device) | torch.as_tensor(truncated, device=device)
        alive = alive * ~ended
        spread = {name: value.new_zeros(len(student)).index_copy(0, rows, value) for name, value in taken.items()}
        steps.append({**spread, "reward": torch.as_tensor(reward, device=device), "distance": distance, "mask": before})
        state = navigator.chose(output, actions)
    final = torch.as_tensor(infos["success"], device=device).float()
    stacked = {name: torch.stack([step[name] for step in steps]) for name in steps[0]}
    return Experience(**stacked, student=student.float(), success=final)


def _shrink(rows: Tensor, alive: Tensor, instruction: Any, state: Any) -> tuple[Tensor, Any, Any]:
    """Leave out episodes that have ended, once enough have."""
    keep = alive[rows].nonzero()[:, 0]
    if len(keep) > SHRINK * len(rows):
        return rows, instruction, state
    return rows[keep], instruction.rows(keep), state.rows(keep)


def _pick(log_probs: Tensor, actions: Tensor) -> Tensor:
    return log_probs.gather(1, actions[:, None])[:, 0]


def _for(env: VectorEnv, actions: Tensor) -> Any:
    """Actions in the form an environment takes: tensors where it gives tensors, numpy arrays elsewhere."""
    return actions if getattr(env, "gives_tensors", False) else actions.numpy(force=True)
