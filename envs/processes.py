"""Refuse environments in a process that was forked from a process with environments.

A fork copies no threads. Torch and compiled code would wait for theirs for ever.
"""

import multiprocessing
import os
import sys
from types import FrameType

from gymnasium.vector import AsyncVectorEnv

from vln.errors import InputError

_owners: set[int] = set()  # id of this process once it has made an environment; a forked child has another id


def check_fork_safety() -> None:
    """Record that this process has environments.

    An InputError is raised if it was forked from one that had, or if Gymnasium's AsyncVectorEnv is about to fork.
    """
    if _owners and os.getpid() not in _owners:
        problem = "was forked from one in which environments have been made, whose threads it lacks"
        raise InputError("this process", problem, "start it with the context 'spawn' or 'forkserver'")
    if _about_to_fork(sys._getframe()):
        problem = "forks, which hangs or dies after threads of torch or numba have run"
        fix = "leave it out for the native vector, which is faster, or add vector_kwargs={'context': 'spawn'}"
        raise InputError("vectorization_mode='async'", problem, fix)
    _owners.add(os.getpid())


def _about_to_fork(frame: FrameType | None) -> bool:
    """Return whether a caller is the constructor of an AsyncVectorEnv that will fork its workers."""
    while frame is not None and frame.f_code is not AsyncVectorEnv.__init__.__code__:
        frame = frame.f_back
    return frame is not None and multiprocessing.get_context(frame.f_locals["context"]).get_start_method() == "fork"
