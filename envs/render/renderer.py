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
    """Draws a batch of views, each of its own scene, into arrays that are allocated once.

    Attributes:
        rgb: (B, H, W, 3) uint8.
        depth: (B, H, W, 1) float32, metres along the view axis, 0 where there is no surface.
        semantic: (B, H, W) int32, object ids, 0 where there is none; drawn on request.
        category: (B, H, W) uint8, values of the scenes' `categories`; drawn on request.

    Args:
        camera: Camera of all rows.
        batch: Number of rows, B.

    Raises:
        InputError: If the batch is empty.
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
        self._addresses = np.zeros((batch, 17), np.int64)
        self._scratch: Scratch | None = None

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
        """Draw all rows, or some of them; the other rows are unchanged.

        Args:
            scenes: B scenes, one per row.
            positions: (B, 3) positions of the cameras, metres.
            headings: (B,) radians.
            rows: Rows to draw, each once; all if absent.
            semantic: Also draw object ids.
            category: Also draw categories.
            pitches: (B,) radians above the horizon; the camera's pitch if absent.
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


HEADINGS = 12  # headings of a panorama, 30 degrees noalias
ELEVATIONS = (-30.0, 0.0, 30.0)  # degrees


def panorama(
    scene: PackedScene, position: np.ndarray, camera: Camera | None = None, heading: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Render the 36 views of a Room-to-Room panorama in its order: elevations upwards, headings clockwise.

    Args:
        scene: The scene.
        position: (3,) position of the camera, metres.
        camera: Camera of each view; R2R's 640 x 480 with a vertical field of view of 60 degrees if absent. Its pitch is
            added to the elevations.
        heading: Heading of the first view of each elevation, radians.

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
