"""Where a glTF file puts its meshes: the tree of its nodes, and instances."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from envs.glb.accessors import count_of, read_floats
from envs.glb.container import AGAIN, Container, check_count
from vln.errors import InputError

INSTANCING = "EXT_mesh_gpu_instancing"
_REPAIR = "repair the scene and export it again"
_PARTS = {"translation": 3, "rotation": 4, "scale": 3}  # and of how many numbers they are


def place_meshes(container: Container, triangles: Mapping[int, int]) -> dict[int, np.ndarray]:
    """The matrices (n, 4, 4) from each mesh that the scene shows to the file's frame, by mesh.

    Args:
        container: The file.
        triangles: How many each mesh has; others are passed over.

    Raises:
        InputError: If a matrix is not finite, a node is its own descendant, or has two parents, or there would be too
            many triangles or none.
    """
    places: dict[int, list[np.ndarray]] = {}
    total = 0
    for index, node, matrix in _walk(container):
        mesh = node.get("mesh")
        if mesh is None or (container.entry("meshes", mesh) and mesh not in triangles):
            continue
        total += triangles[mesh] * _instance_count(container, index, node)
        check_count(container.path, max(total, 1))  # before there are as many matrices
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is told where vertices are placed
            places.setdefault(mesh, []).append(matrix @ _instances(container, index, node))
    check_count(container.path, total)
    return {mesh: np.concatenate(matrices) for mesh, matrices in sorted(places.items())}


def _walk(container: Container) -> Iterator[tuple[Any, dict[str, Any], np.ndarray]]:
    """Every node of the scene and its index, with the matrix (4, 4) from its frame to the file's."""
    waiting = [(index, np.eye(4)) for index in reversed(_roots(container))]
    seen = set()
    while waiting:
        index, parent = waiting.pop()
        node = container.entry("nodes", index)
        if index in seen:
            raise InputError(container.path, f"node {index} is in the scene twice", AGAIN)
        seen.add(index)
        with np.errstate(over="ignore", invalid="ignore"):
            matrix = parent @ _matrix(container, index, node)
        if not np.isfinite(matrix).all():
            raise InputError(container.path, f"the place of node {_name(index, node)} is not finite", _REPAIR)
        yield index, node, matrix
        waiting += [(child, matrix) for child in reversed(node.get("children", []))]


def _roots(container: Container) -> list[Any]:
    """The nodes of the file's scene that have no parents; of a file without scenes, all such."""
    if container.count("scenes"):
        return list(container.entry("scenes", container.header.get("scene", 0)).get("nodes", []))
    nodes = container.header.get("nodes", [])
    children = {child for node in nodes for child in node.get("children", [])}
    return [index for index in range(len(nodes)) if index not in children]


def _matrix(container: Container, index: Any, node: dict[str, Any]) -> np.ndarray:
    """(4, 4) from a node's frame to its parent's."""
    if "matrix" in node:
        return _finite(container, index, node, "matrix", 16).reshape(4, 4).T
    parts = [(part, count) for part, count in _PARTS.items() if part in node]
    given = {part: _finite(container, index, node, part, count)[None] for part, count in parts}
    return _compose(container, f"node {_name(index, node)}", given, 1)[0]


def _finite(container: Container, index: Any, node: dict[str, Any], part: str, count: int) -> np.ndarray:
    numbers = np.asarray(node[part], np.float64)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        problem = f"the {part} of node {_name(index, node)} is not {count} finite numbers"
        raise InputError(container.path, problem, _REPAIR)
    return numbers


def _name(index: Any, node: dict[str, Any]) -> str:
    """What people know a node by."""
    return repr(node.get("name", index))


def _compose(container: Container, source: str, parts: dict[str, np.ndarray], count: int) -> np.ndarray:
    """(n, 4, 4) from translations (n, 3), rotations (n, 4; x, y, z, w) and scales (n, 3), as far as they are given."""
    matrices = np.tile(np.eye(4), (count, 1, 1))
    if "rotation" in parts:
        matrices[:, :3, :3] = _rotations(container, source, parts["rotation"])
    if "scale" in parts:
        matrices[:, :3, :3] *= parts["scale"][:, None, :]
    if "translation" in parts:
        matrices[:, :3, 3] = parts["translation"]
    return matrices


def _rotations(container: Container, source: str, quaternions: np.ndarray) -> np.ndarray:
    """(n, 3, 3) of quaternions (n, 4; x, y, z, w) of any length but 0."""
    lengths = np.linalg.norm(quaternions, axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 1e-12)).all():
        raise InputError(container.path, f"the rotation of {source} is no quaternion", _REPAIR)
    x, y, z, w = (quaternions / lengths).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), 2, 0)


def _instance_count(container: Container, index: Any, node: dict[str, Any]) -> int:
    """How many times a node shows its mesh."""
    extension = node.get("extensions", {}).get(INSTANCING)
    if extension is None:
        return 1
    counts = {
        count_of(container, extension["attributes"][part.upper()])
        for part in _PARTS
        if part.upper() in extension["attributes"]
    }
    if len(counts) != 1:
        problem = f"the instances of node {_name(index, node)} are {sorted(counts)} many, as its attributes say"
        raise InputError(container.path, problem, AGAIN)
    return counts.pop()


def _instances(container: Container, index: Any, node: dict[str, Any]) -> np.ndarray:
    """(n, 4, 4) from a mesh to the node that shows it: one, or those of `EXT_mesh_gpu_instancing`."""
    extension = node.get("extensions", {}).get(INSTANCING)
    if extension is None:
        return np.eye(4)[None]
    source = f"the instances of node {_name(index, node)}"
    parts = {}
    for part, width in _PARTS.items():
        if (accessor := extension["attributes"].get(part.upper())) is not None:
            parts[part] = read_floats(container, accessor)
            if parts[part].shape[1] != width or not np.isfinite(parts[part]).all():
                raise InputError(container.path, f"the {part}s of {source} are not {width} finite numbers", _REPAIR)
    return _compose(container, source, parts, _instance_count(container, index, node))
