"""Reading single keys, from a terminal or from a string."""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from vln.errors import InputError

ARROWS = {"A": "w", "B": "s", "C": "d", "D": "a"}  # by the letter that terminals send after escape and a bracket
ESCAPE, ENTER, END = "\x1b", "\r", ""
REPLY = 0.05  # seconds within which the rest of an arrow key arrives


class Keys(Protocol):
    """A source of keys."""

    def read(self) -> str:
        """Return the next key as a lower-case letter or sign; "" after the last."""


class Script:
    """Keys from a string."""

    def __init__(self, keys: str) -> None:
        """Give the keys in the order in which they are pressed."""
        self._keys = iter(keys)

    def read(self) -> str:
        """Return the next key; "" after the last."""
        return next(self._keys, END).lower()


class Terminal:
    """Keys from a terminal."""

    def __init__(self, descriptor: int) -> None:
        """Read from a file descriptor that gives every key at once; see `keyboard`."""
        self._descriptor = descriptor

    def read(self) -> str:
        """Wait for a key; an arrow key returns its letter of w, a, s, d."""
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
    """Within the block, the terminal gives every key as it is pressed and does not echo it."""
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
