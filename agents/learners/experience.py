"""Collecting whole episodes to learn from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from agents.learners.recording import Predictions, Recording, actions_for, carried, judge, sample, shrink
from agents.policies.navigator import Navigator, Observation, State, as_tensors
from agents.training.checkpoint import drawn_again, random_states


@dataclass(frozen=True)
class Experience(Recording, Predictions):
    """Episodes of a batch: what happened, and what the agent makes of it, with gradients, (T, B) each.

    But for `student` and `success`, which are (B,), and the frames.
    """


@dataclass(frozen=True)
class Moment:
    """What n of B bodies had before them at a step, and what came of it.

    Attributes:
        rows: (n,) int64, which of them.
        alive: (n,) bool, whose episodes had not ended.
        seen: Observations (n, ...).
        actions: (n,) int64.
        expert: (n,) int64.
        state: The agent's memory before it.
        chance: The random generators before it.
    """

    rows: Tensor
    alive: Tensor
    seen: Observation
    actions: Tensor
    expert: Tensor
    state: State
    chance: Mapping[str, Tensor]


def collect(
    navigator: Navigator,
    env: VectorEnv,
    episodes: np.ndarray,
    student: Tensor,
    *,
    keep_frames: bool = False,
    moments: list[Moment] | None = None,
) -> Experience:
    """Live through `episodes` (B,): the agent samples where `student` (B,) is true, the expert acts elsewhere.

    The environment's autoreset mode is DISABLED. Each step is added to the list `moments`, if there is one.

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
        everyones = torch.as_tensor(infos["expert"], device=device)
        seen, expert = {name: value[rows] for name, value in observation.items()}, everyones[rows]
        chance = random_states(device) if moments is not None else {}
        output = navigator(instruction, seen, state)
        actions = torch.where(student[rows], sample(output.logits.detach()), expert)
        if moments is not None:
            moments.append(Moment(rows, alive[rows] > 0, seen, actions, expert, state, chance))
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


def again(
    navigator: Navigator, moments: list[Moment], reading: Mapping[str, Tensor], truncate: int
) -> Iterator[tuple[Predictions, Tensor]]:
    """Go through what was collected without gradients, with them, and cut them after every `truncate` steps.

    Dropout hides what it hid then, so that what the agent makes of its actions is what it acted by.

    Args:
        navigator: The agent, as it was then.
        moments: All steps.
        reading: The random generators before it read the instructions.
        truncate: Steps whose gradients need memory at a time.

    Yields:
        Predictions (n,) and their positions (n,) among the flattened (T, B).
    """
    batch, device = len(moments[0].rows), moments[0].rows.device
    for first in range(0, len(moments), truncate):
        part = moments[first : first + truncate]
        with drawn_again(reading, device):
            instruction, state = navigator.begin_episodes(moments[0].seen)
        rows = part[0].rows
        instruction, state = instruction.rows(rows), state.rows(rows)
        state = carried(state, part[0].state) if first else state
        found = []
        with drawn_again(part[0].chance, device):
            for moment in part:
                keep = torch.isin(rows, moment.rows).nonzero()[:, 0]
                rows, instruction, state = moment.rows, instruction.rows(keep), state.rows(keep)
                output = navigator(instruction, moment.seen, state)
                sample(output.logits.detach())  # draws what it drew then
                found.append(judge(output, moment.actions, moment.expert))
                state = navigator.chose(output, moment.actions)
        alive = torch.cat([moment.alive for moment in part])
        where = torch.cat([(first + step) * batch + moment.rows for step, moment in enumerate(part)])
        joined = {name: torch.cat([getattr(each, name) for each in found])[alive] for name in vars(found[0])}
        yield Predictions(**joined), where[alive]
