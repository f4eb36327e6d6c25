"""`<name>.house.json`: the parts of a scene that GLB cannot store, so that an exported house can be restored."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from envs.glb.stage import Stage
from envs.scene import Door, Room, Scene, SceneObject
from vln.errors import InputError
from vln.files import read_json, sha256

FORMAT = "vln house 1"
SUFFIX = ".house.json"
LONGEST = 1 << 28  # triangles or vertices of a house
_AGAIN = "export the scene again, or delete this file to do without objects and rooms"


def describe(scene: Scene, owners: np.ndarray, glb: Path) -> dict[str, Any]:
    """Return the content of the file for a written GLB; `owners` are those of `vertex_textures`."""
    return {
        "format": FORMAT,
        "glb_sha256": sha256(glb),
        "content_hash": scene.content_hash,
        "objects": [asdict(entry) for entry in scene.objects],
        "rooms": [asdict(room) for room in scene.rooms],
        "doors": [asdict(door) for door in scene.doors],
        "object_ids": _runs(scene.object_ids),
        "texture": _runs(scene.texture),
        "vertex_texture": _runs(owners),
    }


def vertex_textures(scene: Scene) -> np.ndarray:
    """Return the texture of the triangles at each vertex, (V,); -2 if there are none or several textures."""
    low = np.full(len(scene.vertices), np.iinfo(np.int32).max)
    high = np.full(len(scene.vertices), -2)
    corners = scene.triangles.ravel()
    np.minimum.at(low, corners, np.repeat(scene.texture, 3))
    np.maximum.at(high, corners, np.repeat(scene.texture, 3))
    return np.where(low == high, high, -2)


def matches(path: Path, scene: Scene, glb: Path) -> bool:
    """Return whether the file exists and matches this scene and the current GLB."""
    try:
        content = read_json(path)
    except InputError:
        return False
    return (
        isinstance(content, dict)
        and content.get("format") == FORMAT
        and content.get("content_hash") == scene.content_hash
        and content.get("glb_sha256") == sha256(glb)
    )


def restore(scene: Scene, stage: Stage, path: Path) -> Scene:
    """Restore an exported scene: order of triangles, objects, rooms and doors.

    Vertices keep the order of the GLB if some had several textures or none, since the export split or dropped those.

    Raises:
        InputError: If the file is damaged, the GLB has changed since, or the stage rotates or scales it.
    """
    if not np.array_equal(stage.rotation * stage.scale, np.eye(3)):
        raise InputError(stage.asset, "is an exported scene, y up and in metres", "leave out its up axis and scale")
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(path, f"field 'format' is not {FORMAT!r}", _AGAIN)
    if content.get("glb_sha256") != sha256(stage.asset):
        raise InputError(path, f"{stage.asset.name} has changed since it was written", _AGAIN)
    try:
        texture = _expand(content["texture"])
        ids = _expand(content["object_ids"])
        owners = _expand(content["vertex_texture"])
        objects = tuple(_object(entry) for entry in content["objects"])
        rooms = tuple(_room(entry) for entry in content["rooms"])
        doors = tuple(_door(entry) for entry in content["doors"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(path, f"is damaged ({error!r})", _AGAIN) from None
    if not len(texture) == len(ids) == len(scene.triangles) or ids.max() > len(objects) or ids.min() < 0:
        raise InputError(path, "does not fit the triangles of the GLB", _AGAIN)
    whole = len(owners) == len(scene.vertices) and (owners >= -1).all()
    ordered = _reorder(scene, texture, owners if whole else None)
    return replace(ordered, object_ids=ids, objects=objects, rooms=rooms, doors=doors)


def _reorder(scene: Scene, texture: np.ndarray, owners: np.ndarray | None) -> Scene:
    """Undo the grouping by texture of triangles, and of vertices if their textures are known."""
    place = _ranks(texture)
    triangles, slots = scene.triangles[place], scene.texture[place]
    if owners is None:
        return replace(scene, triangles=triangles, texture=slots)
    place = _ranks(owners)
    return replace(
        scene,
        vertices=scene.vertices[place],
        colours=scene.colours[place],
        uv=scene.uv[place],
        triangles=np.argsort(place).astype(np.int32)[triangles],
        texture=slots,
    )


def _ranks(keys: np.ndarray) -> np.ndarray:
    """Return the position of each key after a stable sort."""
    return np.argsort(np.argsort(keys, kind="stable"))


def _runs(values: np.ndarray) -> list[list[int]]:
    """Run-length encode values: value and length of each run."""
    starts = np.flatnonzero(np.diff(values, prepend=values[:1] - 1))
    lengths = np.diff(np.append(starts, len(values)))
    return [[int(value), int(length)] for value, length in zip(values[starts], lengths, strict=True)]


def _expand(runs: Any) -> np.ndarray:
    """Decode runs to (n,) int32; the inverse of `_runs`."""
    values, lengths = np.array(runs, dtype=np.int32).reshape(-1, 2).T
    if lengths.sum(dtype=np.int64) > LONGEST:
        raise ValueError("runs are too long")
    return np.repeat(values, lengths)


def _object(entry: dict[str, Any]) -> SceneObject:
    x, y, z = map(float, entry["low"])
    u, v, w = map(float, entry["high"])
    return SceneObject(str(entry["category"]), str(entry["colour"]), int(entry["room"]), (x, y, z), (u, v, w))


def _room(entry: dict[str, Any]) -> Room:
    polygon = tuple((float(x), float(z)) for x, z in entry["polygon"])
    return Room(str(entry["category"]), polygon, float(entry["floor"]), int(entry["storey"]))


def _door(entry: dict[str, Any]) -> Door:
    first, second = map(int, entry["rooms"])
    x, y, z = map(float, entry["centre"])
    return Door((first, second), (x, y, z), float(entry["width"]))
