"""Workers that fail, for tests: in a file that imports little, since each worker imports it anew."""

import os
import signal
import time
from collections.abc import Callable

from agents.training.distributed import Team
from vln.errors import InputError


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def bad_input() -> None:
    raise InputError("file", "is bad", "mend it")


def bug() -> None:
    raise LookupError("broken")


def fail(rank: int, act: Callable[[], None], team: Team) -> None:
    """One worker does something bad, the others wait for it."""
    team.any(False)
    if team.rank == rank:
        act()
    while not all(team.any(False)):
        time.sleep(0.01)
