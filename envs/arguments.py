"""Checks of what callers give an environment: modes, limits, options of a reset, actions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from torch import Tensor

from vln.errors import InputError

INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
RESET_OPTIONS = ("episode_index", "reset_mask")


def to_array(value: Any) -> np.ndarray:
    """Return a tensor, an array or a sequence as an array in memory."""
    return value.numpy(force=True) if isinstance(value, Tensor) else np.asarray(value)


def find_mode(given: AutoresetMode | str) -> AutoresetMode:
    """Return the autoreset mode of a name, "NextStep", or of itself."""
    try:
        return AutoresetMode(given)
    except ValueError:
        names = " or ".join(repr(mode.value) for mode in AutoresetMode)
        raise InputError("autoreset_mode", f"{given!r} is unknown", f"use {names}") from None


def step_limit(max_steps: int, max_episode_steps: int | None) -> int:
    """Return the smaller of two limits on the number of actions; None and -1 are none."""
    smallest = max_steps if max_episode_steps in (None, -1) else min(max_steps, max_episode_steps)
    if smallest < 1:
        raise InputError("max_steps", f"is {smallest}", "give 1 or more actions")
    return smallest


def check_options(options: dict[str, Any], known: Sequence[str] = RESET_OPTIONS) -> None:
    """Raise an InputError if an option of a reset is unknown."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise InputError("reset options", f"'{unknown[0]}' is unknown", f"use {' or '.join(map(repr, known))}")


def reset_mask(given: Any, num_envs: int) -> np.ndarray:
    """Return which environments a reset restarts, (num_envs,) bool; all if `given` is None."""
    mask = np.ones(num_envs, bool) if given is None else to_array(given)
    if mask.shape != (num_envs,) or mask.dtype != bool:
        problem = f"'reset_mask' has shape {mask.shape} and type {mask.dtype}"
        raise InputError("reset options", problem, f"give bools of shape ({num_envs},)")
    return mask


def episode_indices(given: Any, mask: np.ndarray, count: int) -> np.ndarray:
    """Return the episodes, of `count`, that start where `mask` (num_envs,) holds, (n,) int64."""
    indices = to_array(given)
    if indices.shape != mask.shape or indices.dtype.kind not in "iu":
        problem = f"'episode_index' has shape {indices.shape} and type {indices.dtype}"
        raise InputError("reset options", problem, f"give integers of shape ({len(mask)},)")
    chosen = indices[mask]
    wrong = (chosen < 0) | (chosen >= count)
    if wrong.any():
        problem = f"'episode_index' is {chosen[wrong][0]}"
        raise InputError("reset options", problem, f"give an index from 0 to {count - 1}")
    return chosen.astype(np.int64)


def check_actions(given: Any, space: spaces.Space, single: spaces.Discrete, device: torch.device, name: str) -> Tensor:
    """Return actions as int64; an InputError if one is not in the action `space` of environment `name`."""
    given = to_array(given) if not isinstance(given, Tensor) else given
    whole = given.dtype.kind in "iu" if isinstance(given, np.ndarray) else given.dtype in INTEGERS
    if not whole or tuple(given.shape) != space.shape:
        raise _refused(to_array(given), space, single, name)
    actions = torch.as_tensor(given, device=device).to(torch.int64)
    if bool(((actions < 0) | (actions >= int(single.n))).any()):
        raise _refused(to_array(given), space, single, name)
    return actions


def _refused(given: np.ndarray, space: spaces.Space, single: spaces.Discrete, name: str) -> InputError:
    """Return the error for actions that are not in a space."""
    assert space.shape is not None
    fix = f"give {space.shape[0]} integers from 0 to {single.n - 1}"
    if given.shape != space.shape:
        return InputError(name, f"actions of shape {given.shape} are not in {space}", fix)
    wrong = [row for row, action in enumerate(given.tolist()) if action not in range(int(single.n))]
    row = wrong[0] if wrong else 0
    return InputError(name, f"action {given.tolist()[row]!r} of environment {row} is not in {single}", fix)
