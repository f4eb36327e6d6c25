"""What a body in a continuous world senses."""

import math
from dataclasses import dataclass

from envs.render import Camera
from vln.errors import InputError
from vln.tasks import Camera as TaskCamera

ACTIONS = ("stop", "forward", "left", "right")
STOP, FORWARD, LEFT, RIGHT = range(len(ACTIONS))
IMAGES = ("rgb", "depth", "semantic", "category", "colour", "room", "target", "way")


@dataclass(frozen=True)
class Sensors:
    """The camera of a body, level and looking ahead, and the images that are sensed; see `ContinuousSimulator`."""

    width: int = 64
    height: int = 64
    hfov: float = TaskCamera.hfov  # horizontal field of view, degrees
    eye: float = TaskCamera.eye  # metres above the feet
    rgb: bool = True
    depth: bool = True
    semantic: bool = False
    category: bool = False
    colour: bool = False
    room: bool = False
    target: bool = False
    way: bool = False

    def __post_init__(self) -> None:
        """Raise an InputError if no image can be made of the numbers."""
        _ = self.camera
        if not 0 < self.eye < math.inf:
            raise InputError("camera", f"a height of {self.eye} m", "give a height above the feet in metres")

    @property
    def camera(self) -> Camera:
        """What images are drawn with."""
        return Camera(self.width, self.height, self.hfov)

    @property
    def draws(self) -> bool:
        """Whether anything is to be drawn."""
        return any(getattr(self, name) for name in IMAGES)
