"""A house from above: rooms, walls, doors, furniture and goal; of a bare mesh what is seen from above."""

from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle
from matplotlib.path import Path as Shape

from vln.floors import Floors
from vln.replay import style
from vln.replay.episode import HouseReplay
from vln.replay.layout import Window
from vln.replay.map import Panel, draw_circle, draw_goal, write_names
from vln.replay.plan import PlanBox, PlanDoor
from vln.replay.space import Name, pixel_centres, place_names
from vln.trajectory import Step

WALL = 0.12  # metres of wall drawn around each room
DOORWAY = 0.30  # metres of wall that an opening goes through
LABEL = 4.6  # points, size of the names of things
LEAST = 3.0  # points; smaller things are left out
SPILL = 0.35  # metres that the name of a thing may be wider than it
PALE = 0.30  # how far colours of things are faded
FADED = 0.45  # how far the picture of a bare mesh is faded


@dataclass(frozen=True)
class HouseMap:
    """A continuous world, as maps show it.

    Attributes:
        replay: What happened in it.
    """

    replay: HouseReplay

    @property
    def floors(self) -> Floors:
        """Its storeys."""
        return self.replay.plan.floors

    @property
    def extent(self) -> np.ndarray:
        """(2, 2) corners of the house."""
        return self.replay.plan.extent

    def draw(self, panel: Panel, avoid: np.ndarray) -> None:
        """Draw a storey and the goal.

        Args:
            panel: The storey.
            avoid: (N, 2) positions in metres that text stays clear of.
        """
        plan = self.replay.plan
        if not plan.rooms:
            self._draw_picture(panel)
        self._draw_rooms(panel)
        for door in plan.doors:
            if door.storey == panel.floor:
                panel.axes.add_patch(_opening(door))
        boxes = [box for box in plan.boxes if box.storey == panel.floor and min(box.size) * panel.scale >= LEAST]
        for box in boxes:
            panel.axes.add_patch(_thing(box))
        self._name_rooms(panel, avoid, boxes)
        write_names(panel, _labels(boxes, panel), size=LABEL, color=style.INK, zorder=1.4)
        self._draw_target(panel)

    def choices(self, panel: Panel, step: Step, agent: int) -> list[Artist]:
        """Actions are no places: nothing."""
        return []

    def _draw_picture(self, panel: Panel) -> None:
        """The storey as seen from above, faded."""
        if panel.floor >= len(self.replay.plan.pictures):
            return
        picture = self.replay.plan.pictures[panel.floor]
        image = 255 - (1 - FADED) * (255 - picture.image.astype(float))
        window = picture.window
        extent = (window.left, window.right, window.bottom, window.top)
        panel.axes.imshow(image.astype(np.uint8), extent=extent, aspect="auto", interpolation="antialiased", zorder=0)

    def _draw_rooms(self, panel: Panel) -> None:
        rooms = [room for room in self.replay.plan.rooms if room.storey == panel.floor]
        width = 2 * WALL * panel.scale
        for room in rooms:
            look = {"fc": style.WALL, "ec": style.WALL, "lw": width, "joinstyle": "miter", "zorder": 0.2}
            panel.axes.add_patch(Polygon(room.polygon, **look))
        for room in rooms:
            tint = style.PURPOSE_TINTS.get(room.name, style.FLOOR_SPACE)
            panel.axes.add_patch(Polygon(room.polygon, fc=tint, ec="none", zorder=0.3))

    def _name_rooms(self, panel: Panel, avoid: np.ndarray, boxes: list[PlanBox]) -> None:
        rooms = [room for room in self.replay.plan.rooms if room.storey == panel.floor]
        columns, rows = pixel_centres(panel.window)
        places = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
        region = np.full(len(places), -1)
        for number, room in enumerate(rooms):
            region[Shape(room.polygon).contains_points(places)] = number
        names = {number: room.name for number, room in enumerate(rooms)}
        furniture = np.array([(*box.centre, box.size[0] / 2, box.size[1] / 2) for box in boxes]).reshape(-1, 4)
        region = region.reshape(len(rows), len(columns))
        write_names(panel, place_names(panel.window, region, names, avoid, furniture, panel.scale), weight="bold")

    def _draw_target(self, panel: Panel) -> None:
        if self.replay.withheld:
            return
        target = self.replay.target
        if target and target.storey == panel.floor:
            look = {"fill": False, "ec": style.TARGET, "lw": 2.2, "zorder": 2.1, "joinstyle": "round"}
            panel.axes.add_patch(Rectangle(target.low, *target.size, **look))
        x, y, z = self.replay.demonstration[-1].tolist()
        draw_circle(panel, (x, y, z), self.replay.radius)
        draw_goal(panel, (x, y, z))


def _opening(door: PlanDoor) -> Polygon:
    """The floor that goes on through a wall."""
    along = np.array(door.along) * door.width / 2
    across = np.array([-door.along[1], door.along[0]]) * DOORWAY / 2
    corners = np.array(door.centre) + [along + across, along - across, -along - across, across - along]
    return Polygon(corners, fc=style.FLOOR_SPACE, ec="none", zorder=0.4)


def _thing(box: PlanBox) -> FancyBboxPatch:
    """A thing in its colour, faded, with a darker edge."""
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


def _labels(boxes: list[PlanBox], panel: Panel) -> list[Name]:
    """Names of things that have room for them, the large ones first; none lies over another."""
    placed: list[tuple[float, float, float, float]] = []
    names = []
    for box in sorted(boxes, key=lambda each: -each.size[0] * each.size[1]):
        x, y = box.centre
        half = style.text_width(box.category, LABEL) / 2 / panel.scale, LABEL / 2 / panel.scale
        if not _inside(x, y, half, panel.window) or half[1] * 2 > box.size[1] or half[0] * 2 > box.size[0] + SPILL:
            continue
        if all(abs(x - a) > half[0] + c or abs(y - b) > half[1] + d for a, b, c, d in placed):
            placed.append((x, y, *half))
            names.append(Name(box.category, x, y))
    return names


def _inside(x: float, y: float, half: tuple[float, float], window: Window) -> bool:
    return (
        window.left + half[0] < x < window.right - half[0] and window.bottom + half[1] < y < window.top - half[1]
    )
