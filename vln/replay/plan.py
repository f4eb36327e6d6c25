"""Floor plans of continuous worlds, in the frame of maps: x to the right, y up the page, z upwards.

Simulators of continuous worlds have y upwards and headings counter-clockwise from -z. Maps have headings clockwise from
the top of the page, as in Matterport's buildings, so that the same code draws paths of both.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from vln.floors import Floors
from vln.replay.layout import Window
from vln.trajectory import Pose, Trajectory

Colour = tuple[int, int, int]
Corner = tuple[float, float]


@dataclass(frozen=True)
class PlanRoom:
    """A room of a floor plan: its corners in order, and the index of its storey from 0, the lowest."""

    name: str
    polygon: tuple[Corner, ...]
    storey: int = 0


@dataclass(frozen=True)
class PlanDoor:
    """An opening in a wall: its middle, the unit vector along the wall, and its width in metres."""

    centre: Corner
    along: Corner
    width: float
    storey: int = 0


@dataclass(frozen=True)
class PlanBox:
    """An object of a floor plan."""

    category: str
    name: str  # name that an instruction may use, e.g. "red sofa"
    colour: Colour
    low: Corner  # smallest x and y
    high: Corner  # largest x and y
    top: float = 0.0  # height of its upper end; higher objects are drawn over lower ones
    storey: int = 0  # index from 0, the lowest

    @property
    def centre(self) -> Corner:
        """Middle of the object."""
        return (self.low[0] + self.high[0]) / 2, (self.low[1] + self.high[1]) / 2

    @property
    def size(self) -> Corner:
        """Extent along x and y."""
        return self.high[0] - self.low[0], self.high[1] - self.low[1]


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture of a part of a storey from above."""

    window: Window  # the part of the map that it covers
    image: np.ndarray  # (H, W, 3) uint8, row 0 at the top of the page
    walkable: np.ndarray  # (H, W) bool, true where the agent's body fits


@dataclass(frozen=True, eq=False)
class FloorPlan:
    """The floor plan of a building."""

    name: str  # title for figures
    content_hash: str
    floors: Floors  # storeys by the height of the feet
    window: Window  # extent of the whole building
    rooms: tuple[PlanRoom, ...] = ()  # rooms; empty if they are unknown, as in bare meshes
    doors: tuple[PlanDoor, ...] = ()  # openings between rooms
    boxes: tuple[PlanBox, ...] = ()  # objects worth showing, the lowest first
    pictures: tuple[Picture, ...] = ()  # one picture per storey; empty if none was drawn

    @cached_property
    def extent(self) -> np.ndarray:
        """(2, 2) lowest and highest corner."""
        return np.array([[self.window.left, self.window.bottom], [self.window.right, self.window.top]])

    def target(self, name: str, goal: Corner) -> PlanBox | None:
        """Return the object of a name or category nearest to a goal; None if there is none."""
        called = [box for box in self.boxes if name and name in (box.name, box.category)]
        return min(called, key=lambda box: np.hypot(*np.subtract(box.centre, goal)), default=None)


@dataclass(frozen=True, eq=False)
class Views:
    """The views of an agent at each of its poses."""

    rgb: np.ndarray  # (T + 1, H, W, 3) uint8
    depth: np.ndarray  # (T + 1, H, W) float32 metres, 0 where there is no surface


def on_map(place: Iterable[float]) -> tuple[float, float, float]:
    """Convert a position of a continuous world to the frame of maps."""
    x, y, z = place
    return x, -z, y


def pose_on_map(pose: Pose) -> Pose:
    """Convert a pose of a continuous world to the frame of maps."""
    return replace(pose, position=on_map(pose.position), heading=-pose.heading)


def trajectory_on_map(trajectory: Trajectory) -> Trajectory:
    """Convert a trajectory of a continuous world to the frame of maps."""
    return replace(
        trajectory,
        start=pose_on_map(trajectory.start),
        steps=tuple(replace(step, pose=pose_on_map(step.pose)) for step in trajectory.steps),
        reference_positions=tuple(map(on_map, trajectory.reference_positions)),
    )
