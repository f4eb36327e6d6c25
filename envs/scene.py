"""A scene: a triangle mesh with colours and textures, and its objects and rooms. Metres, y up, right-handed."""

import hashlib
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property

import numpy as np

MESH = ("vertices", "triangles", "colours", "uv", "texture", "object_ids")  # names of the arrays of a scene


@dataclass(frozen=True)
class SceneObject:
    """A labelled object with its axis-aligned bounding box.

    Attributes:
        category: For instance "sofa"; one of `envs.houses.categories` in generated houses.
        colour: Name of its colour, for instance "red"; empty where unknown.
        room: Index into the scene's rooms, -1 where unknown.
        low: Smallest x, y, z of the bounding box.
        high: Largest x, y, z of the bounding box.
    """

    category: str
    colour: str
    room: int
    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @property
    def centre(self) -> tuple[float, float, float]:
        """Centre of the bounding box."""
        x, y, z = ((low + high) / 2 for low, high in zip(self.low, self.high, strict=True))
        return x, y, z


@dataclass(frozen=True)
class Door:
    """A walkable opening between two rooms.

    Attributes:
        rooms: Indices into the scene's rooms.
        centre: x, y, z of the middle of the opening at floor height.
        width: Metres.
    """

    rooms: tuple[int, int]
    centre: tuple[float, float, float]
    width: float


@dataclass(frozen=True)
class Room:
    """A labelled room.

    Attributes:
        category: For instance "kitchen".
        polygon: Outline of the floor, (x, z) corners in order.
        floor: Height of the floor, y in metres.
        storey: Number of the storey, 0 for the lowest.
    """

    category: str
    polygon: tuple[tuple[float, float], ...]
    floor: float = 0.0
    storey: int = 0


class Wrap(IntEnum):
    """How a texture is continued outside 0 to 1."""

    REPEAT = 0
    MIRROR = 1
    CLAMP = 2


@dataclass(frozen=True, order=True)
class Sampler:
    """How a texture is sampled.

    Attributes:
        across: Wrap mode along u.
        down: Wrap mode along v.
        cutoff: Alpha, 1 to 255, below which nothing is drawn; 0 ignores alpha.
    """

    across: Wrap = Wrap.REPEAT
    down: Wrap = Wrap.REPEAT
    cutoff: int = 0


@dataclass(frozen=True, eq=False)
class Scene:
    """A triangle mesh with labels.

    The colour at a point is the interpolated colour of the corners, times the texture if there is one (255 = 1).
    Light is baked into the colours.

    Attributes:
        name: Name of the scene in episodes: `house-000123`, or the stem of a file.
        vertices: (V, 3) float32, metres.
        triangles: (T, 3) int32, indices into the vertices, counter-clockwise seen from outside.
        colours: (V, 3) uint8.
        uv: (V, 2) float32 texture coordinates, 1 = one repetition, v downwards as in glTF.
        texture: (T,) int32, index into `textures`; -1 for none.
        object_ids: (T,) int32, 0 for unlabelled triangles, else 1 + index into `objects`.
        textures: (h, w, 3) uint8 images, sides powers of two; (h, w, 4) with alpha where a sampler has a cutoff. Scenes
            share equal arrays.
        objects: The labelled objects.
        rooms: The rooms.
        doors: The doors between rooms.
        two_sided: Draw the back of triangles too, as scans need.
        samplers: One for each texture; empty if all repeat and none has a cutoff.
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
        """The smallest and the largest x, y, z of the vertices, (2, 3) float32."""
        return np.stack([self.vertices.min(0), self.vertices.max(0)])

    def without_mesh(self) -> "Scene":
        """Return a copy with objects, rooms and doors only, which take little memory."""
        nothing = {name: getattr(self, name)[:0].copy() for name in MESH}
        return replace(self, **nothing, textures=(), samplers=())

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of everything that affects images and collisions."""
        digest = hashlib.sha256()
        arrays = (self.vertices, self.triangles, self.colours, self.uv, self.texture, self.object_ids, *self.textures)
        for array in arrays:
            digest.update(np.ascontiguousarray(array).tobytes())
        for sampler in self.samplers:
            digest.update(bytes((sampler.across, sampler.down, sampler.cutoff)))
        return digest.hexdigest()
