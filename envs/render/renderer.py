"""Views of many scenes at once, on all cores."""

from collections.abc import Sequence
from math import radians

import numba
import numpy as np
from numba import carray, njit, prange

from envs.render import packed as layout
from envs.render.camera import Camera, axes
from envs.render.memory import pointer
from envs.render.packed import CLUSTER, PackedScene
from envs.render.shade import VECTOR, label, shade
from envs.render.visibility import TILE, find_visible
from vln.errors import InputError


@njit(parallel=True, fastmath=True, nogil=True, cache=True)
def draw(  # type: ignore[no-untyped-def]
    rows, workers, scenes, views, focal,
    depths, numbers, tiles, order, screen, states, line, line_depth, rgb, depth, semantic, category, with_semantic, with_category,
):  # fmt: skip
    """Draw rows of a batch. Every worker has scratch of its own; which worker draws a row does not show.

    Args:
        rows: (R,) int64, rows to draw.
        workers: How many share them.
        scenes: (B, 16) int64, `PackedScene.address` of each row.
        views: (B, 12) float32, position, right, up, forward of each row.
        focal: Pixels, float32.
        depths: (workers, H * W) float32 scratch.
        numbers: (workers, H * W) int32 scratch.
        tiles: (workers, tiles) float32 scratch.
        order: (workers, 3, clusters) int32 scratch.
        screen: (workers, 9, CLUSTER) float32 scratch.
        states: (workers, CLUSTER) int32 scratch.
        line: (workers, W + VECTOR) uint32 scratch.
        line_depth: (workers, W + VECTOR) float32 scratch.
        rgb: (B, H, W, 3) uint8.
        depth: (B, H, W, 1) float32.
        semantic: (B, H, W) int32.
        category: (B, H, W) uint8.
        with_semantic: Whether to draw object ids.
        with_category: Whether to draw categories.
    """
    height, width = rgb.shape[1], rgb.shape[2]
    for worker in prange(workers):
        for i in range(worker, len(rows), workers):
            row = rows[i]
            at, view = scenes[row], views[row]
            corners = carray(pointer(at[layout.CORNERS]), (9, at[layout.TRIANGLES]), np.float32)
            boxes = carray(pointer(at[layout.BOXES]), (at[layout.CLUSTERS], 6), np.float32)
            spans = carray(pointer(at[layout.SPANS]), (at[layout.CLUSTERS], 2), np.int32)
            surfaces = carray(pointer(at[layout.SURFACES]), (at[layout.TRIANGLES], 4), np.int32)
            mappings = carray(pointer(at[layout.MAPPINGS]), (at[layout.MAPPED], 16), np.float32)
            gradients = carray(pointer(at[layout.GRADIENTS]), (at[layout.GRADED], 12), np.float32)
            textures = carray(pointer(at[layout.TEXTURES]), (at[layout.IMAGES], 4), np.int64)
            categories = carray(pointer(at[layout.CATEGORIES]), (at[layout.OBJECTS],), np.uint8)
            find_visible(
                boxes, spans, corners, at[layout.LARGE_CLUSTERS], at[layout.CULL] != 0, view, focal, width, height,
                depths[worker], numbers[worker], tiles[worker], order[worker], screen[worker], states[worker],
            )  # fmt: skip
            shade(
                surfaces, mappings, gradients, textures, view, focal,
                depths[worker], numbers[worker], line[worker], line_depth[worker], rgb[row], depth[row],
            )  # fmt: skip
            if with_semantic or with_category:
                label(surfaces, categories, numbers[worker], semantic[row], category[row], with_semantic, with_category)


class Renderer:
    """Draws a batch of views, each in a scene of its own, into arrays that are made once.

    Attributes:
        rgb: (B, H, W, 3) uint8.
        depth: (B, H, W, 1) float32, metres along the view axis, 0 where nothing is.
        semantic: (B, H, W) int32, object ids, 0 where nothing is; filled when asked for.
        category: (B, H, W) uint8, by the scenes' `categories`; filled when asked for.

    Args:
        camera: Of all rows.
        batch: Number of rows, B.

    Raises:
        InputError: The batch is empty.
    """

    def __init__(self, camera: Camera, batch: int) -> None:
        if batch < 1:
            raise InputError("renderer", f"a batch of {batch} views is not possible", "give at least 1")
        self.camera = camera
        shape = (batch, camera.height, camera.width)
        self.rgb = np.zeros((*shape, 3), np.uint8)
        self.depth = np.zeros((*shape, 1), np.float32)
        self.semantic = np.zeros(shape, np.int32)
        self.category = np.zeros(shape, np.uint8)
        self._rows = np.arange(batch)
        self._views = np.zeros((batch, 12), np.float32)
        self._addresses = np.zeros((batch, 16), np.int64)
        self._scratch: tuple[np.ndarray, ...] = ()
        self._room = (0, 0)

    def render(
        self,
        scenes: Sequence[PackedScene],
        positions: np.ndarray,
        headings: np.ndarray,
        rows: np.ndarray | None = None,
        semantic: bool = False,
        category: bool = False,
        pitches: np.ndarray | None = None,
    ) -> None:
        """Draw all rows, or some of them; the others stay as they were.

        Args:
            scenes: One a row, B.
            positions: (B, 3) of the eyes, metres.
            headings: (B,) radians.
            rows: Rows to draw, each once; all if absent.
            semantic: Also object ids.
            category: Also categories.
            pitches: (B,) radians above the horizon; the camera's if absent.
        """
        rows = self._rows if rows is None else np.asarray(rows, np.int64)
        for row in rows:
            self._addresses[row] = scenes[row].address
        pitch = radians(self.camera.pitch) if pitches is None else pitches[rows]
        self._views[rows, :3] = positions[rows]
        self._views[rows, 3:] = axes(headings[rows], pitch).reshape(-1, 9)
        workers = max(1, min(numba.get_num_threads(), len(rows)))
        clusters = int(self._addresses[rows, layout.CLUSTERS].max(initial=1))
        draw(
            rows, workers, self._addresses, self._views, np.float32(self.camera.focal), *self._space(workers, clusters),
            self.rgb, self.depth, self.semantic, self.category, semantic, category,
        )  # fmt: skip

    def _space(self, workers: int, clusters: int) -> tuple[np.ndarray, ...]:
        """Scratch for so many workers and clusters: grows, never shrinks."""
        if workers > self._room[0] or clusters > self._room[1]:
            workers, clusters = max(workers, self._room[0]), max(clusters, 2 * self._room[1])
            height, width = self.camera.height, self.camera.width
            tiles = -(-height // TILE) * -(-width // TILE)
            self._scratch = (
                np.zeros((workers, height * width), np.float32),
                np.zeros((workers, height * width), np.int32),
                np.zeros((workers, tiles), np.float32),
                np.zeros((workers, 3, clusters), np.int32),
                np.zeros((workers, 9, CLUSTER), np.float32),
                np.zeros((workers, CLUSTER), np.int32),
                np.zeros((workers, width + VECTOR), np.uint32),
                np.zeros((workers, width + VECTOR), np.float32),
            )
            self._room = (workers, clusters)
        return self._scratch


HEADINGS = 12  # of a panorama, 30 degrees apart
ELEVATIONS = (-30.0, 0.0, 30.0)  # degrees


def panorama(
    scene: PackedScene, position: np.ndarray, camera: Camera | None = None, heading: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """The 36 views of Room-to-Room around a place, in its order: headings to the right within elevations from below.

    Args:
        scene: Where.
        position: (3,) of the eye, metres.
        camera: Of each view; R2R's 640 x 480 with 60 degrees upright if absent. Its pitch is added to the elevations.
        heading: Radians, of the first view of each elevation.

    Returns:
        (36, H, W, 3) uint8 colours and (36, H, W, 1) float32 depth.
    """
    camera = camera or Camera(640, 480, hfov=75.18)
    count = HEADINGS * len(ELEVATIONS)
    renderer = Renderer(camera, count)
    headings = heading - np.tile(np.arange(HEADINGS) * 2 * np.pi / HEADINGS, len(ELEVATIONS))
    pitches = np.radians(np.repeat(ELEVATIONS, HEADINGS) + camera.pitch)
    renderer.render([scene] * count, np.tile(position, (count, 1)), headings, pitches=pitches)
    return renderer.rgb, renderer.depth
