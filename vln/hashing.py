"""Random-looking numbers as a pure function of integers, the same in whatever order they are computed."""

from typing import Any


def hash_integers(value: Any) -> Any:
    """Hash each integer of an int64 array or tensor of any shape to a well-mixed integer from 0 to 2**31 - 1.

    It is the finaliser of SplitMix64 on 31-bit halves.
    """
    value = (value * 0x9E3779B9 + 0x7F4A7C15) & 0x7FFFFFFF
    value = ((value ^ (value >> 15)) * 0x2C1B3C6D) & 0x7FFFFFFF
    value = ((value ^ (value >> 12)) * 0x297A2D39) & 0x7FFFFFFF
    return value ^ (value >> 15)
