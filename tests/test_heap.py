"""Freed memory is returned to the system."""

import ctypes
import sys
from pathlib import Path

import pytest

from agents.training.malloc_trim import malloc_trim

MEGABYTE = 2**20


def _resident() -> int:
    """Bytes of this process that are in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc"
)
def test_holes_between_what_is_kept_are_given_back() -> None:
    blocks = [bytearray(64 * 1024) for _ in range(4000)]
    before = _resident()
    del blocks[::2]  # each hole has neighbours that stay, so that the heap cannot shrink from its end
    malloc_trim()
    assert before - _resident() > 100 * MEGABYTE
    assert len(blocks) == 2000
