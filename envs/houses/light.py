"""Light that is baked into vertex colours; the renderer does no lighting."""

import numpy as np

SIDE = np.array([0.80, 0.90, 0.85, 0.95])  # light on faces towards -x, +x, -z, +z
UP, DOWN = 1.0, 0.66
CORNER_DEPTH = 0.16  # fraction of light lost where surfaces meet
CORNER_REACH = 0.3  # metres, decay length of the darkening


def face_light(normals: np.ndarray) -> np.ndarray:
    """Return the light (...,) on faces from their unit normals (..., 3)."""
    square = normals * normals
    side_x = np.where(normals[..., 0] > 0, SIDE[1], SIDE[0])
    side_z = np.where(normals[..., 2] > 0, SIDE[3], SIDE[2])
    level = np.where(normals[..., 1] > 0, UP, DOWN)
    return square[..., 0] * side_x + square[..., 1] * level + square[..., 2] * side_z


def corner_light(distance: np.ndarray) -> np.ndarray:
    """Return the factor of light at a distance in metres from a corner, where surfaces meet."""
    return 1.0 - CORNER_DEPTH * np.exp(-np.maximum(distance, 0.0) / CORNER_REACH)
