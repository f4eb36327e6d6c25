"""A plan in few pixels, for terminals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw

from vln.replay import style
from vln.replay.layout import Window
from vln.replay.plan import Corner, FloorPlan
from vln.trajectory import Pose

Rgb = tuple[int, int, int]
FINE = 4  # pixels drawn for each shown, so that edges are smooth
PAPER: Rgb = (255, 255, 255)
PALE = 0.35  # how far colours of things are faded


@dataclass(frozen=True)
class Mark:
    """A path, with what it ends in.

    Attributes:
        places: (N, 3) in the frame of maps.
        colour: As matplotlib takes it.
        pose: A body at its end, drawn as an arrow; None for none.
    """

    places: np.ndarray
    colour: str
    pose: Pose | None = None


def mini_map(
    plan: FloorPlan, storey: int, width: int, height: int, marks: Sequence[Mark], goal: np.ndarray | None = None
) -> np.ndarray:
    """A storey from above.

    Args:
        plan: The building.
        storey: Which, from 0.
        width: Most columns.
        height: Most rows.
        marks: Paths, the last on top.
        goal: (3,) where to go, if it is to be shown.

    Returns:
        (H, W, 3) uint8.
    """
    window = plan.window
    scale = FINE * min(width / window.width, height / window.height)
    size = max(FINE, round(window.width * scale)), max(2 * FINE, round(window.height * scale))
    sheet = _Sheet(window, scale, _ground(plan, storey, size))
    sheet.rooms(plan, storey)
    for mark in marks:
        shown = [(x, y) for x, y, z in mark.places.tolist() if plan.floors.of(z) == storey]
        sheet.line(shown, mark.colour)
    if goal is not None and plan.floors.of(goal[2]) == storey:
        sheet.dot((float(goal[0]), float(goal[1])), style.GOAL, 3.0)
    for mark in marks:
        if mark.pose and plan.floors.of(mark.pose.position[2]) == storey:
            sheet.body(mark.pose, mark.colour)
    return np.asarray(sheet.image.resize((size[0] // FINE, size[1] // FINE), Image.Resampling.BOX))


def _ground(plan: FloorPlan, storey: int, size: tuple[int, int]) -> Image.Image:
    """The paper, or of a bare mesh the picture from above."""
    if plan.rooms or storey >= len(plan.pictures):
        return Image.new("RGB", size, PAPER)
    return Image.fromarray(plan.pictures[storey].image).resize(size)


class _Sheet:
    """Paper in metres."""

    def __init__(self, window: Window, scale: float, image: Image.Image) -> None:
        self._window, self._scale, self.image = window, scale, image
        self._pen = ImageDraw.Draw(image)

    def _at(self, place: Corner) -> Corner:
        return (place[0] - self._window.left) * self._scale, (self._window.top - place[1]) * self._scale

    def rooms(self, plan: FloorPlan, storey: int) -> None:
        """Rooms, doors and things."""
        for room in plan.rooms:
            if room.storey == storey:
                corners = [self._at(corner) for corner in room.polygon]
                tint = _rgb(style.PURPOSE_TINTS.get(room.name, style.FLOOR_SPACE))
                self._pen.polygon(corners, fill=tint)
                self._pen.line([*corners, *corners[:2]], fill=_rgb(style.WALL), width=FINE, joint="curve")
        for door in plan.doors:
            if door.storey == storey:
                ends = [np.array(door.centre) + side * np.array(door.along) * door.width / 2 for side in (-1, 1)]
                self._pen.line([self._at((x, y)) for x, y in ends], fill=_rgb(style.FLOOR_SPACE), width=2 * FINE)
        for box in plan.boxes:
            if box.storey == storey:
                (left, bottom), (right, top) = self._at(box.low), self._at(box.high)
                red, green, blue = (round(each + PALE * (255 - each)) for each in box.colour)
                self._pen.rectangle((left, top, right, bottom), fill=(red, green, blue))

    def line(self, places: Sequence[Corner], colour: str) -> None:
        """A path."""
        if len(places) > 1:
            self._pen.line([self._at(place) for place in places], fill=_rgb(colour), width=FINE, joint="curve")

    def dot(self, place: Corner, colour: str, size: float) -> None:
        """A dot with a dark edge, `size` shown pixels wide."""
        x, y = self._at(place)
        reach = size * FINE / 2
        box = (x - reach, y - reach, x + reach, y + reach)
        self._pen.ellipse(box, fill=_rgb(colour), outline=_rgb(style.INK), width=FINE // 2)

    def body(self, pose: Pose, colour: str) -> None:
        """An arrow head."""
        x, y = self._at((pose.position[0], pose.position[1]))
        corners = [
            (x + reach * FINE * math.sin(pose.heading + turn), y - reach * FINE * math.cos(pose.heading + turn))
            for turn, reach in ((0.0, 2.6), (2.5, 2.2), (math.pi, 0.8), (-2.5, 2.2))
        ]
        self._pen.polygon(corners, fill=_rgb(colour), outline=(255, 255, 255))


def _rgb(colour: str) -> Rgb:
    red, green, blue = (round(255 * part) for part in to_rgb(colour))
    return red, green, blue
