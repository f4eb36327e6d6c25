"""Loading the mesh of a GLB or glTF file into the arrays of a scene."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from envs.glb.accessors import count_of, read_accessor, read_floats
from envs.glb.alpha import has_visible_texel, lowest_alpha
from envs.glb.container import EXPORT_AGAIN, MAX_TRIANGLES, Container, as_input_errors, check_count, read_container
from envs.glb.features import check_features
from envs.glb.images import DecodedImage, read_textures
from envs.glb.materials import Material, read_material
from envs.glb.nodes import place_meshes
from envs.glb.stage import Stage
from envs.scene import Sampler, Scene
from vln.errors import InputError

MAX_EXTENT = 1e6  # metres from the origin; float32 is too coarse for a scene beyond
_MODES = ("points", "lines", "line loops", "line strips", "triangles", "triangle strips", "triangle fans")
_TRIANGLES, _STRIP, _FAN = 4, 5, 6
_QUANTIZED = "KHR_mesh_quantization"
_MAX_UV = 1e6  # repetitions
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Part:
    """The triangles of one primitive in all its instances."""

    vertices: np.ndarray  # (v, 3) float32, in the frame of the scene
    triangles: np.ndarray  # (t, 3) int32
    colours: np.ndarray  # (v, 3) uint8
    uv: np.ndarray  # (v, 2) float32
    material: Material
    cutoffs: np.ndarray  # (t,) int64, lowest alpha of a texel that is drawn, see `lowest_alpha`


def load_mesh(stage: Stage) -> Scene:
    """Load triangles, colours and textures of the file of a stage; errors are those of `envs.glb.load_glb`."""
    with as_input_errors(stage.asset):
        container = read_container(stage.asset)
        check_features(container)
        scene = _join(stage.name, container, list(_parts(container, stage)))
    if not stage.units_known:
        _check_units(stage.asset, scene)
    return scene


def _parts(container: Container, stage: Stage) -> Iterator[_Part]:
    """Iterate over the primitives of the scene in the order of the file."""
    primitives = _triangle_primitives(container)
    if not primitives:
        check_count(container.path, 0)
    corners = {mesh: sum(_corner_count(container, each) for each in group) for mesh, group in primitives.items()}
    places = place_meshes(container, {mesh: count // 3 for mesh, count in corners.items() if count >= 3})
    frame = np.eye(4)
    frame[:3, :3] = stage.rotation * stage.scale
    materials: dict[Any, Material] = {None: Material()}
    for mesh, ways in places.items():
        name = repr(container.entry("meshes", mesh).get("name", mesh))
        with np.errstate(over="ignore", invalid="ignore"):
            matrices = frame @ ways
        for primitive in primitives[mesh]:
            number = primitive.get("material")
            if number not in materials:
                materials[number] = read_material(container, number)
            yield _part(container, name, primitive, materials[number], matrices)


def _triangle_primitives(container: Container) -> dict[int, list[dict[str, Any]]]:
    """Return the triangle primitives of each mesh; logs a warning about others."""
    primitives: dict[int, list[dict[str, Any]]] = {}
    others: set[str] = set()
    for mesh in range(container.count("meshes")):
        for primitive in container.entry("meshes", mesh)["primitives"]:
            mode = primitive.get("mode", _TRIANGLES)
            if mode in (_TRIANGLES, _STRIP, _FAN):
                primitives.setdefault(mesh, []).append(primitive)
            else:
                others.add(_MODES[mode] if mode in range(_TRIANGLES) else f"primitives of mode {mode!r}")
    if others:
        _log.warning("%s: its %s are left out; only triangles are drawn.", container.path, " and ".join(sorted(others)))
    return primitives


def _corner_count(container: Container, primitive: dict[str, Any]) -> int:
    """Return the number of triangle corners of a primitive."""
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
    """Return the used vertices of a primitive, (v,), and its triangles, (t, 3) int32 indices into them.

    Triangles are counter-clockwise seen from outside. Primitives may share vertices, so only the used ones are read.
    """
    count, mode = count_of(container, primitive["attributes"]["POSITION"]), primitive.get("mode", _TRIANGLES)
    if count > 3 * MAX_TRIANGLES:
        raise InputError(container.path, f"mesh {name} has {count:,} vertices", "decimate it or cut it into scenes")
    if (index := primitive.get("indices")) is None:
        return np.arange(count), triangulate(np.arange(count, dtype=np.int32), mode)
    corners = read_accessor(container, index)
    if corners.shape[1] != 1 or corners.dtype.kind != "u":
        raise InputError(container.path, f"the indices of mesh {name} are no numbers of vertices", EXPORT_AGAIN)
    corners = corners[:, 0]
    if corners.size and corners.max() >= count:
        raise InputError(container.path, f"mesh {name} has triangles of vertices that are not there", EXPORT_AGAIN)
    is_used = np.zeros(count, np.bool_)
    is_used[corners] = True
    used = np.flatnonzero(is_used)
    corners = corners.astype(np.int32) if len(used) == count else (np.cumsum(is_used, dtype=np.int32) - 1)[corners]
    return used, triangulate(corners, mode)


def triangulate(corners: np.ndarray, mode: int) -> np.ndarray:
    """Convert a list (n,) of vertices to triangles (t, 3); mode 4 for triangles, 5 for a strip, 6 for a fan.

    An incomplete last triangle is dropped. glTF 2.0, section 3.7.2.1.
    """
    if mode == _TRIANGLES:
        return corners[: len(corners) // 3 * 3].reshape(-1, 3)
    last, first = corners[2:], corners[1:-1]
    if mode == _FAN:
        return np.stack([np.broadcast_to(corners[:1], last.shape), first, last], axis=1)
    triangles = np.stack([corners[:-2], first, last], axis=1)
    triangles[1::2, 1:] = triangles[1::2, :0:-1]  # every other triangle of a strip has the opposite winding
    return triangles


def _place(
    container: Container,
    name: str,
    attributes: dict[str, Any],
    used: np.ndarray,
    triangles: np.ndarray,
    matrices: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Transform a primitive by matrices (n, 4, 4) of its n instances.

    Returns vertices (n v, 3) float32 in the frame of the scene, and triangles (n t, 3) int32.
    """
    positions = _attribute(container, attributes["POSITION"], used, 3)
    if not np.isfinite(positions).all():
        wrong = np.flatnonzero(~np.isfinite(positions).all(axis=1))
        where = f"vertex {used[wrong[0]]} of mesh {name} is {positions[wrong[0]].tolist()}"
        problem = f"{where} ({wrong.size} are not finite)"
        raise InputError(container.path, problem, "repair the mesh and export it again")
    with np.errstate(over="ignore", invalid="ignore"):
        placed = positions @ matrices[:, :3, :3].transpose(0, 2, 1) + matrices[:, None, :3, 3]
        near = (np.abs(placed) < MAX_EXTENT).all()  # also false if a vertex is not finite
    if not near:
        problem = f"mesh {name} lies more than {MAX_EXTENT:,.0f} m from the origin"
        raise InputError(container.path, problem, "give the metres per unit as scale, or repair the place of its node")
    copies = triangles + len(positions) * np.arange(len(matrices), dtype=np.int32)[:, None, None]
    mirrored = np.linalg.det(matrices[:, :3, :3]) < 0
    copies[mirrored] = copies[mirrored][:, :, ::-1]  # a reflection reverses the winding
    return placed.reshape(-1, 3).astype(np.float32), copies.reshape(-1, 3)


def _colours(
    container: Container, attributes: dict[str, Any], material: Material, used: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return base colour times vertex colours, (v, 3) uint8, and the alpha, (v,), 0 to 1."""
    colours = np.tile(material.factor, (len(used), 1))
    if (index := attributes.get("COLOR_0")) is not None:
        given = _attribute(container, index, used, 3, unit=True)
        colours[:, : given.shape[1]] *= given
    colours = np.clip(np.nan_to_num(colours), 0, 1)
    return np.rint(colours[:, :3] * 255).astype(np.uint8), colours[:, 3]


def _uv(container: Container, attributes: dict[str, Any], material: Material, used: np.ndarray) -> np.ndarray:
    """Return texture coordinates after the texture transform, (v, 2) float32; zeros if there are none."""
    index = attributes.get(material.coordinates)
    if index is None:
        return np.zeros((len(used), 2), np.float32)
    # Integers are normalised unless the extension that allows unnormalised ones is used.
    unit = _QUANTIZED not in container.header.get("extensionsUsed", ())
    uv = np.nan_to_num(_attribute(container, index, used, 2, unit)[:, :2])
    if material.uv_transform is not None:
        uv = uv @ material.uv_transform[:2] + material.uv_transform[2]
    return np.clip(uv, -_MAX_UV, _MAX_UV).astype(np.float32)


def _attribute(container: Container, index: Any, used: np.ndarray, width: int, unit: bool = False) -> np.ndarray:
    """Read an attribute of the used vertices, (v, width or more) float64."""
    if used.size and used[-1] >= count_of(container, index):
        raise InputError(container.path, f"accessor {index} is of fewer vertices than its mesh", EXPORT_AGAIN)
    values = read_floats(container, index, used, unit)
    if not width <= values.shape[1] <= 4:
        raise InputError(container.path, f"accessor {index} has {values.shape[1]} numbers a vertex", EXPORT_AGAIN)
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


def _without_cut_away(part: _Part, pictures: dict[int, DecodedImage]) -> _Part:
    """Remove the triangles that alpha makes invisible, and reset the cutoff of fully opaque ones to 0."""
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
        shown[these] = has_visible_texel(part.uv[part.triangles[these]], alpha, _sampler(part, cutoff))
    return replace(part, triangles=part.triangles[shown], cutoffs=cutoffs[shown])


def _keys(part: _Part) -> set[tuple[int, Sampler]]:
    """Return the textures of a part as pairs of image and sampler."""
    image = part.material.image
    return set() if image is None else {(image, _sampler(part, cutoff)) for cutoff in np.unique(part.cutoffs)}


def _sampler(part: _Part, cutoff: int) -> Sampler:
    return Sampler(*part.material.wrap, int(cutoff))


def _slots(part: _Part, slots: dict[tuple[int, Sampler], int]) -> np.ndarray:
    """Return the index of each triangle's texture in the scene, (t,) int32; -1 for none."""
    if part.material.image is None:
        return np.full(len(part.triangles), -1, np.int32)
    cutoffs, places = np.unique(part.cutoffs, return_inverse=True)
    numbers = [slots[part.material.image, _sampler(part, cutoff)] for cutoff in cutoffs]
    return np.array(numbers, np.int32)[places]


def _texels(picture: DecodedImage, sampler: Sampler) -> np.ndarray:
    """Return the texels of an image, with alpha only if the sampler has a cutoff."""
    if picture.alpha is None or not sampler.cutoff:
        return picture.colours
    return np.dstack([picture.colours, picture.alpha])


def _two_sided(container: Container) -> bool:
    """Return whether to draw back faces: true unless every material forbids it, as few exporters set `doubleSided`."""
    materials = container.header.get("materials", [])
    return not materials or not all(material.get("doubleSided") is False for material in materials)


def _check_units(path: Path, scene: Scene) -> None:
    """Check that the size of the scene is plausible in metres; something wide and 60 m high is in other units."""
    low, high = scene.bounds
    width, height, depth = (float(length) for length in high - low)
    if height < 60 or max(width, depth) < 120:
        return
    unit, factor = ("millimetres", 0.001) if height > 1500 else ("centimetres", 0.01)
    size = f"{width:,.0f} x {height:,.0f} x {depth:,.0f}"
    problem = f"is {size} units large, which are {unit}, not metres, if it is a home"
    raise InputError(path, problem, f"give scale={factor}, or scale=1 if these are metres")
