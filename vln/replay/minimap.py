"""Small maps in pixels, for terminals and videos."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw

from vln.floors import Floors
from vln.graph import NavigationGraph
from vln.replay import style
from vln.replay.layout import Window
from vln.replay.plan import Corner, FloorPlan
from vln.trajectory import Pose

Rgb = tuple[int, int, int]
FINE = 4  # supersampling, so that edges are smooth
PAPER: Rgb = (255, 255, 255)
GRAPH_MARGIN = 1.0  # metres around a navigation graph
POINTER = ((0.0, 2.6), (2.5, 2.2), (math.pi, 0.8), (-2.5, 2.2))  # corners of an arrow head, as angles and lengths
PALE = 0.35  # fading of the colours of objects


@dataclass(frozen=True)
class Mark:
    """A path (N, 3) in the frame of maps, with an arrow at its end if a pose is given."""

    places: np.ndarray
    colour: str
    pose: Pose | None = None


class Chart:
    """The map of a storey, drawn once, onto which paths can be drawn repeatedly."""

    def __init__(self, sheet: "_Sheet", floors: Floors, storey: int) -> None:
        """Wrap a sheet with the drawing of a storey."""
        self._sheet, self._floors, self._storey = sheet, floors, storey

    def marked(self, marks: Sequence[Mark], goal: Sequence[float] | np.ndarray | None = None) -> np.ndarray:
        """Return the map with paths, the last on top, and with the goal (3,) if it is given; (H, W, 3) uint8."""
        sheet = self._sheet.copy()
        for mark in marks:
            sheet.line([(x, y) for x, y, z in mark.places.tolist() if self._shows(z)], mark.colour)
        if goal is not None and self._shows(goal[2]):
            sheet.dot((float(goal[0]), float(goal[1])), style.GOAL, 3.0)
        for mark in marks:
            if mark.pose and self._shows(mark.pose.position[2]):
                sheet.body(mark.pose, mark.colour)
        return sheet.pixels()

    def _shows(self, z: float) -> bool:
        return bool(self._floors.of(z) == self._storey)


def plan_chart(plan: FloorPlan, storey: int, width: int, height: int, weight: int = 1, fine: int = FINE) -> Chart:
    """Draw a storey of a plan in at most `width` columns and `height` rows.

    Thin lines are `weight` pixels wide, symbols grow with its square; `fine` is the supersampling of edges.
    """
    sheet = _Sheet.within(plan.window, width, height, weight, fine)
    if not plan.rooms and storey < len(plan.pictures):
        sheet.paste(plan.pictures[storey].image)
    sheet.rooms(plan, storey)
    return Chart(sheet, plan.floors, storey)


def graph_chart(graph: NavigationGraph, floors: Floors, storey: int, side: int, weight: int, fine: int) -> Chart:
    """Draw a storey of a navigation graph, `side` pixels on its longer side; otherwise like `plan_chart`."""
    low, high = graph.positions[:, :2].min(0) - GRAPH_MARGIN, graph.positions[:, :2].max(0) + GRAPH_MARGIN
    sheet = _Sheet.within(Window(*low.tolist(), *high.tolist()), side, side, weight, fine)
    on = floors.of(graph.positions[:, 2]) == storey
    for here, there in np.argwhere(np.triu(graph.adjacency)).tolist():
        if on[here] or on[there]:
            sheet.line([(x, y) for x, y, _ in graph.positions[[here, there]].tolist()], style.EDGE)
    for x, y, _ in graph.positions[on].tolist():
        sheet.dot((x, y), style.VIEWPOINT, 1.0)
    return Chart(sheet, floors, storey)


def mini_map(
    plan: FloorPlan, storey: int, width: int, height: int, marks: Sequence[Mark], goal: np.ndarray | None = None
) -> np.ndarray:
    """Draw a storey of a plan, `plan_chart`, with paths, `Chart.marked`; (H, W, 3) uint8."""
    return plan_chart(plan, storey, width, height).marked(marks, goal)


class _Sheet:
    """An image with coordinates in metres."""

    def __init__(self, window: Window, scale: float, image: Image.Image, weight: int, fine: int) -> None:
        self._window, self._scale, self.image = window, scale, image
        self._weight, self._fine, self._unit = weight, fine, weight * fine
        self._pen = ImageDraw.Draw(image)

    @classmethod
    def within(cls, window: Window, width: int, height: int, weight: int, fine: int) -> Self:
        """Create an empty sheet of at most so many pixels."""
        scale = fine * min(width / window.width, height / window.height)
        size = max(fine, round(window.width * scale)), max(2 * fine, round(window.height * scale))
        return cls(window, scale, Image.new("RGB", size, PAPER), weight, fine)

    def copy(self) -> "_Sheet":
        """Return a copy."""
        return _Sheet(self._window, self._scale, self.image.copy(), self._weight, self._fine)

    def paste(self, picture: np.ndarray) -> None:
        """Cover the sheet with a picture (H, W, 3) uint8."""
        self.image.paste(Image.fromarray(picture).resize(self.image.size))

    def pixels(self) -> np.ndarray:
        """Return the pixels, (H, W, 3) uint8, without supersampling."""
        width, height = self.image.size
        return np.asarray(self.image.resize((width // self._fine, height // self._fine), Image.Resampling.BOX))

    def _at(self, place: Corner) -> Corner:
        return (place[0] - self._window.left) * self._scale, (self._window.top - place[1]) * self._scale

    def rooms(self, plan: FloorPlan, storey: int) -> None:
        """Draw rooms, doors and objects."""
        for room in plan.rooms:
            if room.storey == storey:
                corners = [self._at(corner) for corner in room.polygon]
                tint = _rgb(style.PURPOSE_TINTS.get(room.name, style.FLOOR_SPACE))
                self._pen.polygon(corners, fill=tint)
                self._pen.line([*corners, *corners[:2]], fill=_rgb(style.WALL), width=self._unit, joint="curve")
        for door in plan.doors:
            if door.storey == storey:
                ends = [np.array(door.centre) + side * np.array(door.along) * door.width / 2 for side in (-1, 1)]
                self._pen.line([self._at((x, y)) for x, y in ends], fill=_rgb(style.FLOOR_SPACE), width=2 * self._unit)
        for box in plan.boxes:
            if box.storey == storey:
                (left, bottom), (right, top) = self._at(box.low), self._at(box.high)
                red, green, blue = (round(each + PALE * (255 - each)) for each in box.colour)
                self._pen.rectangle((left, top, right, bottom), fill=(red, green, blue))

    def line(self, places: Sequence[Corner], colour: str) -> None:
        """Draw a path."""
        if len(places) > 1:
            self._pen.line([self._at(place) for place in places], fill=_rgb(colour), width=self._unit, joint="curve")

    def dot(self, place: Corner, colour: str, size: float) -> None:
        """Draw a dot with a dark edge, `size` output pixels wide."""
        x, y = self._at(place)
        reach = size * self._unit * self._weight / 2
        box = (x - reach, y - reach, x + reach, y + reach)
        self._pen.ellipse(box, fill=_rgb(colour), outline=_rgb(style.INK), width=self._unit // 2)

    def body(self, pose: Pose, colour: str) -> None:
        """Draw an arrow head."""
        x, y = self._at((pose.position[0], pose.position[1]))
        corners = [
            (x + reach * math.sin(pose.heading + turn), y - reach * math.cos(pose.heading + turn))
            for turn, reach in ((each, units * self._unit * self._weight) for each, units in POINTER)
        ]
        self._pen.polygon(corners, fill=_rgb(colour), outline=(255, 255, 255))


def _rgb(colour: str) -> Rgb:
    red, green, blue = (round(255 * part) for part in to_rgb(colour))
    return red, green, blue
