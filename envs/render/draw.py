"""The compiled entry point of the renderer: draws the views of a batch in parallel."""

from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numba import njit, prange
from numba.np.numpy_support import carray

from envs.render import packed as layout
from envs.render.memory import FAST, borrowed, pointer
from envs.render.raster import Geometry, Projection, Scratch
from envs.render.shade import Appearance, LabelChannels, label, shade
from envs.render.visibility import find_visible


class Images(NamedTuple):
    """The output images."""

    rgb: np.ndarray  # (B, H, W, 3) uint8
    depth: np.ndarray  # (B, H, W, 1) float32, metres
    semantic: np.ndarray  # (B, H, W) int32
    category: np.ndarray  # (B, H, W) uint8


@njit(forceinline=True)
def _scene(address: np.ndarray) -> tuple[Geometry, Appearance]:
    """Return the arrays of a scene from `PackedScene.address`."""
    triangles, clusters = address[layout.TRIANGLES], address[layout.CLUSTERS]
    shape = Geometry(
        triangles,
        carray(pointer(address[layout.CORNERS]), (9 * triangles,), np.float32),
        carray(pointer(address[layout.BOXES]), (clusters, 6), np.float32),
        carray(pointer(address[layout.SPANS]), (clusters, 2), np.int32),
        address[layout.LARGE_CLUSTERS],
        clusters - address[layout.CUT_CLUSTERS],
        address[layout.CULL] != 0,
    )
    looks = Appearance(
        carray(pointer(address[layout.SURFACES]), (triangles, 4), np.int32),
        carray(pointer(address[layout.MAPPINGS]), (address[layout.MAPPED], 16), np.float32),
        carray(pointer(address[layout.GRADIENTS]), (address[layout.GRADED], 12), np.float32),
        carray(pointer(address[layout.TEXTURES]), (address[layout.IMAGES], 6), np.int64),
        carray(pointer(address[layout.CATEGORIES]), (address[layout.OBJECTS],), np.uint8),
    )
    return shape, looks


def _compiled(version: int) -> Any:
    """Return the kernel, which is compiled at its first call and cached on disk.

    Numba notices changes of this file only. The version, a variable of the closure, is part of the cache key, so that
    changes of the other files are noticed too.
    """

    @njit(parallel=True, fastmath=FAST, nogil=True, cache=True)
    def draw(
        rows: np.ndarray, workers: int, scenes: np.ndarray, views: np.ndarray, lens: Projection, scratch: Scratch,
        images: Images, wanted: LabelChannels,
    ) -> int:  # fmt: skip
        """Draw rows (R,) of a batch with parallel workers, and return the version that was compiled.

        `scenes` (B, 17) are the addresses of the rows' scenes, `views` (B, 12) position, right, up, forward of their
        cameras. Every worker has its own scratch memory, the first axis of these arrays; the result does not depend on
        the worker.
        """
        for worker in prange(workers):
            mine = Scratch(
                borrowed(scratch.depths[worker]), borrowed(scratch.numbers[worker]), borrowed(scratch.tiles[worker]),
                borrowed(scratch.order[worker]), borrowed(scratch.counts[worker]), borrowed(scratch.screen[worker]),
                borrowed(scratch.states[worker]), borrowed(scratch.least[worker]), borrowed(scratch.runs[worker]),
                borrowed(scratch.colours[worker]), borrowed(scratch.metres[worker]),
                borrowed(scratch.red[worker]), borrowed(scratch.green[worker]), borrowed(scratch.blue[worker]),
                borrowed(scratch.u[worker]), borrowed(scratch.v[worker]), borrowed(scratch.masks[worker]),
                borrowed(scratch.texels[worker]), scratch.one,
                borrowed(scratch.setups[worker]), borrowed(scratch.owners[worker]),
            )  # fmt: skip
            for i in range(worker, len(rows), workers):
                row = rows[i]
                shape, looks = _scene(scenes[row])
                view = borrowed(views[row])
                find_visible(shape, looks, view, lens, mine)
                shade(looks, view, lens, mine, borrowed(images.rgb[row]), borrowed(images.depth[row]))
                if wanted.semantic or wanted.category:
                    label(looks, mine.numbers, images.semantic[row], images.category[row], wanted)
        return version

    return draw


def _version() -> int:
    """Return a checksum of the sources of the renderer."""
    return crc32(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))


draw = _compiled(_version())
