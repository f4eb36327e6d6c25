"""Which processes environments can live in: not in those that are forked from a process with environments in it.

The threads of torch and of compiled code are not there after a fork, and what waits for them waits for ever.
"""

import multiprocessing
import os
import sys
from types import FrameType

from gymnasium.vector import AsyncVectorEnv

from vln.errors import InputError

_homes: set[int] = set()  # this process, once an environment has been made in it; what forked off has another number


def settle() -> None:
    """Make environments at home in this process.

    Raises:
        InputError: If it was forked from one that had environments, or if one is made for Gymnasium's AsyncVectorEnv to
            look at, which is about to fork.
    """
    if _homes and os.getpid() not in _homes:
        problem = "was forked from one in which environments have been made, whose threads it lacks"
        raise InputError("this process", problem, "start it with the context 'spawn' or 'forkserver'")
    if _about_to_fork(sys._getframe()):
        problem = "forks, which hangs or dies after threads of torch or numba have run"
        fix = "leave it out for the native vector, which is faster, or add vector_kwargs={'context': 'spawn'}"
        raise InputError("vectorization_mode='async'", problem, fix)
    _homes.add(os.getpid())


def _about_to_fork(frame: FrameType | None) -> bool:
    """Whether one of the callers is an AsyncVectorEnv being made whose workers will be forked."""
    while frame is not None and frame.f_code is not AsyncVectorEnv.__init__.__code__:
        frame = frame.f_back
    return frame is not None and multiprocessing.get_context(frame.f_locals["context"]).get_start_method() == "fork"
