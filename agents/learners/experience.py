"""Collecting whole episodes to learn from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from agents.learners.losses import progress_target
from agents.learners.recording import Predictions, Recording, actions_for, judge, sample, shrink
from agents.policies.policy import Policy
from agents.policies.state import (
    Observation,
    State,
    as_tensors,
    check_state,
    concatenate,
    map_tensors,
    rows,
    with_privileged,
)
from agents.training.checkpoint import drawn_again, random_states


@dataclass(frozen=True)
class Experience(Recording):
    """Episodes of a batch, and the policy's judgement of their steps, with gradients, (T, B) each.

    Attributes:
        predictions: The judgement.
    """

    predictions: Predictions


@dataclass(frozen=True)
class Moment:
    """A step of n of B episodes.

    Attributes:
        index: (n,) int64, which of them.
        alive: (n,) bool, whose episodes had not ended.
        seen: Observations (n, ...).
        actions: (n,) int64.
        expert: (n,) int64.
        state: The policy's state before it.
        draws: The random generators before it.
    """

    index: Tensor
    alive: Tensor
    seen: Observation
    actions: Tensor
    expert: Tensor
    state: State
    draws: Mapping[str, Tensor]


def collect(
    policy: Policy,
    env: VectorEnv,
    episodes: np.ndarray,
    student: Tensor,
    *,
    keep_frames: bool = False,
    moments: list[Moment] | None = None,
) -> Experience:
    """Step through `episodes` (B,): the policy samples where `student` (B,) is true, the expert acts elsewhere.

    The environment's autoreset mode is DISABLED. Each step is added to the list `moments`, if there is one.

    Raises:
        FloatingPointError: If the policy is not a number.
    """
    device = student.device
    observation, infos = env.reset(options={"episode_index": episodes})
    observation = as_tensors(observation, device)
    state = policy.initial_state(observation)
    check_state(state, len(student), policy)
    start = torch.as_tensor(infos["distance"], device=device)
    index = torch.arange(len(student), device=device)
    alive = torch.ones(len(student), device=device)
    steps: list[dict[str, Tensor]] = []
    judged: list[Predictions] = []
    frames: list[Observation] = []
    while bool(alive.any()):
        index, state = shrink(alive, index, state)
        if keep_frames:
            frames.append(rows(observation, alive > 0))
        everyones, distance = (torch.as_tensor(infos[name], device=device) for name in ("expert", "distance"))
        progress, expert = progress_target(start, distance), everyones[index]
        seen = with_privileged(rows(observation, index), progress=progress[index])
        draws = random_states(device) if moments is not None else {}
        output = policy.step(seen, state)
        actions = torch.where(student[index], sample(output.logits.detach()), expert)
        if moments is not None:
            moments.append(Moment(index, alive[index] > 0, seen, actions, expert, state, draws))
        judged.append(_spread(judge(output, actions, expert), index, len(student)))
        before, taken = alive, torch.zeros_like(everyones).index_copy(0, index, actions)
        observation, reward, terminated, truncated, infos = env.step(actions_for(env, taken))
        observation = as_tensors(observation, device)
        ended = torch.as_tensor(terminated, device=device) | torch.as_tensor(truncated, device=device)
        alive = alive * ~ended
        happened = {"actions": taken, "expert": everyones, "distance": distance, "mask": before}
        steps.append({**happened, "reward": torch.as_tensor(reward, device=device)})
        state = policy.after(output.state, actions)
    final = torch.as_tensor(infos["success"], device=device).float()
    stacked = {name: torch.stack([step[name] for step in steps]) for name in steps[0]}
    predictions = map_tensors(lambda *each: torch.stack(each), *judged)
    return Experience(**stacked, student=student.float(), success=final, frames=frames, predictions=predictions)


def _spread(predictions: Predictions, index: Tensor, batch: int) -> Predictions:
    """Predictions of the episodes `index` (n,) as those of a batch, with zeros for the others."""
    found: Predictions = map_tensors(lambda each: each.new_zeros(batch).index_copy(0, index, each), predictions)
    return found


def again(
    policy: Policy, moments: list[Moment], reading: Mapping[str, Tensor], truncate: int
) -> Iterator[tuple[Predictions, Tensor]]:
    """Go through steps that were collected without gradients, with them, and cut them after every `truncate` steps.

    Dropout hides the same features again, so that the policy that learns is the one that acted.

    Args:
        policy: The policy, as it was then.
        moments: All steps.
        reading: The random generators before the instructions were read.
        truncate: Steps whose gradients need memory at a time.

    Yields:
        Predictions (n,) and their positions (n,) among the flattened (T, B).
    """
    batch, device = len(moments[0].index), moments[0].index.device
    for first in range(0, len(moments), truncate):
        part = moments[first : first + truncate]
        with drawn_again(reading, device):
            state = policy.initial_state(moments[0].seen)
        index = part[0].index
        state = rows(state, index)
        state = policy.carry(state, part[0].state) if first else state
        found = []
        with drawn_again(part[0].draws, device):
            for moment in part:
                state = rows(state, torch.isin(index, moment.index).nonzero()[:, 0])
                index = moment.index
                output = policy.step(moment.seen, state)
                sample(output.logits.detach())  # draws the same numbers as then
                found.append(judge(output, moment.actions, moment.expert))
                state = policy.after(output.state, moment.actions)
        alive = torch.cat([moment.alive for moment in part])
        where = torch.cat([(first + step) * batch + moment.index for step, moment in enumerate(part)])
        yield rows(concatenate(found), alive), where[alive]
