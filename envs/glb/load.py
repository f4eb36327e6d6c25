"""Scenes from GLB and glTF files: every accessor is decoded once, into arrays of the scene."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from envs.glb.accessors import count_of, read_accessor, read_floats
from envs.glb.container import AGAIN, MAX_TRIANGLES, Container, check_count, read_container, whole
from envs.glb.cut import is_shown, lowest_alpha
from envs.glb.features import check_features
from envs.glb.images import Picture, read_textures
from envs.glb.materials import Material, read_material
from envs.glb.nodes import place_meshes
from envs.glb.stage import Stage
from envs.scene import Sampler, Scene
from vln.errors import InputError

MAX_EXTENT = 1e6  # metres: beyond, single precision no longer tells a door from a wall
_MODES = ("points", "lines", "line loops", "line strips", "triangles", "triangle strips", "triangle fans")
_TRIANGLES, _STRIP, _FAN = 4, 5, 6
_QUANTIZED = "KHR_mesh_quantization"
_MAX_UV = 1e6  # repetitions
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Part:
    """Triangles of one primitive, at all places where it is put.

    Attributes:
        vertices: (v, 3) float32, in our frame.
        triangles: (t, 3) int32.
        colours: (v, 3) uint8.
        uv: (v, 2) float32.
        material: Of all of it.
        cutoffs: (t,) int64: least alpha of a texel that is drawn, see `lowest_alpha`.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    colours: np.ndarray
    uv: np.ndarray
    material: Material
    cutoffs: np.ndarray


def load_mesh(stage: Stage) -> Scene:
    """The triangles, colours and textures of the file that a stage names.

    Raises:
        InputError: As `envs.glb.load_glb` tells.
    """
    with whole(stage.asset):
        container = read_container(stage.asset)
        check_features(container)
        scene = _join(stage.name, container, list(_parts(container, stage)))
    if not stage.units_known:
        _check_units(stage.asset, scene)
    return scene


def _parts(container: Container, stage: Stage) -> Iterator[_Part]:
    """Every primitive that the scene shows, in the order of the file."""
    solid = _solid(container)
    if not solid:
        check_count(container.path, 0)
    corners = {mesh: sum(_corner_count(container, each) for each in group) for mesh, group in solid.items()}
    places = place_meshes(container, {mesh: count // 3 for mesh, count in corners.items() if count >= 3})
    frame = np.eye(4)
    frame[:3, :3] = stage.rotation * stage.scale
    materials: dict[Any, Material] = {None: Material()}
    for mesh, ways in places.items():
        name = repr(container.entry("meshes", mesh).get("name", mesh))
        with np.errstate(over="ignore", invalid="ignore"):
            matrices = frame @ ways
        for primitive in solid[mesh]:
            number = primitive.get("material")
            if number not in materials:
                materials[number] = read_material(container, number)
            yield _part(container, name, primitive, materials[number], matrices)


def _solid(container: Container) -> dict[int, list[dict[str, Any]]]:
    """The primitives of each mesh that are triangles; that others are left out is logged."""
    solid: dict[int, list[dict[str, Any]]] = {}
    others: set[str] = set()
    for mesh in range(container.count("meshes")):
        for primitive in container.entry("meshes", mesh)["primitives"]:
            mode = primitive.get("mode", _TRIANGLES)
            if mode in (_TRIANGLES, _STRIP, _FAN):
                solid.setdefault(mesh, []).append(primitive)
            else:
                others.add(_MODES[mode] if mode in range(_TRIANGLES) else f"primitives of mode {mode!r}")
    if others:
        _log.warning("%s: its %s are left out; only triangles are drawn.", container.path, " and ".join(sorted(others)))
    return solid


def _corner_count(container: Container, primitive: dict[str, Any]) -> int:
    """How many corners the triangles of a primitive have together."""
    count = count_of(container, primitive.get("indices", primitive["attributes"]["POSITION"]))
    return count if primitive.get("mode", _TRIANGLES) == _TRIANGLES else 3 * max(count - 2, 0)


def _part(
    container: Container, name: str, primitive: dict[str, Any], material: Material, matrices: np.ndarray
) -> _Part:
    attributes = primitive["attributes"]
    used, triangles = _triangles(container, name, primitive)
    vertices, placed = _place(container, name, attributes, used, triangles, matrices)
    colours, alpha = _colours(container, attributes, material, used)
    cutoffs = np.zeros(len(triangles), np.int64)
    if material.cutoff is not None:
        cutoffs = lowest_alpha(material.cutoff, alpha[triangles].mean(1))
    uv, copies = _uv(container, attributes, material, used), len(matrices)
    if copies > 1:
        colours, uv, cutoffs = np.tile(colours, (copies, 1)), np.tile(uv, (copies, 1)), np.tile(cutoffs, copies)
    return _Part(vertices, placed, colours, uv, material, cutoffs)


def _triangles(container: Container, name: str, primitive: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """(v,) the vertices that a primitive uses and (t, 3) int32 its triangles of these, counter-clockwise from outside.

    Meshes may share vertices: only those used are worth reading.

    Raises:
        InputError: If a corner is none of the vertices, or there are more of these than triangles can use.
    """
    count, mode = count_of(container, primitive["attributes"]["POSITION"]), primitive.get("mode", _TRIANGLES)
    if count > 3 * MAX_TRIANGLES:
        raise InputError(container.path, f"mesh {name} has {count:,} vertices", "decimate it or cut it into scenes")
    if (index := primitive.get("indices")) is None:
        return np.arange(count), triangulate(np.arange(count, dtype=np.int32), mode)
    corners = read_accessor(container, index)
    if corners.shape[1] != 1 or corners.dtype.kind != "u":
        raise InputError(container.path, f"the indices of mesh {name} are no numbers of vertices", AGAIN)
    corners = corners[:, 0]
    if corners.size and corners.max() >= count:
        raise InputError(container.path, f"mesh {name} has triangles of vertices that are not there", AGAIN)
    is_used = np.zeros(count, np.bool_)
    is_used[corners] = True
    used = np.flatnonzero(is_used)
    corners = corners.astype(np.int32) if len(used) == count else (np.cumsum(is_used, dtype=np.int32) - 1)[corners]
    return used, triangulate(corners, mode)


def triangulate(corners: np.ndarray, mode: int) -> np.ndarray:
    """(t, 3) triangles of a list (n,) of vertices. glTF 2.0, section 3.7.2.1.

    Args:
        corners: Vertices in the order of the file; those too many for a triangle are left out.
        mode: 4, triangles; 5, a strip; 6, a fan.
    """
    if mode == _TRIANGLES:
        return corners[: len(corners) // 3 * 3].reshape(-1, 3)
    last, first = corners[2:], corners[1:-1]
    if mode == _FAN:
        return np.stack([np.broadcast_to(corners[:1], last.shape), first, last], axis=1)
    triangles = np.stack([corners[:-2], first, last], axis=1)
    triangles[1::2, 1:] = triangles[1::2, :0:-1]  # every other triangle of a strip goes the other way round
    return triangles


def _place(
    container: Container,
    name: str,
    attributes: dict[str, Any],
    used: np.ndarray,
    triangles: np.ndarray,
    matrices: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """(n v, 3) float32 vertices in our frame and (n t, 3) int32 triangles, of n copies, by matrices (n, 4, 4).

    Raises:
        InputError: If a vertex is not finite or too far away.
    """
    positions = _attribute(container, attributes["POSITION"], used, 3)
    if not np.isfinite(positions).all():
        wrong = np.flatnonzero(~np.isfinite(positions).all(axis=1))
        where = f"vertex {used[wrong[0]]} of mesh {name} is {positions[wrong[0]].tolist()}"
        raise InputError(
            container.path, f"{where} ({wrong.size} are not finite)", "repair the mesh and export it again"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        placed = positions @ matrices[:, :3, :3].transpose(0, 2, 1) + matrices[:, None, :3, 3]
        near = (np.abs(placed) < MAX_EXTENT).all()  # not where one is not finite, either
    if not near:
        problem = f"mesh {name} lies more than {MAX_EXTENT:,.0f} m from the origin"
        raise InputError(container.path, problem, "give the metres per unit as scale, or repair the place of its node")
    copies = triangles + len(positions) * np.arange(len(matrices), dtype=np.int32)[:, None, None]
    mirrored = np.linalg.det(matrices[:, :3, :3]) < 0
    copies[mirrored] = copies[mirrored][:, :, ::-1]  # a mirror turns the outside in
    return placed.reshape(-1, 3).astype(np.float32), copies.reshape(-1, 3)


def _colours(
    container: Container, attributes: dict[str, Any], material: Material, used: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(v, 3) uint8, the base colour times the vertex colours, and (v,) alpha likewise, 0 to 1."""
    colours = np.tile(material.factor, (len(used), 1))
    if (index := attributes.get("COLOR_0")) is not None:
        given = _attribute(container, index, used, 3, unit=True)
        colours[:, : given.shape[1]] *= given
    colours = np.clip(np.nan_to_num(colours), 0, 1)
    return np.rint(colours[:, :3] * 255).astype(np.uint8), colours[:, 3]


def _uv(container: Container, attributes: dict[str, Any], material: Material, used: np.ndarray) -> np.ndarray:
    """(v, 2) float32 texture coordinates after the texture's own move, zero where there are none."""
    index = attributes.get(material.coordinates)
    if index is None:
        return np.zeros((len(used), 2), np.float32)
    # Integers are fractions unless the extension that allows whole numbers is used.
    unit = _QUANTIZED not in container.header.get("extensionsUsed", ())
    uv = np.nan_to_num(_attribute(container, index, used, 2, unit)[:, :2])
    if material.move is not None:
        uv = uv @ material.move[:2] + material.move[2]
    return np.clip(uv, -_MAX_UV, _MAX_UV).astype(np.float32)


def _attribute(container: Container, index: Any, used: np.ndarray, width: int, unit: bool = False) -> np.ndarray:
    """(v, width or more) float64, an attribute of the vertices that are used.

    Raises:
        InputError: If there are fewer, or they have fewer numbers each.
    """
    if used.size and used[-1] >= count_of(container, index):
        raise InputError(container.path, f"accessor {index} is of fewer vertices than its mesh", AGAIN)
    values = read_floats(container, index, used, unit)
    if not width <= values.shape[1] <= 4:
        raise InputError(container.path, f"accessor {index} has {values.shape[1]} numbers a vertex", AGAIN)
    return values


def _join(name: str, container: Container, parts: list[_Part]) -> Scene:
    images = sorted({part.material.image for part in parts if part.material.image is not None})
    pictures = dict(zip(images, read_textures(container, images), strict=True))
    parts = [_without_cut_away(part, pictures) for part in parts]
    slots = {key: slot for slot, key in enumerate(sorted({key for part in parts for key in _keys(part)}))}
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)], dtype=np.int32)
    triangles = np.concatenate([part.triangles + start for part, start in zip(parts, starts, strict=False)])
    samplers = tuple(sampler for _, sampler in slots)
    return Scene(
        name=name,
        vertices=np.concatenate([part.vertices for part in parts]),
        triangles=triangles,
        colours=np.concatenate([part.colours for part in parts]),
        uv=np.concatenate([part.uv for part in parts]),
        texture=np.concatenate([_slots(part, slots) for part in parts]),
        object_ids=np.zeros(len(triangles), np.int32),
        textures=tuple(_texels(pictures[image], sampler) for image, sampler in slots),
        two_sided=_two_sided(container),
        samplers=samplers if any(sampler != Sampler() for sampler in samplers) else (),
    )


def _without_cut_away(part: _Part, pictures: dict[int, Picture]) -> _Part:
    """A part without the triangles that alpha cuts away wholly; where it cuts nothing, it no longer counts."""
    if not part.cutoffs.any():
        return part
    image = part.material.image
    alpha = None if image is None else pictures[image].alpha
    if alpha is None:
        alpha = np.full((1, 1), 255, np.uint8)
    cutoffs = np.where(part.cutoffs <= alpha.min(), 0, part.cutoffs)
    shown = cutoffs <= alpha.max()
    for cutoff in np.unique(cutoffs[shown & (cutoffs > 0)]):
        these = np.flatnonzero(cutoffs == cutoff)
        shown[these] = is_shown(part.uv[part.triangles[these]], alpha, _sampler(part, cutoff))
    return replace(part, triangles=part.triangles[shown], cutoffs=cutoffs[shown])


def _keys(part: _Part) -> set[tuple[int, Sampler]]:
    """The textures that a part needs: an image, and how it is read."""
    image = part.material.image
    return set() if image is None else {(image, _sampler(part, cutoff)) for cutoff in np.unique(part.cutoffs)}


def _sampler(part: _Part, cutoff: int) -> Sampler:
    return Sampler(*part.material.wrap, int(cutoff))


def _slots(part: _Part, slots: dict[tuple[int, Sampler], int]) -> np.ndarray:
    """(t,) int32, which of the scene's textures each triangle has; -1 for none."""
    if part.material.image is None:
        return np.full(len(part.triangles), -1, np.int32)
    cutoffs, places = np.unique(part.cutoffs, return_inverse=True)
    numbers = [slots[part.material.image, _sampler(part, cutoff)] for cutoff in cutoffs]
    return np.array(numbers, np.int32)[places]


def _texels(picture: Picture, sampler: Sampler) -> np.ndarray:
    """A picture with its alpha only where that cuts."""
    if picture.alpha is None or not sampler.cutoff:
        return picture.colours
    return np.dstack([picture.colours, picture.alpha])


def _two_sided(container: Container) -> bool:
    """Whether to draw triangles from behind: unless every material forbids it, as few exporters care."""
    materials = container.header.get("materials", [])
    return not materials or not all(material.get("doubleSided") is False for material in materials)


def _check_units(path: Path, scene: Scene) -> None:
    """Whether the scene may be in metres: what is higher than a church and no tower is a room in other units.

    Raises:
        InputError: If not.
    """
    low, high = scene.bounds
    width, height, depth = (float(length) for length in high - low)
    if height < 60 or max(width, depth) < 120:
        return
    unit, factor = ("millimetres", 0.001) if height > 1500 else ("centimetres", 0.01)
    problem = (
        f"is {width:,.0f} x {height:,.0f} x {depth:,.0f} units large, which are {unit}, not metres, if it is a home"
    )
    raise InputError(path, problem, f"give scale={factor}, or scale=1 if these are metres")
