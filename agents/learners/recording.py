"""The loop that steps through episodes, and replays of what it recorded through a policy with gradients.

Acting without gradients needs little memory, whole episodes are known before anything is learnt from them, and encoders
of images run once for all steps. Replayed steps are packed as in torch's `PackedSequence`: pieces of episodes, the
longest first, all their first steps, then all their second ones, and so on, so that ended episodes cost nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from agents.learners.losses import progress_target
from agents.policies.policy import Policy, PolicyOutput
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
from agents.training.checkpoint import random_states, with_random_states

SHRINK = 0.8  # leave ended episodes out of the network once no more than this share is alive
Act = Callable[[Observation, dict[str, Any], Tensor], Tensor]
"""From observation, infos and who is alive (B,) bool to actions (B,), whatever for the others."""


@dataclass(frozen=True)
class Steps:
    """What happened to a batch of episodes, (T, B) each unless said otherwise."""

    actions: Tensor  # Action taken, int64
    expert: Tensor  # The expert's action, int64
    reward: Tensor  # Reward of the action
    distance: Tensor  # Metres to the goal before the action
    mask: Tensor  # 1.0 where the episode was alive
    student: Tensor  # (B,) 1.0 where the agent acted, 0.0 where the expert did
    success: Tensor  # (B,) 1.0 where the episode succeeded


class Predictions(NamedTuple):
    """A policy's judgement of steps, all with gradients and of one shape."""

    expert_log_prob: Tensor  # log-probability of the expert's action
    log_prob: Tensor  # log-probability of the action taken
    entropy: Tensor  # Entropy of the policy in nats
    value: Tensor  # Estimated return
    auxiliary: dict[str, Tensor]  # Losses of auxiliary tasks by name


def evaluate_actions(output: PolicyOutput, actions: Tensor, expert: Tensor) -> Predictions:
    """Judge the actions taken (n,) and the expert's (n,) by decisions; a FloatingPointError if the policy is NaN."""
    log_probs = output.logits.log_softmax(-1)
    if bool(log_probs.isnan().any()):
        raise FloatingPointError("a probability of the policy is nan")
    entropy = -(log_probs.exp() * log_probs.masked_fill(log_probs == -torch.inf, 0.0)).sum(-1)
    right, chosen = (log_probs.gather(1, each[:, None])[:, 0] for each in (expert, actions))
    return Predictions(right, chosen, entropy, output.value, dict(output.auxiliary))


def drop_ended(alive: Tensor, index: Tensor, state: State) -> tuple[Tensor, State]:
    """Leave out episodes that have ended, once enough have; `index` (n,) are the episodes of the state."""
    keep = alive[index].nonzero()[:, 0]
    return (index, state) if len(keep) > SHRINK * len(index) else (index[keep], rows(state, keep))


def actions_for(env: VectorEnv, actions: Tensor) -> Any:
    """Actions in the form an environment takes: tensors where it gives tensors, numpy arrays elsewhere."""
    return actions if getattr(env, "gives_tensors", False) else actions.numpy(force=True)


# --- recording ---


@dataclass(frozen=True)
class Recording(Steps):
    """Steps, and the observations at each: `frames` has T of (live episodes, ...), none if they were not kept."""

    frames: list[Observation]


def record(
    env: VectorEnv,
    episodes: np.ndarray,
    act: Act,
    student: Tensor,
    *,
    keep_frames: bool = True,
    steps: int | None = None,
) -> Recording:
    """Step through `episodes` (B,) and write down everything, until all have ended or so many `steps` were taken.

    The environment has autoreset DISABLED. `student` (B,) notes whether the agent acts.
    """
    device = student.device
    observation, infos = env.reset(options={"episode_index": episodes})
    observation = as_tensors(observation, device)
    alive = torch.ones(len(student), dtype=torch.bool, device=device)
    everyone, frames = True, []
    taken: list[dict[str, Tensor]] = []
    while bool(alive.any()) and len(taken) != steps:
        actions = act(observation, infos, alive)
        if keep_frames:
            frames.append(observation if everyone else rows(observation, alive))
        expert, distance = (torch.as_tensor(infos[name], device=device) for name in ("expert", "distance"))
        before = alive
        observation, reward, terminated, truncated, infos = env.step(actions_for(env, actions))
        observation = as_tensors(observation, device)
        alive = alive & ~(torch.as_tensor(terminated, device=device) | torch.as_tensor(truncated, device=device))
        everyone = everyone and bool(alive.all())
        step = {"actions": actions, "expert": expert, "distance": distance, "mask": before.float()}
        taken.append({**step, "reward": torch.as_tensor(reward, device=device)})
    success = torch.as_tensor(infos["success"], device=device).float()
    stacked = {name: torch.stack([step[name] for step in taken]) for name in taken[0]}
    return Recording(**stacked, student=student.float(), success=success, frames=frames)


class ExpertActor:
    """Takes the expert's actions."""

    def __call__(self, observation: Observation, infos: dict[str, Any], alive: Tensor) -> Tensor:
        """The expert's actions."""
        return torch.as_tensor(infos["expert"], device=alive.device)


@dataclass(frozen=True)
class Experience(Recording):
    """Episodes of a batch, and the policy's predictions (T, B) of their steps, with gradients."""

    predictions: Predictions


@dataclass(frozen=True)
class CollectedStep:
    """A step of n of B episodes."""

    index: Tensor  # (n,) int64, which of them
    alive: Tensor  # (n,) bool, whose episodes had not ended
    seen: Observation  # Observations (n, ...)
    actions: Tensor  # (n,) int64
    expert: Tensor  # (n,) int64
    state: State  # The policy's state before it
    draws: Mapping[str, Tensor]  # The random generators before it


class SamplingActor:
    """Samples from the policy in some episodes, and takes the expert's actions in the others.

    `predictions` of each step, (B,) each, have gradients unless these are switched off.
    """

    def __init__(self, policy: Policy, student: Tensor, moments: list[CollectedStep] | None = None) -> None:
        """Sample where `student` (B,) is true; each step is added to the list `moments`, if there is one."""
        self._policy, self._student, self._moments = policy, student, moments
        self._memory: tuple[Tensor, State] | None = None
        self.predictions: list[Predictions] = []

    def __call__(self, observation: Observation, infos: dict[str, Any], alive: Tensor) -> Tensor:
        """Actions (B,) of the live episodes."""
        everyones, distance = (torch.as_tensor(infos[name], device=alive.device) for name in ("expert", "distance"))
        if self._memory is None:
            self._memory = torch.arange(len(alive), device=alive.device), self._policy.initial_state(observation)
            check_state(self._memory[1], len(alive), self._policy)
            self._start = distance
        index, state = drop_ended(alive, *self._memory)
        progress, expert = progress_target(self._start, distance), everyones[index]
        seen = with_privileged(rows(observation, index), progress=progress[index])
        draws = random_states(alive.device) if self._moments is not None else {}
        output = self._policy.step(seen, state)
        actions = torch.where(self._student[index], sample(output.logits.detach()), expert)
        if self._moments is not None:
            self._moments.append(CollectedStep(index, alive[index], seen, actions, expert, state, draws))
        self.predictions.append(_spread(evaluate_actions(output, actions, expert), index, len(alive)))
        self._memory = index, self._policy.after(output.state, actions)
        return torch.zeros_like(everyones).index_copy(0, index, actions)


def collect(
    policy: Policy,
    env: VectorEnv,
    episodes: np.ndarray,
    student: Tensor,
    *,
    keep_frames: bool = False,
    moments: list[CollectedStep] | None = None,
) -> Experience:
    """Step through `episodes` (B,): the policy samples where `student` (B,) is true, the expert acts elsewhere."""
    act = SamplingActor(policy, student, moments)
    steps = record(env, episodes, act, student, keep_frames=keep_frames)
    predictions = map_tensors(lambda *each: torch.stack(each), *act.predictions)
    return Experience(**vars(steps), predictions=predictions)


def _spread(predictions: Predictions, index: Tensor, batch: int) -> Predictions:
    """Predictions of the episodes `index` (n,) as those of a batch, with zeros for the others."""
    found: Predictions = map_tensors(lambda each: each.new_zeros(batch).index_copy(0, index, each), predictions)
    return found


def sample(logits: Tensor, random: torch.Generator | None = None) -> Tensor:
    """Actions (n,) drawn from a policy (n, A); a FloatingPointError if it is NaN."""
    probabilities = logits.log_softmax(-1).exp()
    if bool(probabilities.isnan().any()):
        raise FloatingPointError("a probability of the policy is nan")
    return torch.multinomial(probabilities, 1, generator=random)[:, 0]


# --- going through it again ---


@dataclass(frozen=True)
class Packing:
    """K pieces of episodes, longest first, in the order of torch's `PackedSequence`."""

    bodies: Tensor  # (K,) int64, whose piece it is
    firsts: Tensor  # (K,) int64, the step of T at which it starts
    sizes: list[int]  # Pieces that are alive at each of their steps, falling
    where: Tensor  # (N,) int64, positions of the packed steps among the flattened (T, B)


def pack(mask: Tensor, starts: Tensor) -> Packing:
    """The pieces between starts (T, B) bool, without steps that are not alive in mask (T, B), which end pieces."""
    batch = mask.shape[1]
    piece = starts.T.flatten().cumsum(0) - 1  # body by body
    lengths = torch.bincount(piece, weights=mask.T.flatten(), minlength=int(starts.sum())).long()
    bodies, firsts = starts.T.nonzero().unbind(1)
    order = lengths.argsort(descending=True, stable=True)
    order = order[: int((lengths > 0).sum())]
    bodies, firsts, lengths = bodies[order], firsts[order], lengths[order]
    steps = torch.arange(int(lengths.max()) if len(lengths) else 0, device=mask.device)[:, None]
    alive = steps < lengths
    where = ((firsts + steps) * batch + bodies)[alive]
    return Packing(bodies, firsts, alive.sum(1).tolist(), where)


def first_steps(mask: Tensor) -> Tensor:
    """Starts (T, B) of episodes that all start at the first step."""
    starts = torch.zeros_like(mask, dtype=torch.bool)
    starts[0] = True
    return starts


def frames_at(frames: list[Observation], mask: Tensor, where: Tensor) -> Observation:
    """The frames (N, ...) at flattened positions (N,) of T lists of those that are alive in mask (T, B)."""
    batch = mask.shape[1]
    first, last = (int(each) // batch for each in where.aminmax())
    place = mask[first : last + 1].flatten().cumsum(0).long() - 1
    found: Observation = rows(concatenate(frames[first : last + 1]), place[where - first * batch])
    return found


def truncated_chunks(
    policy: Policy, recording: Recording, progress: Tensor, truncate: int
) -> Iterator[tuple[Predictions, Tensor]]:
    """Go through whole episodes, `truncate` steps at a time (0: all at once), with gradients cut in between.

    Features that dropout hides for a whole episode stay hidden over the cuts. An auxiliary loss compares with
    `progress` (T, B). Yields predictions (n,) and their positions (n,) among the flattened (T, B).
    """
    packing = pack(recording.mask, first_steps(recording.mask))
    ends = np.cumsum([0, *packing.sizes]).tolist()
    device = recording.mask.device
    first_frames = frames_at(recording.frames, recording.mask, packing.where[: packing.sizes[0]])
    draws, before = random_states(device), None
    for first in range(0, len(packing.sizes), truncate or len(packing.sizes)):
        sizes = packing.sizes[first : first + truncate] if truncate else packing.sizes
        where = packing.where[ends[first] : ends[first + len(sizes)]]
        frames = frames_at(recording.frames, recording.mask, where)
        if before is None:
            state = policy.initial_state(first_frames)
            check_state(state, sizes[0], policy)
        else:
            index = torch.arange(sizes[0], device=device)
            with with_random_states(draws, device):
                initial = policy.initial_state(first_frames)
            state = policy.carry(rows(initial, index), rows(before, index))
        actions, expert = recording.actions.flatten()[where], recording.expert.flatten()[where]
        frames = with_privileged(frames, progress=progress.flatten()[where])
        output, before = policy.unroll(frames, actions, sizes, state)
        yield evaluate_actions(output, actions, expert), where


def replay_steps(
    policy: Policy, moments: list[CollectedStep], reading: Mapping[str, Tensor], truncate: int
) -> Iterator[tuple[Predictions, Tensor]]:
    """Go through steps that were collected without gradients, with them, and cut them after every `truncate` steps.

    Dropout hides the same features again, so that the policy that learns is the one that acted; `reading` are the
    random generators before the instructions were read. Yields as `truncated_chunks`.
    """
    batch, device = len(moments[0].index), moments[0].index.device
    for first in range(0, len(moments), truncate):
        part = moments[first : first + truncate]
        with with_random_states(reading, device):
            state = policy.initial_state(moments[0].seen)
        index = part[0].index
        state = rows(state, index)
        state = policy.carry(state, part[0].state) if first else state
        found = []
        with with_random_states(part[0].draws, device):
            for moment in part:
                state = rows(state, torch.isin(index, moment.index).nonzero()[:, 0])
                index = moment.index
                output = policy.step(moment.seen, state)
                sample(output.logits.detach())  # draws the same numbers as then
                found.append(evaluate_actions(output, moment.actions, moment.expert))
                state = policy.after(output.state, moment.actions)
        alive = torch.cat([moment.alive for moment in part])
        where = torch.cat([(first + step) * batch + moment.index for step, moment in enumerate(part)])
        yield rows(concatenate(found), alive), where[alive]
