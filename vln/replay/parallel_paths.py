"""Offset copies of paths, so that paths that share edges are drawn side by side."""

import numpy as np

SHARPEST = 0.5  # cosine of half the turn at which a corner is bevelled rather than mitred
SAME = 1e-6  # metres


def offset_path(points: np.ndarray, offset: float) -> list[np.ndarray]:
    """Return the pieces of a path (T + 1, 2) moved to the right of its direction; a negative offset is to the left.

    A path there and back falls on two sides, so that it reads as two. The ends are the ends of the path itself. There
    are T arrays (K, 2), the polyline of each step with the corner at its start; empty where the path stays in place.
    """
    moving = [step for step in range(len(points) - 1) if np.abs(points[step + 1] - points[step]).max() > SAME]
    normals = [_right(points[step + 1] - points[step]) for step in moving]
    pieces = [np.empty((0, 2)) for _ in points[1:]]
    for number, step in enumerate(moving):
        here = normals[number]
        before = normals[number - 1] if number else here
        after = normals[number + 1] if number + 1 < len(normals) else here
        start = _corner(points[step], before, here, offset)
        end = _corner(points[step + 1], here, after, offset)
        pieces[step] = np.array([*start, end[0]])
    if moving:
        pieces[moving[0]] = np.vstack([points[moving[0]], pieces[moving[0]]])
        pieces[moving[-1]] = np.vstack([pieces[moving[-1]], points[-1]])
    return pieces


def _right(direction: np.ndarray) -> np.ndarray:
    """Return the unit vector to the right of a direction."""
    return np.array([direction[1], -direction[0]]) / np.hypot(*direction)


def _corner(point: np.ndarray, before: np.ndarray, after: np.ndarray, offset: float) -> list[np.ndarray]:
    """Return the offset corner between two normals: one point for a mitre, two for a sharp turn."""
    bisector = before + after
    length = np.hypot(*bisector)
    if length / 2 < SHARPEST:
        return [point + offset * before, point + offset * after]
    return [point + offset * bisector * 2 / length**2]
