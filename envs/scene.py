"""A scene: a triangle mesh with colours and textures, and its objects and rooms. Metres, y up, right-handed."""

import hashlib
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property

import numpy as np

MESH = ("vertices", "triangles", "colours", "uv", "texture", "object_ids")  # names of the arrays of a scene


@dataclass(frozen=True)
class SceneObject:
    """A labelled object with its axis-aligned bounding box."""

    category: str  # for instance "sofa"; one of `envs.houses.categories` in generated houses
    colour: str  # its name, for instance "red"; empty where unknown
    room: int  # index into the scene's rooms, -1 where unknown
    low: tuple[float, float, float]  # smallest x, y, z of the bounding box
    high: tuple[float, float, float]  # largest x, y, z

    @property
    def centre(self) -> tuple[float, float, float]:
        """Centre of the bounding box."""
        x, y, z = ((low + high) / 2 for low, high in zip(self.low, self.high, strict=True))
        return x, y, z


@dataclass(frozen=True)
class Door:
    """A walkable opening between two rooms."""

    rooms: tuple[int, int]  # indices into the scene's rooms
    centre: tuple[float, float, float]  # x, y, z of the middle of the opening at floor height
    width: float  # metres


@dataclass(frozen=True)
class Room:
    """A labelled room."""

    category: str  # for instance "kitchen"
    polygon: tuple[tuple[float, float], ...]  # outline of the floor, (x, z) corners in order
    floor: float = 0.0  # height of the floor, y in metres
    storey: int = 0  # 0 for the lowest


class Wrap(IntEnum):
    """How a texture is continued outside 0 to 1."""

    REPEAT = 0
    MIRROR = 1
    CLAMP = 2


@dataclass(frozen=True, order=True)
class Sampler:
    """How a texture is sampled."""

    across: Wrap = Wrap.REPEAT  # along u
    down: Wrap = Wrap.REPEAT  # along v
    cutoff: int = 0  # alpha, 1 to 255, below which nothing is drawn; 0 ignores alpha


@dataclass(frozen=True, eq=False)
class Scene:
    """A triangle mesh with labels.

    The colour at a point is the interpolated colour of the corners, times the texture if there is one (255 = 1).
    Light is baked into the colours. Textures are (h, w, 3) uint8 images, sides powers of two, or (h, w, 4) with alpha
    where a sampler has a cutoff; scenes share equal arrays.
    """

    name: str  # in episodes: `house-000123`, or the stem of a file
    vertices: np.ndarray  # (V, 3) float32, metres
    triangles: np.ndarray  # (T, 3) int32, indices into the vertices, counter-clockwise seen from outside
    colours: np.ndarray  # (V, 3) uint8
    uv: np.ndarray  # (V, 2) float32 texture coordinates, 1 = one repetition, v downwards as in glTF
    texture: np.ndarray  # (T,) int32, index into `textures`; -1 for none
    object_ids: np.ndarray  # (T,) int32, 0 for unlabelled triangles, else 1 + index into `objects`
    textures: tuple[np.ndarray, ...] = ()
    objects: tuple[SceneObject, ...] = ()
    rooms: tuple[Room, ...] = ()
    doors: tuple[Door, ...] = ()
    two_sided: bool = False  # draw the back of triangles too, as scans need
    samplers: tuple[Sampler, ...] = ()  # one for each texture; empty if all repeat and none has a cutoff

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
