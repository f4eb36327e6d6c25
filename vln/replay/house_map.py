"""The map of a continuous world: rooms, walls, doors, furniture and goal; for a bare mesh a picture from above."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle
from matplotlib.path import Path as Shape

from vln.floors import Floors
from vln.replay import style
from vln.replay.episode import HouseReplay
from vln.replay.ground import NAME_SIZE, Name, pixel_centres, place_names
from vln.replay.label_placement import TALL, boxes_of_outline
from vln.replay.layout import Window
from vln.replay.map import Panel, draw_circle, draw_goal, write_names
from vln.replay.plan import PlanBox, PlanDoor
from vln.trajectory import Step

WALL = 0.12  # metres of wall drawn around each room
DOORWAY = 0.5  # metres: greatest thickness of wall that an opening cuts through
LABEL = 4.6  # points, size of the names of objects
MIN_SIZE = 3.0  # points; smaller objects are left out
SPOTS = 7  # positions tried along each side of an object for its name
CLEAR = 4.0  # points between names and paths
SPILL = 0.15  # metres by which a name may be wider than its object
OUTLINE = 2.2  # points, width of the outline of the target
PALE = 0.5  # fading of the colours of objects
FADED = 0.45  # fading of the picture of a bare mesh
BLOCKED = 0.86  # brightness of places that are not walkable


@dataclass(frozen=True)
class HouseMap:
    """The maps of a continuous world."""

    replay: HouseReplay

    @property
    def floors(self) -> Floors:
        """Storeys of the house."""
        return self.replay.plan.floors

    @property
    def extent(self) -> np.ndarray:
        """(2, 2) lowest and highest corner of the house."""
        return self.replay.plan.extent

    def draw(self, panel: Panel) -> None:
        """Draw a storey and the goal."""
        plan = self.replay.plan
        if not plan.rooms:
            self._draw_picture(panel)
        self._draw_rooms(panel)
        for door in plan.doors:
            if door.storey == panel.floor:
                panel.axes.add_patch(_opening(door))
        for box in self._boxes(panel):
            panel.axes.add_patch(_thing(box))
        self._draw_target(panel)

    def name(self, panel: Panel, avoid: np.ndarray, taken: np.ndarray) -> None:
        """Write the names of rooms and objects, clear of paths (N, 2) and of drawn parts (M, 4)."""
        boxes, target = self._boxes(panel), self.replay.target
        if target and target.storey == panel.floor:
            outline = boxes_of_outline(target.low, target.high, OUTLINE, panel.scale)
            taken = np.concatenate([taken, outline])
        names = self._name_rooms(panel, avoid, taken, boxes)
        labels = _labels(boxes, panel, names, avoid, taken)
        write_names(panel, names, weight="bold")
        write_names(panel, labels, size=LABEL, color=style.INK, zorder=1.4)

    def _boxes(self, panel: Panel) -> list[PlanBox]:
        """Return the objects of a storey that are large enough to show."""
        boxes = self.replay.plan.boxes
        return [box for box in boxes if box.storey == panel.floor and min(box.size) * panel.scale >= MIN_SIZE]

    def choices(self, panel: Panel, step: Step, agent: int) -> list[Artist]:
        """Return nothing: low-level actions have no places on the map."""
        return []

    def _draw_picture(self, panel: Panel) -> None:
        """Draw the storey as seen from above, faded."""
        if panel.floor >= len(self.replay.plan.pictures):
            return
        picture = self.replay.plan.pictures[panel.floor]
        image = 255 - (1 - FADED) * (255 - picture.image.astype(float))
        blocked = ~picture.walkable & (picture.image < 255).any(-1)
        image *= np.where(blocked, BLOCKED, 1.0)[..., None]
        window = picture.window
        extent = (window.left, window.right, window.bottom, window.top)
        panel.axes.imshow(image.astype(np.uint8), extent=extent, aspect="auto", interpolation="antialiased", zorder=0)
        look: dict[str, Any] = {"colors": style.WALL, "linewidths": 0.7, "zorder": 0.5}
        panel.axes.contour(picture.walkable.astype(float), [0.5], extent=extent, origin="upper", **look)

    def _draw_rooms(self, panel: Panel) -> None:
        rooms = [room for room in self.replay.plan.rooms if room.storey == panel.floor]
        width = 2 * WALL * panel.scale
        for room in rooms:
            wall = Polygon(room.polygon, fc=style.WALL, ec=style.WALL, lw=width, joinstyle="miter", zorder=0.2)
            panel.axes.add_patch(wall)
        for room in rooms:
            tint = style.PURPOSE_TINTS.get(room.name, style.FLOOR_SPACE)
            panel.axes.add_patch(Polygon(room.polygon, fc=tint, ec="none", zorder=0.3))

    def _name_rooms(self, panel: Panel, avoid: np.ndarray, taken: np.ndarray, boxes: list[PlanBox]) -> list[Name]:
        rooms = [room for room in self.replay.plan.rooms if room.storey == panel.floor]
        columns, rows = pixel_centres(panel.window)
        places = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
        region = np.full(len(places), -1)
        for number, room in enumerate(rooms):
            half = np.array([style.text_width(room.name, NAME_SIZE, weight="bold") / 2 / panel.scale, 0])
            shape = Shape(room.polygon)
            region[shape.contains_points(places - half) & shape.contains_points(places + half)] = number
        names = {number: room.name for number, room in enumerate(rooms)}
        furniture = np.array([(*box.centre, box.size[0] / 2, box.size[1] / 2) for box in boxes]).reshape(-1, 4)
        pixels = region.reshape(len(rows), len(columns))
        return place_names(panel.window, pixels, names, avoid, taken, furniture, panel.scale, "bold")

    def _draw_target(self, panel: Panel) -> None:
        if self.replay.withheld:
            return
        target = self.replay.target
        if target and target.storey == panel.floor:
            look: dict[str, Any] = {"ec": style.TARGET, "lw": OUTLINE, "zorder": 2.1, "joinstyle": "round"}
            panel.axes.add_patch(Rectangle(target.low, *target.size, fill=False, **look))
        x, y, z = self.replay.demonstration[-1].tolist()
        draw_circle(panel, (x, y, z), self.replay.radius)
        draw_goal(panel, (x, y, z))


def _opening(door: PlanDoor) -> Polygon:
    """Return the floor that continues through a wall."""
    along = np.array(door.along) * door.width / 2
    across = np.array([-door.along[1], door.along[0]]) * DOORWAY / 2
    corners = np.array(door.centre) + np.array([along + across, along - across, -along - across, across - along])
    return Polygon(corners, fc=style.FLOOR_SPACE, ec="none", zorder=0.25)


def _thing(box: PlanBox) -> FancyBboxPatch:
    """Return an object in its colour, faded, with a darker edge."""
    colour = np.array(box.colour) / 255
    width, height = box.size
    corner = min(0.06, width / 4, height / 4)
    return FancyBboxPatch(
        (box.low[0] + corner, box.low[1] + corner),
        width - 2 * corner,
        height - 2 * corner,
        boxstyle=f"round,pad={corner}",
        fc=tuple(colour + PALE * (1 - colour)),
        ec=tuple(0.55 * colour),
        lw=0.5,
        zorder=0.6 + 0.1 * min(max(box.top, 0.0), 3.0),
    )


def _labels(boxes: list[PlanBox], panel: Panel, rooms: list[Name], avoid: np.ndarray, drawn: np.ndarray) -> list[Name]:
    """Place the names of objects, large ones first, where they overlap neither drawn parts nor one another."""
    scale = panel.scale
    taken = [*drawn.tolist(), *((x, y, CLEAR / scale, CLEAR / scale) for x, y in avoid.tolist())]
    taken += [(each.x, each.y, *_half(each.text, NAME_SIZE, scale, "bold")) for each in rooms]
    names = []
    for box in sorted(boxes, key=lambda each: -each.size[0] * each.size[1]):
        text, half = _fitted(box, scale)
        above = boxes[boxes.index(box) + 1 :]
        covered = np.array([*taken, *((*each.centre, each.size[0] / 2, each.size[1] / 2) for each in above)])
        spot = _spot(box, np.array(half), covered.reshape(-1, 4), panel.window)
        if spot is not None:
            taken.append((*spot, *half))
            names.append(Name(text, *spot))
    return names


def _fitted(box: PlanBox, scale: float) -> tuple[str, tuple[float, float]]:
    """Return the name of an object, in two lines if one is too long, and half its width and height in metres."""
    half = _half(box.category, LABEL, scale)
    first, _, second = box.category.rpartition(" ")
    if not first or half[0] * 2 <= box.size[0]:
        return box.category, half
    longer = max(first, second, key=len)
    return f"{first}\n{second}", (_half(longer, LABEL, scale)[0], LABEL * 1.1 / scale)


def _half(text: str, size: float, scale: float, weight: str = "normal") -> tuple[float, float]:
    """Return half the width and height of a text in metres."""
    return style.text_width(text, size, weight=weight) / 2 / scale, size / 2 / scale


def _spot(box: PlanBox, half: np.ndarray, taken: np.ndarray, window: Window) -> tuple[float, float] | None:
    """Return the free position for a name within an object that is nearest to its middle; None if there is none.

    `half` is half the width and height of the name, `taken` (N, 4) x, y and half sizes of parts that it must not cover.
    """
    slack = np.array(box.size) / 2 - half + [SPILL / 2, 0]
    if (slack < 0).any():
        return None
    steps = np.stack(np.meshgrid(*2 * [np.linspace(-1, 1, SPOTS)]), axis=-1).reshape(-1, 2)
    spots = np.array(box.centre) + steps * np.maximum(slack - [SPILL / 2, 0], 0)
    free = (spots - half > (window.left, window.bottom)).all(1) & (spots + half < (window.right, window.top)).all(1)
    tall = half * (1, 2 * TALL)  # letters extend a little above and below their size
    free &= (np.abs(spots[:, None] - taken[:, :2]) > tall + taken[:, 2:]).any(-1).all(1)
    if not free.any():
        return None
    x, y = min(spots[free].tolist(), key=lambda spot: math.dist(spot, box.centre))
    return x, y
