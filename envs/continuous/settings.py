"""What a body in a continuous world senses."""

import math
from dataclasses import dataclass

from envs.render import Camera
from vln.errors import InputError
from vln.tasks import Camera as TaskCamera

ACTIONS = ("stop", "forward", "left", "right")
STOP, FORWARD, LEFT, RIGHT = range(len(ACTIONS))


@dataclass(frozen=True)
class Sensors:
    """The camera of a body, level and looking ahead.

    Attributes:
        width: Pixels of a row.
        height: Pixels of a column.
        hfov: Horizontal field of view, degrees.
        eye: Metres of the camera above the feet.
        rgb: Whether colours are sensed.
        depth: Whether metres along the view axis are.
        semantic: Whether ids of objects are.
        category: Whether categories of objects are, as indices into `envs.houses.categories.CATEGORIES`.
        colour: Whether names of the colours of furniture are, as indices into `COLOUR_NAMES`.
        room: Whether categories of the rooms that things are in are, as indices into `ROOM_NAMES`.
        target: Whether what is called as the goal is shown, things or rooms, as 1 where it is and 0 elsewhere.
        way: Whether the room that comes next on the shortest way is, or in the room of the goal the `target`.
    """

    width: int = 64
    height: int = 64
    hfov: float = TaskCamera.hfov
    eye: float = TaskCamera.eye
    rgb: bool = True
    depth: bool = True
    semantic: bool = False
    category: bool = False
    colour: bool = False
    room: bool = False
    target: bool = False
    way: bool = False

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: If no image can be made of them.
        """
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
        labelled = self.semantic or self.category or self.colour or self.room or self.target or self.way
        return self.rgb or self.depth or labelled
