"""Find the triangles without any texel above the alpha cutoff; they are removed.

The renderer tests the alpha of the others per texel; for collisions they are solid.
"""

import numpy as np
from numba import njit

from envs.scene import Sampler, Wrap

_EDGE = 1e-3  # texels: a triangle that only touches a texel does not cover it
_FAR = 4  # repetitions: a triangle across more of them is taken to cover every texel


def lowest_alpha(cutoff: float, alpha: np.ndarray) -> np.ndarray:
    """Return the lowest alpha of a texel that is drawn, (t,) int64, 0 to 255; 0 draws all, 256 none.

    The material's cutoff is 0 to 1; `alpha` (t,) is a factor of the texels' alpha.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        lowest = np.ceil(255 * cutoff / np.maximum(alpha, 0) - 1e-6)  # alpha equal to the cutoff is drawn
    return np.clip(np.where(cutoff <= 0, 0, np.nan_to_num(lowest, nan=256.0)), 0, 256).astype(np.int64)


def has_visible_texel(uv: np.ndarray, alpha: np.ndarray, sampler: Sampler) -> np.ndarray:
    """Return whether any texel under triangles is drawn, (t,) bool; `uv` is (t, 3, 2), `alpha` (h, w) uint8."""
    drawn = alpha >= sampler.cutoff
    if sampler.across == Wrap.MIRROR:
        drawn = np.concatenate([drawn, drawn[:, ::-1]], axis=1)
    if sampler.down == Wrap.MIRROR:
        drawn = np.concatenate([drawn, drawn[::-1]], axis=0)
    counts = np.zeros((len(drawn), drawn.shape[1] + 1), np.int32)
    np.cumsum(drawn, axis=1, out=counts[:, 1:])
    places = np.ascontiguousarray(uv * np.array(alpha.shape[::-1], np.float64))
    if not drawn.any():
        return np.zeros(len(uv), np.bool_)
    shown: np.ndarray = _any_under(places, counts, sampler.across == Wrap.CLAMP, sampler.down == Wrap.CLAMP)
    return shown


@njit(cache=True)
def _any_under(places: np.ndarray, counts: np.ndarray, clamp_x: bool, clamp_y: bool) -> np.ndarray:
    """Return whether any texel under triangles (t, 3, 2) is drawn; `counts` (h, w + 1) are cumulative along rows."""
    height = len(counts)
    shown = np.zeros(len(places), np.bool_)
    for i in range(len(places)):
        top, bottom = places[i, :, 1].min(), places[i, :, 1].max()
        if bottom - top > _FAR * height:
            shown[i] = True
            continue
        first = int(np.floor(top + _EDGE))
        last = max(first, int(np.ceil(bottom - _EDGE)) - 1)
        for row in range(first, last + 1):
            left, right = _span(places[i], max(top, float(row)), min(bottom, row + 1.0))
            line = min(max(row, 0), height - 1) if clamp_y else row % height
            if _any_between(counts[line], left, right, clamp_x):
                shown[i] = True
                break
    return shown


@njit(cache=True)
def _span(corners: np.ndarray, top: float, bottom: float) -> tuple[float, float]:
    """Return the least and the largest x of a triangle (3, 2) between two values of y that it reaches."""
    left, right = np.inf, -np.inf
    for corner in range(3):
        ax, ay = corners[corner]
        bx, by = corners[(corner + 1) % 3]
        if min(ay, by) > bottom or max(ay, by) < top:
            continue
        for height in (top, bottom):
            share = min(max((height - ay) / (by - ay), 0.0), 1.0) if by != ay else 0.0
            x = ax + share * (bx - ax)
            left, right = min(left, x), max(right, x)
        if ay == by:
            left, right = min(left, ax, bx), max(right, ax, bx)
    return left, right


@njit(cache=True)
def _any_between(counts: np.ndarray, left: float, right: float, clamp: bool) -> bool:
    """Return whether any texel of a row between two x is drawn."""
    width = len(counts) - 1
    if not clamp and right - left >= width:
        return counts[width] > 0
    if clamp:
        left, right = min(max(left, 0.0), width - 0.5), min(max(right, 0.5), float(width))
    first = int(np.floor(left + _EDGE))
    stop = max(first + 1, int(np.ceil(right - _EDGE)))
    start = first % width
    stop += start - first
    if stop <= width:
        return counts[stop] > counts[start]
    return counts[width] > counts[start] or counts[stop - width] > 0
