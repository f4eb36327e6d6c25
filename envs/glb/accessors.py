"""Reading the accessors of a glTF file as arrays. glTF 2.0, section 3.6.2."""

from typing import Any

import numpy as np

from envs.glb.container import EXPORT_AGAIN, Container, is_index
from vln.errors import InputError

MAX_COUNT = (1 << 31) - 1  # elements of one accessor
_KINDS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


def count_of(container: Container, index: Any) -> int:
    """Return the number of elements of an accessor."""
    count: Any = container.entry("accessors", index).get("count")
    if not is_index(count, MAX_COUNT + 1):
        raise InputError(container.path, f"accessor {index} has {count!r} elements", EXPORT_AGAIN)
    return int(count)


def read_accessor(container: Container, index: Any) -> np.ndarray:
    """Read the elements of an accessor, (n, width) with the stored dtype; sparse values are substituted."""
    accessor, count = container.entry("accessors", index), count_of(container, index)
    types: tuple[Any, Any] = accessor.get("componentType"), accessor.get("type")
    kind, width = _KINDS.get(types[0]), _WIDTHS.get(types[1])
    if kind is None or width is None:
        problem = f"accessor {index} is of {types[0]!r} and {types[1]!r}, which are no types of vectors"
        raise InputError(container.path, problem, EXPORT_AGAIN)
    if "bufferView" in accessor:
        values = _strided(container, index, accessor, (count, width), kind)
    else:
        values = np.zeros((count, width), kind)
    return _filled_in(container, index, accessor["sparse"], values) if "sparse" in accessor else values


def read_floats(container: Container, index: Any, rows: np.ndarray | None = None, unit: bool = False) -> np.ndarray:
    """Read the elements `rows` (ascending, or all) of an accessor as (n, width) float64; integers become -1 to 1.

    Only normalised integers do; `unit` treats all integers as normalised, whatever the accessor specifies.
    """
    values = read_accessor(container, index)
    if rows is not None and len(rows) < len(values):
        values = values[rows]
    if values.dtype.kind == "f" or not (unit or container.entry("accessors", index).get("normalized")):
        return values.astype(np.float64)
    return np.maximum(values / float(np.iinfo(values.dtype).max), -1.0)


def _strided(
    container: Container, index: Any, accessor: dict[str, Any], shape: tuple[int, int], kind: str
) -> np.ndarray:
    """Read (n, width) elements of a buffer view with its stride; other data may lie between them."""
    content = container.view(accessor["bufferView"])
    size = np.dtype(kind).itemsize * shape[1]
    stride = container.entry("bufferViews", accessor["bufferView"]).get("byteStride") or size
    start = accessor.get("byteOffset", 0)
    fits = is_index(start, len(content) + 1) and is_index(stride, 1 << 16)
    if shape[0] and (not fits or start + (shape[0] - 1) * stride + size > len(content)):
        raise InputError(container.path, f"accessor {index} reaches past its buffer view", EXPORT_AGAIN)
    if not shape[0]:
        return np.zeros(shape, kind)
    steps = (stride, np.dtype(kind).itemsize)
    return np.ndarray(shape, kind, buffer=content, offset=start, strides=steps)


def _filled_in(container: Container, index: Any, sparse: dict[str, Any], values: np.ndarray) -> np.ndarray:
    """Return the elements with the substitutions of a sparse accessor."""
    count = sparse["count"]
    if not is_index(count, len(values) + 1):
        raise InputError(container.path, f"accessor {index} replaces more elements than it has", EXPORT_AGAIN)
    places = _strided(container, index, sparse["indices"], (count, 1), _KINDS[sparse["indices"]["componentType"]])
    given = _strided(container, index, sparse["values"], (count, values.shape[1]), values.dtype.str)
    if count and int(places.max()) >= len(values):
        raise InputError(container.path, f"accessor {index} replaces elements that are not there", EXPORT_AGAIN)
    filled = values.copy()
    filled[places[:, 0]] = given
    return filled
