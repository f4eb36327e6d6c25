"""Passing the arrays of a ground to compiled code as one row of addresses and lengths.

The bodies of a batch have different grounds. Passing a dozen arrays per body to compiled code costs more than the work
itself, so a ground is passed as one row of addresses, from which compiled code makes the arrays. The caller must keep
the grounds alive during the call.
"""

from functools import cached_property
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic


class View(NamedTuple):
    """The arrays of a ground. x and z are in cells from its lowest corner, heights in metres from there."""

    scale: np.ndarray  # (6,) float64 metres: lowest x, y, z; side of a cell; height tolerance of a floor; highest step
    size: np.ndarray  # (2,) int64, columns along x and along z
    start: np.ndarray  # (columns + 1,) int32, first place of each column
    height: np.ndarray  # (N,) float32, height of each place that the walkable area touches
    island: np.ndarray  # (N,) int32, number of its connected area
    corners: np.ndarray  # (S, 2) float64, start of each wall; the walkable area is on its left, from above with z down
    wall_height: np.ndarray  # (S,) float32, height of the floor there
    after: np.ndarray  # (S,) int32, the wall that starts at the end of each wall
    before: np.ndarray  # (S,) int32, the wall that ends at the start of each wall
    slot: np.ndarray  # (columns,) int32, row of `wall_start` for columns touched by walls, 0 elsewhere
    wall_start: np.ndarray  # (K + 2,) int32, first index of each row in `walls`; row 0 is empty
    walls: np.ndarray  # (M,) int32, indices of walls


class Addressed:
    """An object whose arrays are passed to compiled code as a row of addresses."""

    @property
    def addressed(self) -> tuple[np.ndarray, ...]:
        """The arrays in the order of the row."""
        raise NotImplementedError

    @cached_property
    def row(self) -> np.ndarray:
        """Address and length of each array, (2K,) int64; valid while this object lives."""
        if not all(array.flags.c_contiguous for array in self.addressed):
            raise ValueError("compiled code reads contiguous arrays")
        return np.array([number for array in self.addressed for number in (array.ctypes.data, len(array))], np.int64)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the row, since copies have other addresses."""
        return {name: value for name, value in self.__dict__.items() if name != "row"}


array_at = numba.carray  # type: ignore[attr-defined]


def _pointer_maker(kind: types.Type) -> Any:
    """Make a function for compiled code that converts an address to a pointer."""

    @intrinsic
    def pointer(_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(kind)(address), generate  # type: ignore[no-untyped-call]

    return pointer


float64_at = _pointer_maker(types.float64)
float32_at = _pointer_maker(types.float32)
int64_at = _pointer_maker(types.int64)
int32_at = _pointer_maker(types.int32)


@numba.njit(cache=True)
def view(row: np.ndarray) -> View:
    """Return the arrays addressed by a ground's row."""
    return View(
        array_at(float64_at(row[0]), row[1]),
        array_at(int64_at(row[2]), row[3]),
        array_at(int32_at(row[4]), row[5]),
        array_at(float32_at(row[6]), row[7]),
        array_at(int32_at(row[8]), row[9]),
        array_at(float64_at(row[10]), (row[11], 2)),
        array_at(float32_at(row[12]), row[13]),
        array_at(int32_at(row[14]), row[15]),
        array_at(int32_at(row[16]), row[17]),
        array_at(int32_at(row[18]), row[19]),
        array_at(int32_at(row[20]), row[21]),
        array_at(int32_at(row[22]), row[23]),
    )
