"""Keys of a terminal, one at a time, or from a script."""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from vln.errors import InputError

ARROWS = {"A": "w", "B": "s", "C": "d", "D": "a"}  # what terminals send after escape and a bracket
ESCAPE, ENTER, END = "\x1b", "\r", ""
REPLY = 0.05  # seconds within which the rest of an arrow key arrives


class Keys(Protocol):
    """Where keys come from."""

    def read(self) -> str:
        """The next key as a lower-case letter or sign, "" where there are no more."""


class Script:
    """Keys given beforehand."""

    def __init__(self, keys: str) -> None:
        """Keys in the order they are pressed."""
        self._keys = iter(keys)

    def read(self) -> str:
        """The next key, "" after the last."""
        return next(self._keys, END).lower()


class Terminal:
    """The keys of a person."""

    def __init__(self, descriptor: int) -> None:
        """A terminal that gives every key at once; see `keyboard`."""
        self._descriptor = descriptor

    def read(self) -> str:
        """Wait for a key; arrows are the letters that do the same."""
        key = self._byte()
        if key == ESCAPE and self._waiting() and self._byte() in "[O":
            return ARROWS.get(self._byte(), "?")
        return {"\n": ENTER, "\x03": "q", "\x04": "q"}.get(key, key.lower())

    def _byte(self) -> str:
        return os.read(self._descriptor, 1).decode("latin-1")

    def _waiting(self) -> bool:
        return bool(select.select([self._descriptor], [], [], REPLY)[0])


@contextmanager
def keyboard() -> Iterator[Terminal]:
    """Within the block the terminal hands over every key as it is pressed and shows none.

    Raises:
        InputError: If there is no terminal to read from.
    """
    try:
        import termios  # POSIX alone has it
        import tty
    except ImportError:
        raise _no_terminal("this system has no POSIX terminal") from None
    if not sys.stdin.isatty():
        raise _no_terminal("the input is no terminal")
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield Terminal(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _no_terminal(problem: str) -> InputError:
    return InputError("keyboard", problem, "run it in a terminal, or give the keys with --keys")
