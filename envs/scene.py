"""A scene: triangles with colours and textures, the objects and rooms they make up. Metres, y up, right-handed."""

import hashlib
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property

import numpy as np

MESH = ("vertices", "triangles", "colours", "uv", "texture", "object_ids")  # the arrays of a scene
UNLABELLED = 0  # the object id of triangles that belong to no object: walls, floors, ceilings, anything in a bare mesh


@dataclass(frozen=True)
class SceneObject:
    """Something with a name in a scene.

    Attributes:
        category: What it is, e.g. "sofa"; one of `envs.houses.categories` in generated houses.
        colour: Name of its colour, e.g. "red"; empty where unknown.
        room: Index into the scene's rooms, -1 where unknown.
        low: Smallest x, y, z of its box.
        high: Largest x, y, z of its box.
    """

    category: str
    colour: str
    room: int
    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @property
    def centre(self) -> tuple[float, float, float]:
        """Middle of its box."""
        x, y, z = ((low + high) / 2 for low, high in zip(self.low, self.high, strict=True))
        return x, y, z


@dataclass(frozen=True)
class Door:
    """An opening between two rooms that can be walked through.

    Attributes:
        rooms: Indices into the scene's rooms.
        centre: x, y, z of its middle at floor height.
        width: Metres.
    """

    rooms: tuple[int, int]
    centre: tuple[float, float, float]
    width: float


@dataclass(frozen=True)
class Room:
    """A part of a scene with a name.

    Attributes:
        category: What it is, e.g. "kitchen".
        polygon: Its outline on the floor, (x, z) corners in order.
        floor: Height of its floor, y in metres.
        storey: Number of its storey, 0 the lowest.
    """

    category: str
    polygon: tuple[tuple[float, float], ...]
    floor: float = 0.0
    storey: int = 0


class Wrap(IntEnum):
    """How a texture goes on beyond its edge."""

    REPEAT = 0
    MIRROR = 1
    CLAMP = 2


@dataclass(frozen=True, order=True)
class Sampler:
    """How a texture is read.

    Attributes:
        across: How it goes on to its left and right.
        down: How it goes on above and below.
        cutoff: Alpha, 1 to 255, below which nothing is drawn; 0 where alpha does not count.
    """

    across: Wrap = Wrap.REPEAT
    down: Wrap = Wrap.REPEAT
    cutoff: int = 0


@dataclass(frozen=True, eq=False)
class Scene:
    """Triangles and what they are.

    A triangle's colour at a point is its corner colours, interpolated, times its texture where it has one (255 = 1).
    Nothing is lit: light is in the colours.

    Attributes:
        name: What episodes call it: `house-000123`, or the stem of a file.
        vertices: (V, 3) float32, metres.
        triangles: (T, 3) int32, indices into the vertices, counter-clockwise seen from outside.
        colours: (V, 3) uint8.
        uv: (V, 2) float32 texture coordinates, 1 = one repetition, v downwards as in glTF.
        texture: (T,) int32, index into `textures`; -1 where there is none.
        object_ids: (T,) int32, 0 where unlabelled, else 1 + index into `objects`.
        textures: (h, w, 3) uint8 images of powers of two, with alpha (h, w, 4) where that cuts; scenes share the arrays
            where they are the same.
        objects: What is in it.
        rooms: Its rooms.
        doors: What joins them.
        two_sided: Draw triangles from behind too, as in scans.
        samplers: How each texture is read; empty where all repeat and none is cut.
    """

    name: str
    vertices: np.ndarray
    triangles: np.ndarray
    colours: np.ndarray
    uv: np.ndarray
    texture: np.ndarray
    object_ids: np.ndarray
    textures: tuple[np.ndarray, ...] = ()
    objects: tuple[SceneObject, ...] = ()
    rooms: tuple[Room, ...] = ()
    doors: tuple[Door, ...] = ()
    two_sided: bool = False
    samplers: tuple[Sampler, ...] = ()

    @cached_property
    def bounds(self) -> np.ndarray:
        """(2, 3) float32, the smallest and the largest x, y, z."""
        return np.stack([self.vertices.min(0), self.vertices.max(0)])

    def without_mesh(self) -> "Scene":
        """Its objects, rooms and doors alone, which take little memory."""
        nothing = {name: getattr(self, name)[:0].copy() for name in MESH}
        return replace(self, **nothing, textures=(), samplers=())

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of everything that is drawn or walked on."""
        digest = hashlib.sha256()
        arrays = (self.vertices, self.triangles, self.colours, self.uv, self.texture, self.object_ids, *self.textures)
        for array in arrays:
            digest.update(np.ascontiguousarray(array).tobytes())
        for sampler in self.samplers:
            digest.update(bytes((sampler.across, sampler.down, sampler.cutoff)))
        return digest.hexdigest()
