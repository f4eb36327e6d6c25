"""What a policy is: a recurrent network that any learner can train and any environment can be acted in with."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from agents.policies.state import Observation, State, concatenate, detach, map_tensors


@dataclass(frozen=True)
class PolicyOutput:
    """One decision of B episodes."""

    logits: Tensor  # (B, A), -inf where an action is not offered
    value: Tensor  # (B,), expected return
    state: State  # The state after the decision; `Policy.after` adds the action
    # (B,) losses of auxiliary tasks by name, e.g. "progress"; learners weigh them by these names
    auxiliary: Mapping[str, Tensor] = field(default_factory=dict)
    # (B, N) attention weights by name, e.g. "words" and "views", to record and to draw
    attention: Mapping[str, Tensor] = field(default_factory=dict)


class Policy(nn.Module):
    """A recurrent policy.

    Its state is a tree of batch-first tensors, see `agents.policies.state`. Learners select, detach, join and store
    states, and name no field of them. Observations are dicts of tensors (B, ...); their privileged part, if any, may be
    used for auxiliary losses only.
    """

    @abstractmethod
    def initial_state(self, observation: Observation) -> State:
        """Read the instructions of B episodes and return their state before the first step."""

    @abstractmethod
    def step(self, observation: Observation, state: State) -> PolicyOutput:
        """Decide for B episodes."""

    def after(self, state: State, actions: Tensor) -> State:
        """The state after `actions` (B,) were taken; `state` is that of a `PolicyOutput`."""
        return state

    def encode(self, observation: Observation) -> Observation:
        """Compute what of an observation does not depend on the state, for any number of episodes and steps.

        `step` accepts encoded observations and plain ones. Encoders of images belong here: they then run once for all
        steps of a sequence, and not at all again where they are frozen.
        """
        return observation

    def carry(self, initial: State, previous: State) -> State:
        """What was remembered in a state, without gradients, with which a sequence goes on after these were cut.

        `initial` is `initial_state` of the same episodes, read anew, with gradients; parts that depend on the episode
        alone may be of it.
        """
        return detach(previous)

    def unroll(
        self, observations: Observation, actions: Tensor, sizes: Sequence[int], state: State
    ) -> tuple[PolicyOutput, State]:
        """Go through packed sequences, the longest first, as in torch's `PackedSequence`, from the state before.

        Observations (N, ...) and the actions taken (N,) are of all first steps, then of all second ones, and so on;
        `sizes` is how many sequences go on at each step. Returns decisions (N, ...), and the state of the sequences
        that are left.
        """
        outputs: list[PolicyOutput] = []
        steps = split(self.encode(observations), sizes)
        for before, part, taken in zip([sizes[0], *sizes], steps, torch.split(actions, list(sizes)), strict=False):
            outputs.append(self.step(part, first_rows(state, len(taken), before)))
            state = self.after(outputs[-1].state, taken)
        auxiliary = concatenate([dict(each.auxiliary) for each in outputs])
        logits, value = (torch.cat([getattr(each, name) for each in outputs]) for name in ("logits", "value"))
        return PolicyOutput(logits, value, outputs[-1].state, auxiliary), state


def split(observations: Observation, sizes: Sequence[int]) -> list[Observation]:
    """Packed observations (N, ...) step by step.

    Each tensor is cut in one go: the gradient of a slice is as large as what it was cut from.
    """
    parts = {
        name: split(value, sizes) if isinstance(value, dict) else torch.split(value, list(sizes))
        for name, value in observations.items()
    }
    return [{name: pieces[step] for name, pieces in parts.items()} for step in range(len(sizes))]


def first_rows(state: State, count: int, batch: int) -> State:
    """The first `count` rows of a state of `batch` rows."""
    return state if count == batch else map_tensors(lambda leaf: leaf[:count], state)


def without_dropout(policy: nn.Module) -> None:
    """Put a policy into evaluation mode, in which it can still learn."""
    policy.eval()
    for module in policy.modules():
        if isinstance(module, nn.RNNBase):  # has no dropout of its own, and no gradients on GPUs in evaluation mode
            module.train()
