"""Memory inside compiled code: arrays of scenes by address, and reads and writes that the compiler may vectorise.

Rows of a batch may be of any scenes, so kernels get addresses. LLVM makes vectors of a loop only when sure that what it
writes is not what it reads: scenes never change, which `constant`, `read` and `write` say by scoped alias metadata.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, njit, types
from numba.core.compiler import Compiler

intrinsic: Any = extending.intrinsic  # its hints are of the typing function, not of what it makes
jit: Any = njit  # its hints leave `_nrt` out

# All of LLVM's fast arithmetic but changes of order: these depend on names, so on the folder that this is installed in.
FAST = {"nnan", "ninf", "nsz", "arcp", "contract", "afn"}
# Without counts of references: to count those of a dozen arrays takes longer than a loop over a few pixels. Such
# functions can neither make arrays nor return any.
compiled: Any = jit(fastmath=FAST, nogil=True, _nrt=False)
# An array is seven arguments or more, so calls with arrays cost more than what small functions do.
inlined: Any = jit(fastmath=FAST, nogil=True, forceinline=True, _nrt=False)


class _Apart(Compiler):
    """Tells LLVM that the arrays of a function do not overlap: else each loop starts by comparing where they are."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)  # type: ignore[no-untyped-call]
        self.state.flags.noalias = True


apart: Any = jit(fastmath=FAST, nogil=True, forceinline=True, _nrt=False, pipeline_class=_Apart)


@intrinsic
def pointer(_context: Any, address: Any) -> tuple[Any, Any]:
    """An address (int64) as a pointer, for `numba.carray`."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(address), generate


@intrinsic
def borrowed(_context: Any, array: Any) -> tuple[Any, Any]:
    """The same array uncounted, as functions without counts want theirs. The caller keeps it alive."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        result = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        result.meminfo = ir.Constant(result.meminfo.type, None)
        return result._getvalue()

    return array(array), generate


@intrinsic
def constant(_context: Any, array: Any, index: Any) -> tuple[Any, Any]:
    """The element of a contiguous array (n,) at an index of at least 0; the array is of a scene."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _of_scene(builder, _place(context, builder, signature, arguments))

    return array.dtype(array, index), generate


@intrinsic
def texel(_context: Any, address: Any, index: Any) -> tuple[Any, Any]:
    """The word (uint32) so many (int32) after the one at an address (int64), of a scene."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        start = builder.inttoptr(arguments[0], ir.IntType(32).as_pointer())
        return _of_scene(builder, builder.gep(start, [arguments[1]]))

    return types.uint32(address, index), generate


@intrinsic
def prefetch(_context: Any, array: Any, index: Any) -> tuple[Any, Any]:
    """Have the row of a contiguous array (n, ...) at an index of at least 0 brought near, without waiting for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        step = builder.extract_value(made.strides, 0)
        index = arguments[1] if arguments[1].type == step.type else builder.sext(arguments[1], step.type)
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        place = builder.gep(builder.bitcast(made.data, byte), [builder.mul(index, step)])
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", (byte,), kind)
        builder.call(function, [place, word(0), word(3), word(1)])  # to read, to keep near, data
        return context.get_dummy_value()

    return types.void(array, index), generate


@intrinsic
def read(_context: Any, array: Any, index: Any) -> tuple[Any, Any]:
    """The element of a contiguous array (n,) at an index of at least 0; the array is not of a scene."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = builder.load(_place(context, builder, signature, arguments))
        value.set_metadata("noalias", _scope(builder.module))
        return value

    return array.dtype(array, index), generate


@intrinsic
def write(_context: Any, array: Any, index: Any, _value: Any) -> tuple[Any, Any]:
    """Set the element of a contiguous array (n,) at an index of at least 0; the array is not of a scene."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        stored = builder.store(arguments[2], _place(context, builder, signature, arguments))
        stored.set_metadata("noalias", _scope(builder.module))
        return context.get_dummy_value()

    return types.void(array, index, array.dtype), generate


def _place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Pointer to the element that (array, index, ...) name; negative indices do not count from the end."""
    data = context.make_array(signature.args[0])(context, builder, value=arguments[0]).data
    return builder.gep(data, [arguments[1]])


def _of_scene(builder: Any, place: Any) -> Any:
    """What is at a pointer into a scene."""
    value = builder.load(place)
    value.set_metadata("alias.scope", _scope(builder.module))
    return value


def _scope(module: Any) -> Any:
    """The scope of scenes' memory: a list of one scope, in a domain of its own."""
    domain = module.add_metadata(["vln scenes domain"])
    scope = module.add_metadata(["vln scenes", domain])
    return module.add_metadata([scope])
