"""Scenes from GLB and glTF files, through trimesh."""

import io
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image

from envs.glb.container import Container, base_texture, check_count, image_of, read_container, whole
from envs.glb.stage import Stage
from envs.scene import Scene
from vln.errors import InputError

MAX_TEXTURE = 1024  # pixels a side
TEXTURE_BYTES = 48 << 20  # of a scene together; scans come with hundreds of images of 4096 x 4096
_AGAIN = "export or download it again"


@dataclass(frozen=True, eq=False)
class _Part:
    """Triangles of one primitive in our frame.

    Attributes:
        vertices: (v, 3) float32.
        triangles: (t, 3) int32.
        colours: (v, 3) uint8.
        uv: (v, 2) float32.
        image: Index of its image in the file; None where it has none.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    colours: np.ndarray
    uv: np.ndarray
    image: int | None


def load_mesh(stage: Stage) -> Scene:
    """The triangles, colours and textures of the file that a stage names.

    Raises:
        InputError: As `envs.glb.load_glb` tells.
    """
    with whole(stage.asset):
        container = read_container(stage.asset)
        scene = _join(stage.name, container, list(_parts(container, _read_meshes(container), stage)))
    if not stage.units_known:
        _check_units(stage.asset, scene)
    return scene


def _read_meshes(container: Container) -> trimesh.Scene:
    """What trimesh makes of the file, attributes raw: it would flip v and take integers as they are."""
    header = json.loads(json.dumps(container.header))
    for primitive in Container(container.path, header, b"", {}).primitives():
        attributes = primitive["attributes"]
        coordinates = _coordinates(container.material(primitive))
        raw = {"_UV": attributes.get(coordinates), "_COLOUR": attributes.get("COLOR_0")}
        primitive["attributes"] = {"POSITION": attributes["POSITION"]}
        primitive["attributes"] |= {name: index for name, index in raw.items() if index is not None}
    # Materials are read here: all that trimesh is to tell is which one a mesh is of.
    header["materials"] = [{"name": str(number)} for number in range(len(header.get("materials", [])))]
    header.pop("images", None)
    return trimesh.load_scene(io.BytesIO(_as_glb(header, container)), file_type="glb", resolver=container.files)


def _coordinates(material: dict[str, Any]) -> str:
    """Name of the attribute that places a material's texture."""
    reference = base_texture(material)
    moved = reference.get("extensions", {}).get("KHR_texture_transform", {})
    return f"TEXCOORD_{moved.get('texCoord', reference.get('texCoord', 0))}"


def _as_glb(header: dict[str, Any], container: Container) -> bytes:
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    binary = container.binary + bytes(-len(container.binary) % 4)
    length = 12 + 8 + len(text) + 8 + len(binary)
    start = struct.pack("<4s2I2I", b"glTF", 2, length, len(text), 0x4E4F534A)
    return start + text + struct.pack("<2I", len(binary), 0x004E4942) + binary


def _parts(container: Container, meshes: trimesh.Scene, stage: Stage) -> Iterator[_Part]:
    """Every mesh at every place it is put, in our frame."""
    order = {name: number for number, name in enumerate(meshes.geometry)}  # that of the file; the graph has its own
    placed = sorted((meshes.graph.get(node) for node in meshes.graph.nodes_geometry), key=lambda at: order[at[1]])
    solids = [(matrix, name) for matrix, name in placed if isinstance(meshes.geometry[name], trimesh.Trimesh)]
    check_count(container.path, sum(len(meshes.geometry[name].faces) for _, name in solids))
    frame = np.eye(4)
    frame[:3, :3] = stage.rotation * stage.scale
    for matrix, name in solids:
        yield _part(container, str(name), meshes.geometry[name], frame @ matrix)


def _part(container: Container, name: str, mesh: trimesh.Trimesh, matrix: np.ndarray) -> _Part:
    vertices, triangles = np.asarray(mesh.vertices), np.asarray(mesh.faces)
    if triangles.size and not 0 <= triangles.min() <= triangles.max() < len(vertices):
        raise InputError(container.path, f"mesh {name!r} has triangles of vertices that are not there", _AGAIN)
    placed = _place(container.path, name, vertices, matrix)
    if np.linalg.det(matrix[:3, :3]) < 0:
        triangles = triangles[:, ::-1]  # a mirror turns the outside in
    material = _material(container, mesh)
    texture = base_texture(material)
    image = image_of(container.header["textures"][texture["index"]]) if texture else None
    return _Part(placed, triangles.astype(np.int32), _colours(mesh, material), _uv(mesh, material), image)


def _place(path: Path, name: str, vertices: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(v, 3) float32 vertices in our frame.

    Raises:
        InputError: If one is not finite.
    """
    wrong = np.flatnonzero(~np.isfinite(vertices).all(axis=1))
    if wrong.size or not np.isfinite(matrix).all():
        where = f"vertex {wrong[0]} of mesh {name!r} is {vertices[wrong[0]].tolist()}" if wrong.size else ""
        problem = f"{where} ({wrong.size} are not finite)" if where else f"the place of mesh {name!r} is not finite"
        raise InputError(path, problem, "repair the mesh and export it again")
    placed = vertices @ matrix[:3, :3].T + matrix[:3, 3]
    return placed.astype(np.float32)


def _material(container: Container, mesh: trimesh.Trimesh) -> dict[str, Any]:
    """The material of a mesh as the file has it; empty where it has none."""
    name = getattr(getattr(mesh.visual, "material", None), "name", None)
    return container.header["materials"][int(name)] if name is not None else {}


def _colours(mesh: trimesh.Trimesh, material: dict[str, Any]) -> np.ndarray:
    """(v, 3) uint8, the base colour times the vertex colours."""
    factor = np.asarray(material.get("pbrMetallicRoughness", {}).get("baseColorFactor", (1, 1, 1, 1)), np.float64)
    colours = np.tile(factor[:3], (len(mesh.vertices), 1))
    if "_COLOUR" in mesh.vertex_attributes:
        colours *= _unit(mesh.vertex_attributes["_COLOUR"])[:, :3]
    return np.rint(np.clip(np.nan_to_num(colours), 0, 1) * 255).astype(np.uint8)


def _uv(mesh: trimesh.Trimesh, material: dict[str, Any]) -> np.ndarray:
    """(v, 2) float32 texture coordinates after the texture's own move, zero where there are none."""
    if "_UV" not in mesh.vertex_attributes:
        return np.zeros((len(mesh.vertices), 2), np.float32)
    uv = np.nan_to_num(_unit(mesh.vertex_attributes["_UV"])[:, :2])
    moved = base_texture(material).get("extensions", {}).get("KHR_texture_transform", {})
    if moved:
        angle = float(moved.get("rotation", 0.0))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        uv = (uv * moved.get("scale", (1, 1))) @ turn + moved.get("offset", (0, 0))
    return uv.astype(np.float32)


def _unit(attribute: Any) -> np.ndarray:
    """Numbers of an attribute; integers stand for fractions of their largest."""
    values = np.asarray(attribute)
    return values / np.iinfo(values.dtype).max if values.dtype.kind in "iu" else values.astype(np.float64)


def _textures(container: Container, images: list[int]) -> tuple[np.ndarray, ...]:
    """Images of the file: (h, w, 3) uint8, sides powers of two, together no more than `TEXTURE_BYTES`."""
    opened = [_open_image(container, index) for index in images]
    side = MAX_TEXTURE
    while side > 1 and sum(3 * np.prod(_size(image, side)) for image in opened) > TEXTURE_BYTES:
        side //= 2
    return tuple(_pixels(container, index, image, side) for index, image in zip(images, opened, strict=True))


def _open_image(container: Container, index: int) -> Image.Image:
    try:
        return Image.open(io.BytesIO(container.image(index)))
    except (OSError, ValueError):
        problem = f"texture {container.image_name(index)} is no picture"
        raise InputError(container.path, problem, "write it as PNG or JPEG") from None


def _size(image: Image.Image, side: int) -> tuple[int, int]:
    """Width and height as powers of two, at most `side`."""
    width, height = (min(side, 1 << round(np.log2(length))) for length in image.size)
    return width, height


def _pixels(container: Container, index: int, image: Image.Image, side: int) -> np.ndarray:
    size = _size(image, side)
    try:
        image.draft("RGB", size)  # lets JPEG decode at a half or less
        picture = image.convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        problem = f"texture {container.image_name(index)} is damaged ({error})"
        raise InputError(container.path, problem, _AGAIN) from None
    return np.asarray(picture if picture.size == size else picture.resize(size, Image.Resampling.BOX))


def _join(name: str, container: Container, parts: list[_Part]) -> Scene:
    images = sorted({part.image for part in parts if part.image is not None})
    slots: dict[int | None, int] = {image: slot for slot, image in enumerate(images)}
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    textures = [np.full(len(part.triangles), slots.get(part.image, -1), np.int32) for part in parts]
    triangles = np.concatenate([part.triangles + start for part, start in zip(parts, starts, strict=False)])
    return Scene(
        name=name,
        vertices=np.concatenate([part.vertices for part in parts]),
        triangles=triangles.astype(np.int32),
        colours=np.concatenate([part.colours for part in parts]),
        uv=np.concatenate([part.uv for part in parts]),
        texture=np.concatenate(textures),
        object_ids=np.zeros(len(triangles), np.int32),
        textures=_textures(container, images),
        two_sided=_two_sided(container),
    )


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
