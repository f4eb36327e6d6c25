"""The renderer: views of many scenes at once, on all cores."""

from collections.abc import Sequence
from math import radians

import numba
import numpy as np

from envs.render import packed as layout
from envs.render.camera import Camera, axes
from envs.render.draw import Images, draw
from envs.render.packed import CLUSTER, PackedScene
from envs.render.raster import VECTOR, Projection, Scratch
from envs.render.shade import BAND, SETUPS, LabelChannels
from envs.render.visibility import BUCKETS, TILE
from vln.errors import InputError

ONE_TEXEL = np.array([0x010101], np.uint32)


class Renderer:
    """Draws a batch of views, each of its own scene, into arrays that are allocated once."""

    def __init__(self, camera: Camera, batch: int) -> None:
        if batch < 1:
            raise InputError("renderer", f"a batch of {batch} views is not possible", "give at least 1")
        self.camera = camera
        shape = (batch, camera.height, camera.width)
        self.rgb = np.zeros((*shape, 3), np.uint8)  # (B, H, W, 3)
        self.depth = np.zeros((*shape, 1), np.float32)  # (B, H, W, 1) metres along the view axis, 0 without a surface
        self.semantic = np.zeros(shape, np.int32)  # (B, H, W) object ids, 0 where there is none; drawn on request
        self.category = np.zeros(shape, np.uint8)  # (B, H, W) values of the scenes' `categories`; drawn on request
        self._rows = np.arange(batch)
        self._views = np.zeros((batch, 12), np.float32)
        self._addresses = np.zeros((batch, 17), np.int64)
        self._scratch: Scratch | None = None

    def render(
        self, scenes: Sequence[PackedScene], positions: np.ndarray, headings: np.ndarray,
        rows: np.ndarray | None = None, semantic: bool = False, category: bool = False,
        pitches: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """Draw all rows, or some of them, each once; the other rows are unchanged.

        Scenes and positions (B, 3) of the cameras in metres are one a row; headings (B,), and pitches (B,) above the
        horizon instead of the camera's, are in radians.
        """
        rows = self._rows if rows is None else np.asarray(rows, np.int64)
        for row in rows.tolist():
            self._addresses[row] = scenes[row].address
        pitch = radians(self.camera.pitch) if pitches is None else pitches[rows]
        self._views[rows, :3] = positions[rows]
        self._views[rows, 3:] = axes(headings[rows], pitch).reshape(-1, 9)
        workers = max(1, min(numba.get_num_threads(), len(rows)))
        clusters = int(self._addresses[rows, layout.CLUSTERS].max(initial=1))
        lens = Projection(np.float32(self.camera.focal), self.camera.width, self.camera.height)
        images = Images(self.rgb, self.depth, self.semantic, self.category)
        scratch = self._space(workers, clusters)
        draw(rows, workers, self._addresses, self._views, lens, scratch, images, LabelChannels(semantic, category))

    def _space(self, workers: int, clusters: int) -> Scratch:
        """Return scratch memory for a number of workers and clusters; it grows and never shrinks."""
        if self._scratch is None or workers > len(self._scratch.order) or clusters > self._scratch.order.shape[2]:
            height, width = self.camera.height, self.camera.width
            tiles = -(-height // TILE) * -(-width // TILE)
            workers = max(workers, numba.get_num_threads())

            def band(kind: type) -> np.ndarray:
                return np.zeros((workers, BAND * width + VECTOR), kind)

            self._scratch = Scratch(
                depths=np.zeros((workers, height * width + VECTOR), np.float32),
                numbers=np.zeros((workers, height * width + VECTOR), np.int32),
                tiles=np.zeros((workers, tiles), np.float32),
                order=np.zeros((workers, 3, 2 * clusters), np.int32),
                counts=np.zeros((workers, BUCKETS + 1), np.int32),
                screen=np.zeros((workers, 9 * CLUSTER), np.float32),
                states=np.zeros((workers, CLUSTER), np.int32),
                least=np.zeros((workers, width + VECTOR), np.float32),
                runs=np.zeros((workers, BAND * width + 1), np.int32),
                colours=band(np.uint32),
                metres=band(np.float32),
                red=band(np.float32),
                green=band(np.float32),
                blue=band(np.float32),
                u=band(np.int32),
                v=band(np.int32),
                masks=band(np.int32),
                texels=band(np.int64),
                one=ONE_TEXEL.ctypes.data,
                setups=np.zeros((workers, SETUPS, 24), np.float32),
                owners=np.zeros((workers, SETUPS, 4), np.int32),
            )
        return self._scratch


HEADINGS = 12  # headings of a panorama, 30 degrees apart
ELEVATIONS = (-30.0, 0.0, 30.0)  # degrees


def panorama(
    scene: PackedScene, position: np.ndarray, camera: Camera | None = None, heading: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Render the 36 views of a Room-to-Room panorama in its order: elevations upwards, headings clockwise.

    The result is (36, H, W, 3) uint8 colours and (36, H, W, 1) float32 depth, seen from a position (3,) with R2R's
    camera, 640 x 480 with a vertical field of view of 60 degrees, or another one, whose pitch is added to the
    elevations. The first view of each elevation looks along `heading`, radians.
    """
    camera = camera or Camera(640, 480, hfov=75.18)
    count = HEADINGS * len(ELEVATIONS)
    renderer = Renderer(camera, count)
    headings = heading - np.tile(np.arange(HEADINGS) * 2 * np.pi / HEADINGS, len(ELEVATIONS))
    pitches = np.radians(np.repeat(ELEVATIONS, HEADINGS) + camera.pitch)
    renderer.render([scene] * count, np.tile(position, (count, 1)), headings, pitches=pitches)
    return renderer.rgb, renderer.depth
