"""Operations on states of policies: trees of batch-first tensors whose fields only the policy itself names.

A tree is nested tuples, named tuples, dicts and lists. Leaves that are no tensors are shared by the whole batch and are
passed on as they are. Observations are such trees too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils import _pytree as pytree

from vln.errors import InputError
from vln.observation import PRIVILEGED

State = Any
Observation = dict[str, Any]


@dataclass(frozen=True)
class Shared:
    """A tensor in a state that belongs to the whole batch, so that it has no rows."""

    tensor: Tensor


def map_tensors(function: Callable[..., Tensor], state: State, *others: State) -> State:
    """Apply a function to each tensor of a tree, together with the same ones of other trees."""
    return pytree.tree_map(
        lambda leaf, *more: function(leaf, *more) if isinstance(leaf, Tensor) else leaf, state, *others
    )


def rows(state: State, index: Tensor) -> State:
    """Select the batch rows `index`, (n,) numbers or (B,) bool."""
    return map_tensors(lambda leaf: leaf[index], state)


def detach(state: State) -> State:
    """Cut the gradients of a state."""
    return map_tensors(Tensor.detach, state)


def concatenate(states: Sequence[State]) -> State:
    """Join trees of the same structure along the batch."""
    return map_tensors(lambda *leaves: torch.cat(leaves), *states)


def scatter(state: State, new: State, index: Tensor) -> State:
    """Replace the batch rows `index` (n,) of a state by those of `new`; shorter ones are padded with zeros."""

    def put(old: Tensor, other: Tensor) -> Tensor:
        sizes = [max(pair) for pair in zip(old.shape[1:], other.shape[1:], strict=True)]
        return _widened(old, sizes).index_copy(0, index, _widened(other, sizes))

    return map_tensors(put, state, new)


def _widened(values: Tensor, sizes: Sequence[int]) -> Tensor:
    """Pad the dimensions after the first with zeros at their ends, up to `sizes`."""
    missing = [size - have for size, have in zip(sizes, values.shape[1:], strict=True)]
    if not any(missing):
        return values
    return pad(values, [amount for each in reversed(missing) for amount in (0, each)])


def named_tensors(state: State) -> dict[str, Tensor]:
    """The tensors of a state by the path to each, for checkpoints."""
    leaves, _ = pytree.tree_flatten_with_path(state)
    return {pytree.keystr(path): leaf for path, leaf in leaves if isinstance(leaf, Tensor)}


def with_named_tensors(state: State, tensors: Mapping[str, Tensor]) -> State:
    """A state with the tensors that `named_tensors` gave in the place of its own."""
    leaves, structure = pytree.tree_flatten_with_path(state)
    own = [tensors[pytree.keystr(path)] if isinstance(leaf, Tensor) else leaf for path, leaf in leaves]
    return pytree.tree_unflatten(own, structure)


def check_state(state: State, batch: int, policy: object) -> None:
    """Raise an InputError unless a state is a tree of tensors whose first dimension is the batch."""
    tensors, name = named_tensors(state), type(policy).__name__
    fix = f"return nested tuples or dicts of tensors of shape ({batch}, ...)"
    if not tensors:
        raise InputError(f"policy '{name}'", "initial_state returns no tree with tensors", fix)
    for path, tensor in tensors.items():
        if not tensor.shape or len(tensor) != batch:
            problem = f"tensor {path} of its state has shape {tuple(tensor.shape)} for a batch of {batch}"
            raise InputError(f"policy '{name}'", problem, fix)


def without_privileged(observation: Observation) -> Observation:
    """An observation without its privileged part: what a policy acts on."""
    return {name: value for name, value in observation.items() if name != PRIVILEGED}


def privileged(observation: Observation) -> dict[str, Tensor]:
    """The privileged part of an observation; empty where there is none."""
    return observation.get(PRIVILEGED, {})


def with_privileged(observation: Observation, **values: Tensor) -> Observation:
    """An observation with more values in its privileged part."""
    return {**observation, PRIVILEGED: {**privileged(observation), **values}}


def as_tensors(observation: Mapping[str, Any], device: torch.device) -> Observation:
    """An environment's observation as tensors on a device."""
    return {
        name: as_tensors(value, device) if isinstance(value, Mapping) else torch.as_tensor(value, device=device)
        for name, value in observation.items()
    }
