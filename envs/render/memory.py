"""Memory inside compiled code: arrays of scenes by address, and reads that the compiler may vectorise.

Rows of a batch may be of any scenes, so kernels get addresses. LLVM vectorises a loop that looks up texels and writes colours only
when told that what is written is never read back as a texel: `texel`, `read` and `write` say so by scoped alias metadata.
"""

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


@intrinsic
def texel(_context: Any, address: types.Type, index: types.Type) -> tuple[Any, Any]:
    """The uint32 at an index (int32) after an address (int64), in memory that no array here overlaps."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        base = builder.inttoptr(arguments[0], ir.IntType(32).as_pointer())
        value = builder.load(builder.gep(base, [arguments[1]]))
        value.set_metadata("alias.scope", _scope(builder.module))
        return value

    return types.uint32(types.int64, types.int32), generate


@intrinsic
def read(_context: Any, array: types.Type, index: types.Type) -> tuple[Any, Any]:
    """The element of a contiguous array (n,) at an index of at least 0; the array holds no texels."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, value=arguments[0]).data
        value = builder.load(builder.gep(data, [arguments[1]]))
        value.set_metadata("noalias", _scope(builder.module))
        return value

    return array.dtype(array, types.int64), generate


@intrinsic
def write(_context: Any, array: types.Type, index: types.Type, value: types.Type) -> tuple[Any, Any]:
    """Set the element of a contiguous array (n,) at an index of at least 0; the array holds no texels."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, value=arguments[0]).data
        stored = builder.store(arguments[2], builder.gep(data, [arguments[1]]))
        stored.set_metadata("noalias", _scope(builder.module))
        return context.get_dummy_value()

    return types.void(array, types.int64, array.dtype), generate


def _scope(module: Any) -> Any:
    """The scope of texels: a list of one scope, in a domain of its own."""
    domain = module.add_metadata(["vln texel domain"])
    scope = module.add_metadata(["vln texel scope", domain])
    return module.add_metadata([scope])
