"""What a map of a continuous world is drawn from, in the frame of maps: x to the right, y up the page, z upwards.

Simulators of continuous worlds have y upwards and count headings from -z to the left. Maps have headings clockwise from
the top of the page, as in Matterport's buildings, so that everything that draws paths draws both.
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
    """A room.

    Attributes:
        name: What it is called.
        polygon: Its corners in order.
        storey: From 0, the lowest.
    """

    name: str
    polygon: tuple[Corner, ...]
    storey: int = 0


@dataclass(frozen=True)
class PlanDoor:
    """An opening in a wall.

    Attributes:
        centre: Its middle.
        along: Unit vector along the wall.
        width: Metres.
        storey: From 0, the lowest.
    """

    centre: Corner
    along: Corner
    width: float
    storey: int = 0


@dataclass(frozen=True)
class PlanBox:
    """A thing from above.

    Attributes:
        category: What it is.
        name: What an episode may call it, "red sofa".
        colour: What it looks like.
        low: Smallest x and y.
        high: Largest x and y.
        top: Height of its upper end, so that what lies on top is drawn on top.
        storey: From 0, the lowest.
    """

    category: str
    name: str
    colour: Colour
    low: Corner
    high: Corner
    top: float = 0.0
    storey: int = 0

    @property
    def centre(self) -> Corner:
        """Its middle."""
        return (self.low[0] + self.high[0]) / 2, (self.low[1] + self.high[1]) / 2

    @property
    def size(self) -> Corner:
        """Extent along x and y."""
        return self.high[0] - self.low[0], self.high[1] - self.low[1]


@dataclass(frozen=True, eq=False)
class Picture:
    """A storey as seen from above.

    Attributes:
        window: What it covers.
        image: (H, W, 3) uint8, row 0 at the top of the page.
        walkable: (H, W) bool, where a body can be.
    """

    window: Window
    image: np.ndarray
    walkable: np.ndarray


@dataclass(frozen=True, eq=False)
class FloorPlan:
    """A building from above.

    Attributes:
        name: What figures call it.
        content_hash: Of the scene it is of.
        floors: Its storeys, by the height of the feet.
        window: All of it.
        rooms: Empty where rooms are unknown, as in bare meshes.
        doors: Between rooms.
        boxes: Things worth showing, the lowest first.
        pictures: One a storey, empty where nothing was drawn.
    """

    name: str
    content_hash: str
    floors: Floors
    window: Window
    rooms: tuple[PlanRoom, ...] = ()
    doors: tuple[PlanDoor, ...] = ()
    boxes: tuple[PlanBox, ...] = ()
    pictures: tuple[Picture, ...] = ()

    @cached_property
    def extent(self) -> np.ndarray:
        """(2, 2) its lowest and its highest corner."""
        return np.array([[self.window.left, self.window.bottom], [self.window.right, self.window.top]])

    def target(self, name: str, goal: Corner) -> PlanBox | None:
        """The thing of a name or category nearest to a goal, None where there is none."""
        called = [box for box in self.boxes if name and name in (box.name, box.category)]
        return min(called, key=lambda box: np.hypot(*np.subtract(box.centre, goal)), default=None)


@dataclass(frozen=True, eq=False)
class Views:
    """What an agent saw at each of its poses.

    Attributes:
        rgb: (T + 1, H, W, 3) uint8.
        depth: (T + 1, H, W) float32 metres, 0 where nothing is.
    """

    rgb: np.ndarray
    depth: np.ndarray


def on_map(place: Iterable[float]) -> tuple[float, float, float]:
    """A place of a continuous world in the frame of maps."""
    x, y, z = place
    return x, -z, y


def pose_on_map(pose: Pose) -> Pose:
    """A pose of a continuous world in the frame of maps."""
    return replace(pose, position=on_map(pose.position), heading=-pose.heading)


def trajectory_on_map(trajectory: Trajectory) -> Trajectory:
    """A trajectory of a continuous world in the frame of maps."""
    return replace(
        trajectory,
        start=pose_on_map(trajectory.start),
        steps=tuple(replace(step, pose=pose_on_map(step.pose)) for step in trajectory.steps),
        reference_positions=tuple(map(on_map, trajectory.reference_positions)),
    )
