"""Pieces of furniture before and after they have a place."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from envs.houses.parts import Parts

Footprint = tuple[float, float, float, float]


@dataclass
class Piece:
    """Something with a name, in its local frame, and what stands on or around it.

    Attributes:
        category: What it is.
        colour: Name of its colour.
        parts: What it is made of.
        width: Metres along x, about its middle, with what belongs to it.
        depth: Metres along z from its back, with what belongs to it.
        height: Metres.
        members: What belongs to it: a piece and its place in this piece's frame.
        access: Metres of floor before it to be kept free, so that one can walk up to it.
    """

    category: str
    colour: str
    parts: Parts
    width: float
    depth: float
    height: float
    members: list[tuple["Piece", "Pose"]] = field(default_factory=list)
    access: float = 0.5

    @property
    def reach(self) -> float:
        """Height of its top with what stands on it, metres."""
        return max([self.height, *(pose.y + member.reach for member, pose in self.members)])

    def put(self, piece: "Piece", x: float, y: float, z: float, yaw: float = 0.0) -> None:
        """Let a piece belong to this one, its origin at a place in this one's frame."""
        self.members.append((piece, Pose(x, y, z, yaw)))


class Pose(NamedTuple):
    """A place and a direction.

    Attributes:
        x: Metres.
        y: Metres.
        z: Metres.
        yaw: Radians about +y; 0 lets the front face +z, positive turns it towards +x.
    """

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
        """Where a place in the local frame is, x and z."""
        cos, sin = self.turn
        return self.x + cos * x + sin * z, self.z - sin * x + cos * z

    def compose(self, inner: "Pose") -> "Pose":
        """The pose of something at `inner` in the frame of this."""
        x, z = self.point(inner.x, inner.z)
        return Pose(x, self.y + inner.y, z, self.yaw + inner.yaw)

    def footprint(self, width: float, depth: float, front: float = 0.0) -> Footprint:
        """Box (x0, z0, x1, z1) of a piece `width` wide and `depth + front` deep here."""
        corners = [self.point(x, z) for x in (-width / 2, width / 2) for z in (0.0, depth + front)]
        xs, zs = [x for x, _ in corners], [z for _, z in corners]
        return min(xs), min(zs), max(xs), max(zs)
