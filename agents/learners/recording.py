"""Living through episodes without gradients, and going through them again with gradients.

Acting without gradients needs no memory for them, the whole way is known before anything is learnt from it, and what
looks at single frames can look at all of them at once. What happened is packed as in torch's `PackedSequence`: pieces
of episodes with the longest first, all their first steps, then all their second ones, and so on, so that no work is
done for episodes that have ended.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn

from agents.policies.language import Instruction
from agents.policies.navigator import Navigator, Observation, Output, State, as_tensors, total
from agents.training.checkpoint import drawn_again, random_states

SHRINK = 0.8  # leave ended episodes out of the network once no more than this share is alive
Act = Callable[[Observation, dict[str, Any], Tensor], Tensor]


@dataclass(frozen=True)
class Steps:
    """What happened to a batch of episodes, (T, B) each unless said otherwise.

    Attributes:
        actions: Action taken, int64.
        expert: The expert's action, int64.
        reward: Reward of the action.
        distance: Metres to the goal before the action.
        mask: 1.0 where the episode was alive.
        student: (B,) 1.0 where the agent acted, 0.0 where the expert did.
        success: (B,) 1.0 where the episode succeeded.
    """

    actions: Tensor
    expert: Tensor
    reward: Tensor
    distance: Tensor
    mask: Tensor
    student: Tensor
    success: Tensor


@dataclass(frozen=True)
class Predictions:
    """What the agent makes of steps, all with gradients and of one shape.

    Attributes:
        expert_log_prob: log-probability of the expert's action.
        log_prob: log-probability of the action taken.
        entropy: Entropy of the policy in nats.
        value: Estimated return.
        progress: Estimated progress.
        semantic: Auxiliary loss of the view encoder; zeros without one.
    """

    expert_log_prob: Tensor
    log_prob: Tensor
    entropy: Tensor
    value: Tensor
    progress: Tensor
    semantic: Tensor


def judge(output: Output, actions: Tensor, expert: Tensor) -> Predictions:
    """What an output says of the actions taken (n,) and of the expert's (n,).

    Raises:
        FloatingPointError: If the policy is not a number.
    """
    return judged(output.logits, output.value, output.progress, output.auxiliary, actions, expert)


def judged(
    logits: Tensor, value: Tensor, progress: Tensor, auxiliary: Tensor | None, actions: Tensor, expert: Tensor
) -> Predictions:
    """The same of the parts of an output, see there."""
    log_probs = logits.log_softmax(-1)
    if bool(log_probs.isnan().any()):
        raise FloatingPointError("a probability of the policy is nan")
    entropy = -(log_probs.exp() * log_probs.masked_fill(log_probs == -torch.inf, 0.0)).sum(-1)
    right, chosen = (log_probs.gather(1, each[:, None])[:, 0] for each in (expert, actions))
    semantic = torch.zeros_like(value) if auxiliary is None else auxiliary
    return Predictions(right, chosen, entropy, value, progress, semantic)


def unlabelled(navigator: Navigator, observation: Observation) -> Observation:
    """An observation without the labels of its images, from which to act costs less."""
    labels = (*navigator.labels, "target", "way", "astray")
    return {name: value for name, value in observation.items() if name not in labels}


def shrink(rows: Tensor, alive: Tensor, instruction: Instruction, state: State) -> tuple[Tensor, Instruction, State]:
    """Leave out episodes that have ended, once enough have."""
    keep = alive[rows].nonzero()[:, 0]
    if len(keep) > SHRINK * len(rows):
        return rows, instruction, state
    return rows[keep], instruction.rows(keep), state.rows(keep)


def actions_for(env: VectorEnv, actions: Tensor) -> Any:
    """Actions in the form an environment takes: tensors where it gives tensors, numpy arrays elsewhere."""
    return actions if getattr(env, "gives_tensors", False) else actions.numpy(force=True)


def without_dropout(navigator: Navigator) -> None:
    """Put a navigator into a mode without chance in which it can act and learn."""
    navigator.eval()
    for module in navigator.modules():
        if isinstance(module, nn.RNNBase):  # has no dropout of its own, and no gradients on GPUs in evaluation mode
            module.train()


# --- living ---


@dataclass(frozen=True)
class Recording(Steps):
    """Steps, and what was seen at each.

    Attributes:
        frames: Observations of the live episodes, in their order: T of (alive, ...); none if they were not kept.
    """

    frames: list[Observation]


@torch.no_grad()
def record(
    env: VectorEnv,
    episodes: np.ndarray,
    act: Act,
    student: Tensor,
    *,
    keep_frames: bool = True,
    steps: int | None = None,
) -> Recording:
    """Live through `episodes` (B,) and write down everything.

    Args:
        env: The environment; its autoreset mode is DISABLED.
        episodes: Which episodes.
        act: Called with observation, infos and who is alive (B,) bool; gives actions (B,), whatever for the others.
        student: (B,) for whom to note that the agent acted.
        keep_frames: Keep the observations.
        steps: Steps after which to leave off; None lives to the end.
    """
    device = student.device
    observation, infos = env.reset(options={"episode_index": episodes})
    observation = as_tensors(observation, device)
    alive = torch.ones(len(student), dtype=torch.bool, device=device)
    everyone, frames = True, []
    lived: list[dict[str, Tensor]] = []
    while bool(alive.any()) and len(lived) != steps:
        actions = act(observation, infos, alive)
        if keep_frames:
            frames.append(observation if everyone else {name: value[alive] for name, value in observation.items()})
        expert, distance = (torch.as_tensor(infos[name], device=device) for name in ("expert", "distance"))
        before = alive
        observation, reward, terminated, truncated, infos = env.step(actions_for(env, actions))
        observation = as_tensors(observation, device)
        alive = alive & ~(torch.as_tensor(terminated, device=device) | torch.as_tensor(truncated, device=device))
        everyone = everyone and bool(alive.all())
        step = {"actions": actions, "expert": expert, "distance": distance, "mask": before.float()}
        lived.append({**step, "reward": torch.as_tensor(reward, device=device)})
    success = torch.as_tensor(infos["success"], device=device).float()
    stacked = {name: torch.stack([step[name] for step in lived]) for name in lived[0]}
    return Recording(**stacked, student=student.float(), success=success, frames=frames)


class Follower:
    """Takes actions that are known in advance."""

    def __init__(self, actions: Tensor) -> None:
        """Take `actions` (T, B) one after the other."""
        self._left = iter(actions)

    def __call__(self, observation: Observation, infos: dict[str, Any], alive: Tensor) -> Tensor:
        """The next actions."""
        return next(self._left)


class Expert:
    """Does what the expert does."""

    def __call__(self, observation: Observation, infos: dict[str, Any], alive: Tensor) -> Tensor:
        """The expert's actions."""
        return torch.as_tensor(infos["expert"], device=alive.device)


class Mixture:
    """Takes an action of the expert or of the navigator, who samples without dropout; the navigator sees them all."""

    def __init__(
        self,
        navigator: Navigator,
        expert_share: Tensor,
        random: torch.Generator | None = None,
        greedy: Tensor | None = None,
    ) -> None:
        """A mixture in which each of B bodies does as the expert does with probability `expert_share` (B,).

        Where `greedy` (B,) is true the navigator does not sample, but takes its likeliest action.
        """
        self._navigator, self._share, self._random = navigator, expert_share, random
        self._greedy = torch.zeros_like(expert_share, dtype=torch.bool) if greedy is None else greedy
        self._memory: tuple[Tensor, Instruction, State] | None = None

    def __call__(self, observation: Observation, infos: dict[str, Any], alive: Tensor) -> Tensor:
        """Actions (B,) of the live bodies.

        Raises:
            FloatingPointError: If the policy is not a number.
        """
        expert = torch.as_tensor(infos["expert"], device=alive.device)
        if bool((self._share == 1).all()):
            return expert
        without_dropout(self._navigator)
        if self._memory is None:
            rows = torch.arange(len(alive), device=alive.device)
            self._memory = rows, *self._navigator.begin_episodes(observation)
        rows, instruction, state = shrink(self._memory[0], alive, *self._memory[1:])
        seen = unlabelled(self._navigator, observation)
        output = self._navigator(instruction, {name: value[rows] for name, value in seen.items()}, state)
        teaching = torch.rand(len(alive), device=alive.device, generator=self._random) < self._share
        own = torch.where(self._greedy[rows], output.logits.argmax(1), sample(output.logits, self._random))
        actions = torch.where(teaching, expert, expert.index_copy(0, rows, own))
        self._memory = rows, instruction, self._navigator.chose(output, actions[rows])
        return actions


def sample(logits: Tensor, random: torch.Generator | None = None) -> Tensor:
    """Actions (n,) drawn from a policy (n, A).

    Raises:
        FloatingPointError: If the policy is not a number.
    """
    probabilities = logits.log_softmax(-1).exp()
    if bool(probabilities.isnan().any()):
        raise FloatingPointError("a probability of the policy is nan")
    return torch.multinomial(probabilities, 1, generator=random)[:, 0]


# --- going through it again ---


@dataclass(frozen=True)
class Packing:
    """K pieces of episodes, longest first, in the order of torch's `PackedSequence`.

    Attributes:
        bodies: (K,) int64, whose piece it is.
        firsts: (K,) int64, the step of T at which it starts.
        sizes: Pieces that are alive at each of their steps, falling.
        where: (N,) int64, positions of the packed steps among the flattened (T, B).
    """

    bodies: Tensor
    firsts: Tensor
    sizes: list[int]
    where: Tensor


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


def whole(mask: Tensor) -> Tensor:
    """Starts (T, B) of episodes that all start at the first step."""
    starts = torch.zeros_like(mask, dtype=torch.bool)
    starts[0] = True
    return starts


def frames_at(frames: list[Observation], mask: Tensor, where: Tensor) -> Observation:
    """The frames (N, ...) at flattened positions (N,) of T lists of those that are alive in mask (T, B)."""
    batch = mask.shape[1]
    first, last = (int(each) // batch for each in where.aminmax())
    place = mask[first : last + 1].flatten().cumsum(0).long() - 1
    rows = place[where - first * batch]
    near = frames[first : last + 1]
    return {name: torch.cat([frame[name] for frame in near])[rows] for name in near[0]}


def unroll(
    navigator: Navigator,
    frames: Observation,
    steps: tuple[Tensor, Tensor],
    sizes: list[int],
    memory: tuple[Instruction, State],
) -> tuple[Predictions, State]:
    """Go through packed steps.

    Args:
        navigator: The agent.
        frames: Observations (N, ...).
        steps: Actions taken and the expert's, (N,) each.
        sizes: Pieces alive at each step.
        memory: Instructions and states of sizes[0] pieces.

    Returns:
        Predictions (N,), and the state of the sizes[-1] pieces that are left.
    """
    instruction, state = memory
    goals = None if instruction.goal is None else torch.cat([instruction.goal[:size] for size in sizes])
    frames = navigator.aim(goals, navigator.see(frames))
    recognised, frames = navigator.recognised(frames), unlabelled(navigator, frames)
    # Cut in one go: the gradient of a slice is as large as what it was cut from.
    cut = {name: torch.split(value, sizes) for name, value in frames.items()}
    thoughts = []
    rows = torch.arange(sizes[0], device=steps[0].device)
    for step, actions in enumerate(torch.split(steps[0], sizes)):
        if len(actions) < len(rows):
            rows = rows[: len(actions)]
            instruction, state = instruction.rows(rows), state.rows(rows)
        thoughts.append(navigator.think(instruction, {name: pieces[step] for name, pieces in cut.items()}, state))
        state = navigator.chose(thoughts[-1], actions)
    # What no later step waits for is worked out at once.
    features = torch.cat([each.features for each in thoughts])
    logits, astray = _joined([each.logits for each in thoughts]), _joined([each.auxiliary for each in thoughts])
    predictions = judged(*navigator.heads(features, logits, frames), total(astray, recognised), *steps)
    return predictions, state


def _joined(parts: list[Tensor | None]) -> Tensor | None:
    """Parts one after the other, if there are any."""
    found = [part for part in parts if part is not None]
    return torch.cat(found) if found else None


def carried(begun: State, before: State) -> State:
    """The state `before` without its gradients, for a piece that goes on; what steps share is that of `begun`."""
    tensors = {name: value.detach() for name, value in vars(before).items() if isinstance(value, Tensor)}
    return replace(begun, **tensors)  # type: ignore[arg-type]


def chunks(navigator: Navigator, recording: Recording, truncate: int) -> Iterator[tuple[Predictions, Tensor]]:
    """Go through whole episodes, `truncate` steps at a time (0: all at once), with gradients cut in between.

    What dropout hides for a whole episode stays hidden over the cuts.

    Yields:
        Predictions (n,) and their positions (n,) among the flattened (T, B).
    """
    packing = pack(recording.mask, whole(recording.mask))
    ends = np.cumsum([0, *packing.sizes]).tolist()
    device = recording.mask.device
    first_frames = frames_at(recording.frames, recording.mask, packing.where[: packing.sizes[0]])
    chance, before = random_states(device), None
    for first in range(0, len(packing.sizes), truncate or len(packing.sizes)):
        sizes = packing.sizes[first : first + truncate] if truncate else packing.sizes
        where = packing.where[ends[first] : ends[first + len(sizes)]]
        frames = frames_at(recording.frames, recording.mask, where)
        if before is None:
            instruction, state = navigator.begin_episodes(first_frames)
        else:
            rows = torch.arange(sizes[0], device=device)
            with drawn_again(chance, device):
                begun = navigator.begin_episodes(first_frames)
            instruction, state = begun[0].rows(rows), carried(begun[1].rows(rows), before.rows(rows))
        steps = recording.actions.flatten()[where], recording.expert.flatten()[where]
        predictions, before = unroll(navigator, frames, steps, sizes, (instruction, state))
        yield predictions, where
