"""Transforms of the meshes of a glTF file: the tree of nodes, and GPU instances."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from envs.glb.accessors import count_of, read_floats
from envs.glb.container import EXPORT_AGAIN, Container, check_count
from vln.errors import InputError

INSTANCING = "EXT_mesh_gpu_instancing"
_REPAIR = "repair the scene and export it again"
_PARTS = {"translation": 3, "rotation": 4, "scale": 3}  # components of a transform and their lengths


def place_meshes(container: Container, triangles: Mapping[int, int]) -> dict[int, np.ndarray]:
    """Compute the matrices (n, 4, 4) from each mesh of the scene to the file's frame, by mesh.

    `triangles` has the number of triangles by mesh; other meshes are skipped.

    Raises:
        InputError: If a matrix is not finite, a node is its own descendant or has two parents, or the scene has no
            triangles or too many.
    """
    places: dict[int, list[np.ndarray]] = {}
    total = 0
    for index, node, matrix in _walk(container):
        mesh = node.get("mesh")
        if mesh is None or (container.entry("meshes", mesh) and mesh not in triangles):
            continue
        total += triangles[mesh] * _instance_count(container, index, node)
        check_count(container.path, max(total, 1))  # before the matrices are allocated
        with np.errstate(over="ignore", invalid="ignore"):  # values that are not finite are reported with the vertices
            places.setdefault(mesh, []).append(matrix @ _instances(container, index, node))
    check_count(container.path, total)
    return {mesh: np.concatenate(matrices) for mesh, matrices in sorted(places.items())}


def _walk(container: Container) -> Iterator[tuple[Any, dict[str, Any], np.ndarray]]:
    """Iterate over the nodes of the scene: index, node, and matrix (4, 4) from its frame to the file's."""
    waiting = [(index, np.eye(4)) for index in reversed(_roots(container))]
    seen = set()
    while waiting:
        index, parent = waiting.pop()
        node = container.entry("nodes", index)
        if index in seen:
            raise InputError(container.path, f"node {index} is in the scene twice", EXPORT_AGAIN)
        seen.add(index)
        with np.errstate(over="ignore", invalid="ignore"):
            matrix = parent @ _matrix(container, index, node)
        if not np.isfinite(matrix).all():
            raise InputError(container.path, f"the place of node {_name(index, node)} is not finite", _REPAIR)
        yield index, node, matrix
        waiting += [(child, matrix) for child in reversed(node.get("children", []))]


def _roots(container: Container) -> list[Any]:
    """Return the root nodes of the file's scene; in a file without scenes, all nodes without parents."""
    if container.count("scenes"):
        return list(container.entry("scenes", container.header.get("scene", 0)).get("nodes", []))
    nodes = container.header.get("nodes", [])
    children = {child for node in nodes for child in node.get("children", [])}
    return [index for index in range(len(nodes)) if index not in children]


def _matrix(container: Container, index: Any, node: dict[str, Any]) -> np.ndarray:
    """Return the matrix from a node's frame to its parent's, (4, 4)."""
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
    """Return a label of a node for messages."""
    return repr(node.get("name", index))


def _compose(container: Container, source: str, parts: dict[str, np.ndarray], count: int) -> np.ndarray:
    """Compose matrices (n, 4, 4) from optional translations (n, 3), quaternions (n, 4; x, y, z, w), scales (n, 3)."""
    matrices = np.tile(np.eye(4), (count, 1, 1))
    if "rotation" in parts:
        matrices[:, :3, :3] = _rotations(container, source, parts["rotation"])
    if "scale" in parts:
        matrices[:, :3, :3] *= parts["scale"][:, None, :]
    if "translation" in parts:
        matrices[:, :3, 3] = parts["translation"]
    return matrices


def _rotations(container: Container, source: str, quaternions: np.ndarray) -> np.ndarray:
    """Convert quaternions (n, 4; x, y, z, w) of any length except 0 to rotation matrices (n, 3, 3)."""
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
    """Return the number of instances of a node's mesh."""
    extension = node.get("extensions", {}).get(INSTANCING)
    if extension is None:
        return 1
    attributes = extension["attributes"]
    counts = {count_of(container, attributes[part]) for part in map(str.upper, _PARTS) if part in attributes}
    if len(counts) != 1:
        problem = f"the instances of node {_name(index, node)} are {sorted(counts)} many, as its attributes say"
        raise InputError(container.path, problem, EXPORT_AGAIN)
    return counts.pop()


def _instances(container: Container, index: Any, node: dict[str, Any]) -> np.ndarray:
    """Return the matrices from a mesh to its node, (n, 4, 4): one, or those of `EXT_mesh_gpu_instancing`."""
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
