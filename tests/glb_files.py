"""GLB files for tests: a small scene, and files taken apart to be broken."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envs.scene import Door, Room, Scene, SceneObject
from envs.scenes import load_scene
from vln.errors import InputError


def small_scene(seed: int = 0, shared: bool = False) -> Scene:
    """Ten loose triangles of three objects in two rooms, with two textures; `shared`: a vertex of two textures."""
    random = np.random.default_rng(seed)
    triangles = np.arange(30, dtype=np.int32).reshape(10, 3)
    if shared:
        triangles[1, 0] = triangles[0, 0]
    return Scene(
        name="small",
        vertices=random.normal(size=(30, 3)).astype(np.float32),
        triangles=triangles,
        colours=random.integers(0, 256, (30, 3), dtype=np.uint8),
        uv=random.normal(size=(30, 2)).astype(np.float32),
        texture=np.array([0, -1, 1, 1, 0, -1, -1, 0, 1, 0], np.int32),
        object_ids=np.array([1, 1, 2, 0, 0, 3, 3, 2, 1, 0], np.int32),
        textures=tuple(random.integers(0, 256, (8, width, 3), dtype=np.uint8) for width in (8, 16)),
        objects=(
            SceneObject("sofa", "red", 0, (0.1, 0.0, 0.0), (1.0, 1.0, 1 / 3)),
            SceneObject('tv, 40" wide', "", 1, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
            SceneObject("bed", "blue", -1, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        ),
        rooms=(
            Room("kitchen", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))),
            Room("hallway", ((0.0, 0.0), (1.0, 0.3), (1.0, 1.0)), floor=3.0, storey=1),
        ),
        doors=(Door((0, 1), (0.0, 0.0, 0.5), 0.9),),
        two_sided=bool(seed % 2),
    )


def sentence(path: object, **options: object) -> str:
    """What the file is refused with."""
    with pytest.raises(InputError) as caught:
        load_scene(path, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def take_apart(path: Path) -> tuple[dict[str, Any], bytes]:
    """Header and binary chunk of a GLB."""
    content = path.read_bytes()
    length = struct.unpack("<I", content[12:16])[0]
    return json.loads(content[20 : 20 + length]), content[28 + length :]


def put_together(path: Path, header: dict[str, Any], binary: bytes) -> Path:
    """Write a GLB."""
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    start = struct.pack("<4s4I", b"glTF", 2, 28 + len(text) + len(binary), len(text), 0x4E4F534A)
    path.write_bytes(start + text + struct.pack("<2I", len(binary), 0x004E4942) + binary)
    return path


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Change the header of a GLB in place."""
    header, binary = take_apart(path)
    change(header)
    return put_together(path, header, binary)


def write_triangles(path: Path, positions: np.ndarray, **attributes: np.ndarray) -> Path:
    """A GLB of loose triangles (n, 3) without a material."""
    blocks, views, accessors, names = [], [], [], {}
    kinds = {"float32": 5126, "uint8": 5121, "uint16": 5123}
    for name, array in {"POSITION": np.asarray(positions, np.float32), **attributes}.items():
        names[name] = len(accessors)
        shape = {2: "VEC2", 3: "VEC3", 4: "VEC4"}[array.shape[1]]
        accessor = {"bufferView": len(views), "count": len(array), "type": shape}
        accessors.append(accessor | {"componentType": kinds[array.dtype.name]})
        views.append({"buffer": 0, "byteOffset": sum(map(len, blocks)), "byteLength": array.nbytes})
        blocks.append(array.tobytes() + bytes(-array.nbytes % 4))
    binary = b"".join(blocks)
    header = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"name": "wall", "primitives": [{"attributes": names}]}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
    }
    return put_together(path, header, binary)
