"""Arrays of scenes inside compiled code: made from their addresses, so that rows of a batch may be of any scenes."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def pointer(_context: Any, address: types.Type) -> tuple[Any, Any]:
    """An address (int64) as a pointer, for `numba.carray`."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(address), generate
