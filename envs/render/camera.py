"""The camera model and the axes of a view."""

from dataclasses import dataclass
from math import radians, tan

import numpy as np

from vln.errors import InputError

LARGEST = 4096  # pixels per side; a larger value is probably a typing error


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with square pixels, the same for all rows of a batch.

    Sizes are in pixels; the horizontal field of view and the pitch, negative below the horizon, in degrees.
    """

    width: int = 64
    height: int = 64
    hfov: float = 90.0
    pitch: float = 0.0

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            size = getattr(self, name)
            if not 1 <= size <= LARGEST:
                problem = f"an image {name} of {size} pixels is not possible"
                raise InputError("camera", problem, f"give 1 to {LARGEST}, for instance 64")
        if not 0 < self.hfov < 180:
            problem = f"a horizontal field of view of {self.hfov:g} degrees is not possible"
            raise InputError("camera", problem, "give more than 0 and less than 180, for instance 90")
        if not -90 <= self.pitch <= 90:
            raise InputError("camera", f"a pitch of {self.pitch:g} degrees is not possible", "give -90 to 90")

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return self.width / 2 / tan(radians(self.hfov) / 2)


def axes(headings: np.ndarray, pitch: np.ndarray | float) -> np.ndarray:
    """Return the axes of cameras in world coordinates, (B, 3, 3) float64, rows right, up, forward.

    Headings (B,) and pitches above the horizon, one number or (B,), are in radians; 0 along -z, positive to the left.
    """
    headings = np.asarray(headings, np.float64)
    sin, cos = np.sin(headings), np.cos(headings)
    rise, level = np.broadcast_to(np.sin(pitch), sin.shape), np.broadcast_to(np.cos(pitch), sin.shape)
    right = np.stack([cos, np.zeros_like(sin), -sin], -1)
    up = np.stack([sin * rise, level, cos * rise], -1)
    forward = np.stack([-sin * level, rise, -cos * level], -1)
    return np.stack([right, up, forward], 1)
