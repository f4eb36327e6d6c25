"""Packing scenes for the renderer: triangles in spatial clusters, in compact arrays.

Triangles are sorted along a Morton curve and split into clusters with bounding boxes. Large triangles (walls, floors,
ceilings) come first in separate small clusters, since they occlude the rest. Texture coordinates and colours are affine
functions of the position within a triangle, so a triangle stores their gradients in world space, and a pixel needs only
its position.
"""

from dataclasses import astuple, dataclass
from functools import cached_property

import numpy as np

from envs.render.textures import Texture, shared_texture
from envs.scene import Sampler, Scene, Wrap
from vln.errors import InputError

CLUSTER = 64  # triangles that are culled together
LARGE_CLUSTER = 8
LARGE = 1.5  # metres: a triangle of this extent is large
MORTON_BITS = 10
UNIFORM = 2  # of 255; a triangle whose corner colours differ by at most this has one colour, their mean

# Columns of `PackedScene.surfaces`.
TEXTURE, COLOUR, GRADIENT, OBJECT = range(4)
# Columns of `PackedScene.mappings`.
U, V, TEXELS, PLANE, IMAGE = 0, 4, 8, 9, 13
# Elements of `PackedScene.address`: addresses of arrays, then sizes.
CORNERS, BOXES, SPANS, SURFACES, MAPPINGS, GRADIENTS, TEXTURES, CATEGORIES = range(8)
TRIANGLES, CLUSTERS, MAPPED, GRADED, IMAGES, OBJECTS, LARGE_CLUSTERS, CUT_CLUSTERS, CULL = range(8, 17)


@dataclass(frozen=True, eq=False)
class PackedScene:
    """A scene packed for the renderer; T triangles, C clusters.

    Clusters of large triangles come first, alpha-tested ones last. Columns of `surfaces` are the row of `mappings` or
    -1, the colour (red + green << 8 + blue << 16) if it is uniform, the row of `gradients` or -1 if it is uniform, and
    the object id. Those of `mappings`, for textured triangles, are the gradient of u and its value at the origin, the
    same of v, texels per square metre, the normal of the plane, its distance from the origin, the index of the texture.
    """

    name: str
    corners: np.ndarray  # (9, T) float32, x, y, z of the first, the second and the third corner
    boxes: np.ndarray  # (C, 6) float32, bounding box of each cluster: smallest x, y, z, largest x, y, z
    spans: np.ndarray  # (C, 2) int32, first triangle of each cluster and the first after it
    large: int  # number of clusters of large triangles
    cut: int  # number of clusters of alpha-tested triangles
    surfaces: np.ndarray  # (T, 4) int32
    mappings: np.ndarray  # (M, 16) float32
    gradients: np.ndarray  # (G, 12) float32, gradient of red and its value at the origin, and of green, blue, 0 to 255
    textures: tuple[Texture, ...]  # shared with other scenes
    samplers: tuple[Sampler, ...]  # one a texture
    categories: np.ndarray  # (objects + 1,) uint8, value of each object id in category images
    cull: bool  # whether back faces are culled

    @property
    def nbytes(self) -> int:
        """Memory in bytes, without textures."""
        arrays = (self.corners, self.boxes, self.spans, self.surfaces, self.mappings, self.gradients, self.categories)
        return sum(array.nbytes for array in arrays)

    @cached_property
    def texture_table(self) -> np.ndarray:
        """Address of the words, bits of width and height, wrap across and down, cutoff; (textures, 6) int64."""
        rows = [
            (texture.words.ctypes.data, texture.width_bits, texture.height_bits, *astuple(sampler))
            for texture, sampler in zip(self.textures, self.samplers, strict=True)
        ]
        return np.array(rows, np.int64).reshape(-1, 6)

    @cached_property
    def address(self) -> np.ndarray:
        """Addresses of the arrays and their sizes, (17,) int64; valid while the scene lives."""
        arrays = (self.corners, self.boxes, self.spans, self.surfaces, self.mappings, self.gradients)
        counted = (self.surfaces, self.spans, self.mappings, self.gradients, self.texture_table, self.categories)
        places = [array.ctypes.data for array in (*arrays, self.texture_table, self.categories)]
        return np.array([*places, *(len(array) for array in counted), self.large, self.cut, self.cull], np.int64)


def pack(scene: Scene, categories: np.ndarray | None = None) -> PackedScene:
    """Pack a scene for the renderer; `categories` are values of object ids in category images, zeros if absent.

    Raises:
        InputError: If a side of a texture is not a power of two, or categories are missing.
    """
    textures = tuple(shared_texture(image, scene.name) for image in scene.textures)
    corners = scene.vertices[scene.triangles].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    solid = np.flatnonzero((normals**2).sum(1) > 0)  # degenerate triangles are invisible
    samplers = scene.samplers or (Sampler(),) * len(textures)
    is_cut = np.array([*(sampler.cutoff > 0 for sampler in samplers), False])[scene.texture]
    order, starts, large, cut = _clusters(corners[solid], is_cut[solid])
    order = solid[order]
    corners, normals = corners[order], normals[order]
    basis = _dual_basis(corners, normals)
    surfaces = np.full((len(order), 4), -1, np.int32)
    surfaces[:, OBJECT] = scene.object_ids[order]
    textured = np.flatnonzero(scene.texture[order] >= 0)
    surfaces[textured, TEXTURE] = np.arange(len(textured))
    colours = scene.colours[scene.triangles[order]].astype(np.float64)
    surfaces[:, COLOUR] = np.rint(colours.mean(1)).astype(np.int32) @ (1, 1 << 8, 1 << 16)
    varying = np.flatnonzero((np.ptp(colours, axis=1) > UNIFORM).any(1))
    surfaces[varying, GRADIENT] = np.arange(len(varying))
    ids = int(scene.object_ids.max(initial=len(scene.objects))) + 1
    if categories is None:
        categories = np.zeros(ids, np.uint8)
    elif len(categories) < ids:
        problem = f"{len(categories)} categories for {ids} object ids"
        raise InputError(scene.name, problem, "give one for each, 0 included")
    return PackedScene(
        name=scene.name,
        corners=np.ascontiguousarray(corners.reshape(-1, 9).T, np.float32),
        boxes=_boxes(corners, starts),
        spans=np.stack([starts, np.append(starts, len(order))[1:]], 1).astype(np.int32),
        large=large,
        cut=cut,
        surfaces=surfaces,
        mappings=_mappings(scene, textures, samplers, order[textured], basis[textured], corners[textured]),
        gradients=_affine(basis[varying], corners[varying], colours[varying]).reshape(-1, 12).astype(np.float32),
        textures=textures,
        samplers=samplers,
        categories=np.ascontiguousarray(categories, np.uint8),
        cull=not scene.two_sided,
    )


def _clusters(corners: np.ndarray, cut: np.ndarray) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Return the order of triangles (T, 3, 3), the starts of clusters, and the numbers of large and of cut clusters."""
    centres = corners.mean(1)
    large = (np.ptp(corners, axis=1).max(1, initial=0.0) > LARGE) & ~cut
    order = np.lexsort((_morton(centres), ~large, cut))
    count, whole = int(large.sum()), len(order) - int(cut.sum())
    firsts, rest = np.arange(0, count, LARGE_CLUSTER), np.arange(count, whole, CLUSTER)
    last = np.arange(whole, len(order), CLUSTER)
    return order, np.concatenate([firsts, rest, last]), len(firsts), len(last)


def _morton(points: np.ndarray) -> np.ndarray:
    """Return the Morton codes (n,) of points (n, 3)."""
    low = points.min(0, initial=np.inf)
    extent = np.ptp(points, axis=0).max() if len(points) else 1.0
    cells = ((points - low) / (extent + 1e-9) * ((1 << MORTON_BITS) - 1)).astype(np.int64)
    places = np.zeros(len(points), np.int64)
    for bit in range(MORTON_BITS):
        for axis in range(3):
            places |= (cells[:, axis] >> bit & 1) << (3 * bit + axis)
    return places


def _boxes(corners: np.ndarray, starts: np.ndarray) -> np.ndarray:
    if not len(starts):
        return np.zeros((0, 6), np.float32)
    low, high = corners.min(1), corners.max(1)
    boxes = np.concatenate([np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)], 1)
    return np.ascontiguousarray(boxes, np.float32)


def _dual_basis(corners: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Return gradients of the barycentric coordinates of each triangle's second and third corner, (T, 2, 3)."""
    squares = (normals**2).sum(1, keepdims=True)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.stack([np.cross(second, normals) / squares, np.cross(normals, first) / squares], 1)


def _affine(basis: np.ndarray, corners: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return gradients and values at the origin, (T, K, 4), of affine functions with corner values (T, 3, K)."""
    rises = values[:, 1:] - values[:, :1]
    gradients = np.einsum("tik,tia->tka", rises, basis)
    origins = values[:, 0] - np.einsum("tka,ta->tk", gradients, corners[:, 0])
    return np.concatenate([gradients, origins[:, :, None]], 2)


def _mappings(
    scene: Scene, textures: tuple[Texture, ...], samplers: tuple[Sampler, ...],
    triangles: np.ndarray, basis: np.ndarray, corners: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return `PackedScene.mappings`, (M, 16) float32, of triangles (M,) with their basis and corners (M, 3, 3)."""
    mappings = np.zeros((len(triangles), 16), np.float32)
    if not len(triangles):
        return mappings
    uv = scene.uv[scene.triangles[triangles]].astype(np.float64)
    image = scene.texture[triangles]
    uv += _whole_repetitions(uv, np.array([(sampler.across, sampler.down) for sampler in samplers])[image])
    affine = _affine(basis, corners, uv)
    texels = np.array([1 << (each.width_bits + each.height_bits) for each in textures], np.float64)
    normals = np.cross(basis[:, 0], basis[:, 1])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    mappings[:, U : V + 4] = affine.reshape(-1, 8)
    mappings[:, TEXELS] = np.linalg.norm(np.cross(affine[:, 0, :3], affine[:, 1, :3]), axis=1) * texels[image]
    mappings[:, PLANE : PLANE + 3] = normals
    mappings[:, PLANE + 3] = (normals * corners[:, 0]).sum(1)
    mappings[:, IMAGE] = image
    return mappings


def _whole_repetitions(uv: np.ndarray, wraps: np.ndarray) -> np.ndarray:
    """Return whole periods (M, 1, 2) to add to texture coordinates (M, 3, 2), from their wrap modes (M, 2).

    Coordinates become small, and repeating ones at least 1, so that rounding towards 0 is rounding down.
    """
    low = uv.min(1, keepdims=True)
    repeated, mirrored = 1 - np.floor(low), -2 * np.floor(low / 2)
    return np.select([wraps[:, None] == Wrap.REPEAT, wraps[:, None] == Wrap.MIRROR], [repeated, mirrored], 0.0)
