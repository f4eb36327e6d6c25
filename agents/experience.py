"""Collecting whole episodes to learn from."""

from dataclasses import dataclass

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from agents.navigator import Navigator, Observation, as_tensors
from agents.recording import Predictions, Recording, actions_for, judge, sample, shrink


@dataclass(frozen=True)
class Experience(Recording, Predictions):
    """Episodes of a batch: what happened, and what the agent makes of it, with gradients, (T, B) each.

    But for `student` and `success`, which are (B,), and the frames.
    """


def collect(
    navigator: Navigator, env: VectorEnv, episodes: np.ndarray, student: Tensor, *, keep_frames: bool = False
) -> Experience:
    """Live through `episodes` (B,): the agent samples where `student` (B,) is true, the expert acts elsewhere.

    The environment's autoreset mode is DISABLED.

    Raises:
        FloatingPointError: If the policy is not a number.
    """
    device = student.device
    observation, infos = env.reset(options={"episode_index": episodes})
    observation = as_tensors(observation, device)
    instruction, state = navigator.begin_episodes(observation)
    rows = torch.arange(len(student), device=device)
    alive = torch.ones(len(student), device=device)
    steps: list[dict[str, Tensor]] = []
    frames: list[Observation] = []
    while bool(alive.any()):
        rows, instruction, state = shrink(rows, alive, instruction, state)
        if keep_frames:
            frames.append({name: value[alive > 0] for name, value in observation.items()})
        output = navigator(instruction, {name: value[rows] for name, value in observation.items()}, state)
        everyones = torch.as_tensor(infos["expert"], device=device)
        expert = everyones[rows]
        actions = torch.where(student[rows], sample(output.logits.detach()), expert)
        predictions = judge(output, actions, expert)
        distance = torch.as_tensor(infos["distance"], device=device)
        before, taken = alive, torch.zeros_like(everyones).index_copy(0, rows, actions)
        observation, reward, terminated, truncated, infos = env.step(actions_for(env, taken))
        observation = as_tensors(observation, device)
        ended = torch.as_tensor(terminated, device=device) | torch.as_tensor(truncated, device=device)
        alive = alive * ~ended
        spread = {
            name: value.new_zeros(len(student)).index_copy(0, rows, value) for name, value in vars(predictions).items()
        }
        happened = {"actions": taken, "expert": everyones, "distance": distance, "mask": before}
        steps.append({**spread, **happened, "reward": torch.as_tensor(reward, device=device)})
        state = navigator.chose(output, actions)
    final = torch.as_tensor(infos["success"], device=device).float()
    stacked = {name: torch.stack([step[name] for step in steps]) for name in steps[0]}
    return Experience(**stacked, student=student.float(), success=final, frames=frames)
