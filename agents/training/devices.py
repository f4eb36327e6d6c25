"""What a process computes on: a torch device, and CPU threads for torch and compiled code."""

import os

import numba
import torch

from vln.errors import InputError


def usable_device(name: str) -> str:
    """Return the name of a device; raise an InputError if torch cannot compute on it."""
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError("--device", f"'{name}' cannot be used here ({reason})", "use cpu") from None
    return name


def use_threads(threads: int, workers: int = 1) -> None:
    """Set the CPU threads of torch and of compiled code.

    0 divides the cores among several workers, or leaves the choice to torch if there is one.
    """
    if workers > 1 and not threads:
        threads = max(1, (os.cpu_count() or 1) // workers)
    if threads:
        # Starting the threads of compiled code gives torch as many, so that torch's number must come last.
        numba.set_num_threads(min(threads, numba.get_num_threads()))
        torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # vanishing numbers of Adam would slow matrix products down many times
