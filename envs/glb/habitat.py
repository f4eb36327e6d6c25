"""Habitat's semantic description of a scene in the format of HM3D: one colour per object, listed in a text file.

`<name>.semantic.txt` has a line per object, `id,RRGGBB,"category",room`. `<name>.semantic.glb` has the triangles of the
scene with these colours at their corners; black is no object. Vertex colours of glTF are linear, and habitat-sim
converts them to sRGB before the lookup, so only colours that survive this conversion are used.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from envs.scene import Room, Scene, SceneObject
from vln.errors import InputError
from vln.files import read_text

HEADER = "HM3D Semantic Annotations"
SUFFIXES = (".semantic.glb", ".semantic.txt")
_LINE = re.compile(r'(\d+),([0-9A-Fa-f]{6}),"(.*)",\s*(-?\d+)')
_STRIDE = 2_654_435  # scatters the colours of neighbouring numbers; coprime to the number of colours


def _srgb(linear: np.ndarray) -> np.ndarray:
    """Convert 8-bit linear values to 8-bit sRGB values, not rounded. IEC 61966-2-1."""
    light = linear / 255
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


def _levels() -> np.ndarray:
    """Return linear levels with distinct sRGB levels that are safe from rounding."""
    exact = _srgb(np.arange(256))
    levels = np.unique(np.rint(exact), return_index=True)[1]
    return levels[np.abs(exact[levels] % 1 - 0.5) > 0.02]


_LEVELS = _levels()


def colours(count: int) -> np.ndarray:
    """Return linear colours of object ids, (count + 1, 3) uint8, for up to some million; black for id 0."""
    base = len(_LEVELS)
    numbers = np.arange(count + 1, dtype=np.int64) * _STRIDE % base**3
    return _LEVELS[np.stack([numbers // base**2, numbers // base % base, numbers % base], axis=1)].astype(np.uint8)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Convert vertex colours (n, 3) uint8 to sRGB as habitat-sim does."""
    return np.rint(_srgb(np.asarray(linear, dtype=np.float64))).astype(np.uint8)


def annotations(objects: Sequence[SceneObject]) -> str:
    """Return the content of the text file."""
    shown = to_srgb(colours(len(objects)))
    lines = [
        f'{number},{bytes(colour).hex().upper()},"{entry.category.replace(chr(34), chr(39))}",{entry.room}'
        for number, (entry, colour) in enumerate(zip(objects, shown[1:], strict=True), start=1)
    ]
    return "\n".join([HEADER, *lines, ""])


def label(scene: Scene, semantic: Scene, path: Path) -> Scene:
    """Add the objects of the semantic description to a scene; returns it unchanged if the triangles differ.

    The format has no colours and no boxes: colours stay empty, boxes come from triangles, rooms from their objects.

    `semantic` has the same triangles with one colour per object, `path` is the text file.
    """
    if not np.array_equal(scene.vertices[scene.triangles], semantic.vertices[semantic.triangles]):
        return scene
    painted = to_srgb(semantic.colours[semantic.triangles[:, 0]]).astype(np.int64) @ (1 << 16, 1 << 8, 1)
    ids = np.zeros(len(scene.triangles), np.int32)
    objects = []
    for colour, category, room in _read(path):
        mine = painted == colour
        if mine.any():
            low, high = _box(scene.vertices[scene.triangles[mine]].reshape(-1, 3))
            objects.append(SceneObject(category, "", room, low, high))
            ids[mine] = len(objects)
    count = max((entry.room for entry in objects), default=-1) + 1
    rooms = tuple(_room([entry for entry in objects if entry.room == room]) for room in range(count))
    return replace(scene, object_ids=ids, objects=tuple(objects), rooms=rooms)


def _read(path: Path) -> list[tuple[int, str, int]]:
    """Return colour, category and room of each line."""
    header, *lines = read_text(path).splitlines() or [""]
    if HEADER not in header:
        raise InputError(path, f"does not begin with {HEADER!r}", "export it again")
    entries = []
    for number, line in enumerate(lines, start=2):
        match = _LINE.fullmatch(line.strip())
        if match:
            entries.append((int(match[2], 16), match[3], max(int(match[4]), -1)))
        elif line.strip():
            raise InputError(path, f'line {number} is not id,RRGGBB,"category",room', "export it again")
    return entries


def _box(points: np.ndarray) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    low, high = points.min(0).tolist(), points.max(0).tolist()
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def _room(objects: Sequence[SceneObject]) -> Room:
    """Return a room with the bounding box of its objects as outline."""
    if not objects:
        return Room("room", ())
    low, high = _box(np.array([corner for entry in objects for corner in (entry.low, entry.high)]))
    polygon = ((low[0], low[2]), (low[0], high[2]), (high[0], high[2]), (high[0], low[2]))
    return Room("room", polygon, floor=low[1])
