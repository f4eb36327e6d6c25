"""Workers that fail, for tests: in a file that imports little, since each worker imports it anew."""

import os
import signal
import time
from collections.abc import Callable

from agents.training.distributed import Workers
from vln.errors import InputError


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def bad_input() -> None:
    raise InputError("file", "is bad", "mend it")


def bug() -> None:
    raise LookupError("broken")


def fail(rank: int, act: Callable[[], None], workers: Workers) -> None:
    """One worker does something bad, the others wait for it."""
    workers.any(False)
    if workers.rank == rank:
        act()
    while not all(workers.any(False)):
        time.sleep(0.01)
