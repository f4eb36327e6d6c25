"""Memory access in compiled code: arrays of scenes by address, and loads and stores that LLVM can vectorise.

Rows of a batch may have any scenes, so kernels get addresses. LLVM vectorises a loop only if it can prove that loads
and stores do not alias. Scenes never change, which `constant`, `read` and `write` declare by scoped alias metadata.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, njit, types
from numba.core.compiler import Compiler

intrinsic: Any = extending.intrinsic  # its type hints describe the typing function, not the result
jit: Any = njit  # its type hints lack `_nrt`

# All of LLVM's fast-math flags except reassociation, which depends on symbol names and so on the installation folder.
FAST = {"nnan", "ninf", "nsz", "arcp", "contract", "afn"}
# Without reference counting: for a dozen arrays it takes longer than a loop over a few pixels. Such functions can
# neither allocate nor return arrays.
compiled: Any = jit(fastmath=FAST, nogil=True, _nrt=False)
# An array is passed as seven arguments or more, so calls of small functions with arrays cost more than their work.
inlined: Any = jit(fastmath=FAST, nogil=True, forceinline=True, _nrt=False)


class _NoAlias(Compiler):
    """Declares that the arrays of a function do not alias; otherwise each loop starts with an overlap check."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)  # type: ignore[no-untyped-call]
        self.state.flags.noalias = True


noalias: Any = jit(fastmath=FAST, nogil=True, forceinline=True, _nrt=False, pipeline_class=_NoAlias)


@intrinsic
def pointer(_context: Any, address: Any) -> tuple[Any, Any]:
    """Convert an address (int64) to a pointer, for `numba.carray`."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(address), generate


@intrinsic
def borrowed(_context: Any, array: Any) -> tuple[Any, Any]:
    """Return the array without reference counting, for functions without it. The caller must keep it alive."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        result = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        result.meminfo = ir.Constant(result.meminfo.type, None)
        return result._getvalue()

    return array(array), generate


@intrinsic
def constant(_context: Any, array: Any, index: Any) -> tuple[Any, Any]:
    """Load the element of a scene's contiguous array (n,) at an index of at least 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _of_scene(builder, _place(context, builder, signature, arguments))

    return array.dtype(array, index), generate


@intrinsic
def texel(_context: Any, address: Any, index: Any) -> tuple[Any, Any]:
    """Load a word (uint32) of a scene at an address (int64) plus an index (int32) of words."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        start = builder.inttoptr(arguments[0], ir.IntType(32).as_pointer())
        return _of_scene(builder, builder.gep(start, [arguments[1]]))

    return types.uint32(address, index), generate


@intrinsic
def prefetch(_context: Any, array: Any, index: Any) -> tuple[Any, Any]:
    """Prefetch the row of a contiguous array (n, ...) at an index of at least 0 into the cache."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        step = builder.extract_value(made.strides, 0)
        index = arguments[1] if arguments[1].type == step.type else builder.sext(arguments[1], step.type)
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        place = builder.gep(builder.bitcast(made.data, byte), [builder.mul(index, step)])
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", (byte,), kind)
        builder.call(function, [place, word(0), word(3), word(1)])  # read, high locality, data cache
        return context.get_dummy_value()

    return types.void(array, index), generate


@intrinsic
def read(_context: Any, array: Any, index: Any) -> tuple[Any, Any]:
    """Load the element of a contiguous array (n,), not of a scene, at an index of at least 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = builder.load(_place(context, builder, signature, arguments))
        value.set_metadata("noalias", _scope(builder.module))
        return value

    return array.dtype(array, index), generate


@intrinsic
def write(_context: Any, array: Any, index: Any, _value: Any) -> tuple[Any, Any]:
    """Store into a contiguous array (n,), not of a scene, at an index of at least 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        stored = builder.store(arguments[2], _place(context, builder, signature, arguments))
        stored.set_metadata("noalias", _scope(builder.module))
        return context.get_dummy_value()

    return types.void(array, index, array.dtype), generate


def _place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Return the pointer to the element of (array, index, ...); negative indices do not count from the end."""
    data = context.make_array(signature.args[0])(context, builder, value=arguments[0]).data
    return builder.gep(data, [arguments[1]])


def _of_scene(builder: Any, place: Any) -> Any:
    """Load the value at a pointer into a scene."""
    value = builder.load(place)
    value.set_metadata("alias.scope", _scope(builder.module))
    return value


def _scope(module: Any) -> Any:
    """Return the alias scope of the memory of scenes: a list of one scope in its own domain."""
    domain = module.add_metadata(["vln scenes domain"])
    scope = module.add_metadata(["vln scenes", domain])
    return module.add_metadata([scope])
