"""Pieces of furniture and their poses."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from envs.houses.parts import Parts

Footprint = tuple[float, float, float, float]


@dataclass
class Piece:
    """A labelled piece of furniture in its local frame, with the pieces on and around it."""

    category: str
    colour: str  # name of the colour
    parts: Parts
    width: float  # metres along x, centred, including members
    depth: float  # metres along z from the back, including members
    height: float  # metres, without members
    members: list[tuple["Piece", "Pose"]] = field(default_factory=list)  # each with its pose in this piece's frame
    access: float = 0.5  # metres of floor in front to be kept free, so that a body can reach the piece

    @property
    def reach(self) -> float:
        """Height of the top including members, metres."""
        return max([self.height, *(pose.y + member.reach for member, pose in self.members)])

    def put(self, piece: "Piece", x: float, y: float, z: float, yaw: float = 0.0) -> None:
        """Attach a piece with its origin at a point of this piece's frame."""
        self.members.append((piece, Pose(x, y, z, yaw)))


class Pose(NamedTuple):
    """A position in metres and a heading: radians about +y; at 0 the front faces +z, positive angles turn it to +x."""

    x: float
    y: float
    z: float
    yaw: float

    @property
    def turn(self) -> tuple[float, float]:
        """Cosine and sine of the yaw, exact at right angles."""
        quarter = self.yaw / (math.pi / 2)
        if abs(quarter - round(quarter)) < 1e-9:
            return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[round(quarter) % 4]
        return math.cos(self.yaw), math.sin(self.yaw)

    def point(self, x: float, z: float) -> tuple[float, float]:
        """Transform a point (x, z) from the local frame."""
        cos, sin = self.turn
        return self.x + cos * x + sin * z, self.z - sin * x + cos * z

    def compose(self, inner: "Pose") -> "Pose":
        """Transform a pose from the local frame."""
        x, z = self.point(inner.x, inner.z)
        return Pose(x, self.y + inner.y, z, self.yaw + inner.yaw)

    def footprint(self, width: float, depth: float, front: float = 0.0) -> Footprint:
        """Return the box (x0, z0, x1, z1) of a piece `width` wide and `depth + front` deep at this pose."""
        corners = [self.point(x, z) for x in (-width / 2, width / 2) for z in (0.0, depth + front)]
        xs, zs = [x for x, _ in corners], [z for _, z in corners]
        return min(xs), min(zs), max(xs), max(zs)
