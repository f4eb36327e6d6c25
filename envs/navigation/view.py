"""What compiled code sees of a ground: one row of numbers from which all its arrays can be reached.

Bodies of one batch stand in different grounds. Handing a dozen arrays per body to compiled code costs more than the
work itself, so a ground's addresses travel as one row, and the arrays are made from them inside. Whoever passes rows
keeps the grounds alive meanwhile.
"""

from functools import cached_property
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic


class View(NamedTuple):
    """A ground's arrays. Positions along x and z are in cells from its lowest corner, heights in metres from there.

    Attributes:
        scale: (6,) float64 metres: lowest x, y, z, side of a cell, how much a floor's heights may differ, highest step.
        size: (2,) int64: columns along x, along z.
        start: (columns + 1,) int32, first place of each column.
        height: (N,) float32 of each place that the walkable area touches.
        island: (N,) int32 number of its connected area.
        corners: (S, 2) float64, where each wall starts; the walkable area is on its left, seen from above with z down.
        wall_height: (S,) float32 of the floor there.
        after: (S,) int32, the wall that starts where each ends.
        before: (S,) int32, the wall that ends where each starts.
        slot: (columns,) int32, row of `wall_start` for columns touched by walls, 0 elsewhere.
        wall_start: (K + 2,) int32, where each row's walls start in `walls`; row 0 is empty.
        walls: (M,) int32 numbers of walls.
    """

    scale: np.ndarray
    size: np.ndarray
    start: np.ndarray
    height: np.ndarray
    island: np.ndarray
    corners: np.ndarray
    wall_height: np.ndarray
    after: np.ndarray
    before: np.ndarray
    slot: np.ndarray
    wall_start: np.ndarray
    walls: np.ndarray


class Addressed:
    """Something whose arrays compiled code reaches through a row of addresses."""

    @property
    def addressed(self) -> tuple[np.ndarray, ...]:
        """The arrays, in the order in which compiled code reads them."""
        raise NotImplementedError

    @cached_property
    def row(self) -> np.ndarray:
        """(2K,) int64: address and length of each array. Valid while this object lives."""
        if not all(array.flags.c_contiguous for array in self.addressed):
            raise ValueError("compiled code reads contiguous arrays")
        return np.array([number for array in self.addressed for number in (array.ctypes.data, len(array))], np.int64)

    def __getstate__(self) -> dict[str, Any]:
        """Without the row: copies have addresses of their own."""
        return {name: value for name, value in self.__dict__.items() if name != "row"}


array_at = numba.carray  # type: ignore[attr-defined]


def _pointer_maker(kind: types.Type) -> Any:
    """A function for compiled code: address to pointer."""

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
    """The arrays behind a ground's row."""
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
