"""Stairs with two flights and a half-way landing, in a separate room beside the hallway of both storeys."""

from dataclasses import dataclass

from envs.houses.palette import Palette
from envs.houses.parts import Parts
from envs.houses.piece import Piece, Pose
from envs.houses.plan import Plan
from envs.houses.walls import Edge, inside

SLAB = 0.2  # metres between a ceiling and the floor above
LANDING = 1.0  # metres, depth of the landings at both ends
RISERS = 16
TREADS = 7  # treads of each flight, between landings
MIDDLE = 0.05  # metres, half the thickness of the wall between the flights
RAIL = 0.9  # metres, height of railings


@dataclass(frozen=True)
class Stairwell:
    """The position of the stairs in a house."""

    room: int  # index of the room with the stairs, the same on both storeys
    edge: Edge  # wall face with the opening to the hallway
    depth: float  # metres from that wall to the opposite one
    rise: float  # metres from floor to floor

    @property
    def pose(self) -> Pose:
        """Pose at the middle of the wall towards the hallway, facing into the room."""
        return self.edge.pose(self.edge.length / 2)

    @property
    def half_way(self) -> tuple[float, float, float]:
        """Centre of the half-way landing."""
        tread = self._tread
        x, z = self.pose.point(0.0, (LANDING + TREADS * tread + self.depth) / 2)
        return round(x, 3), round(self.rise / 2, 3), round(z, 3)

    @property
    def _tread(self) -> float:
        return (self.depth - 2 * LANDING) / TREADS

    def strip(self, margin: float) -> tuple[float, float, float, float]:
        """Return the box (x0, z0, x1, z1) of the upper storey's floor in the room, grown into its walls by a margin."""
        box = self.pose.footprint(self.edge.length + 2 * margin, LANDING)
        back = self.pose.compose(Pose(0.0, 0.0, -margin, 0.0)).footprint(self.edge.length + 2 * margin, margin)
        x0, z0, x1, z1 = (*map(min, box[:2], back[:2]), *map(max, box[2:], back[2:]))
        return round(x0, 6), round(z0, 6), round(x1, 6), round(z1, 6)

    def outline(self) -> list[tuple[float, float]]:
        """Return the corners of the landing on the upper storey."""
        x0, z0, x1, z1 = self.strip(0.0)
        return [(x0, z0), (x1, z0), (x1, z1), (x0, z1)]

    def build(self, palette: Palette) -> Piece:
        """Make the steps, the wall between the flights, the railing and the edge of the upper floor."""
        name, paint = palette.wood()
        parts, half, tread, riser = Parts(), self.edge.length / 2, self._tread, self.rise / RISERS
        turn = LANDING + TREADS * tread
        for step in range(1, TREADS + 1):
            shade = paint.shaded(1.0 if step % 2 else 0.9)
            along, back = LANDING + step * tread, turn - step * tread
            parts.box((-half, 0, along - tread), (-MIDDLE, step * riser, along), shade)
            parts.box((MIDDLE, 0, back), (half, (RISERS / 2 + step) * riser, back + tread), shade)
        parts.box((-half, 0, turn), (half, self.rise / 2, self.depth), paint)
        parts.box((-MIDDLE, 0, LANDING), (MIDDLE, self.rise + RAIL, turn), palette.trim)
        low, high = (-half, self.rise - SLAB - 0.01, LANDING - 0.03), (half, self.rise + 0.001, LANDING + 0.002)
        parts.box(low, high, palette.trim)
        parts.box((-half, self.rise + RAIL - 0.06, LANDING - 0.06), (-MIDDLE, self.rise + RAIL, LANDING), paint)
        bars = 8
        for bar in range(bars):
            x = -half + 0.05 + bar * (half - MIDDLE - 0.1) / (bars - 1)
            low, high = (x - 0.015, self.rise, LANDING - 0.045), (x + 0.015, self.rise + RAIL - 0.06, LANDING - 0.015)
            parts.box(low, high, palette.trim)
        return Piece("stairs", name, parts, 2 * half, self.depth, self.rise + RAIL)


def find_stairwell(plan: Plan, room: int, rise: float) -> Stairwell:
    """Find the position of the stairs from the opening between their room and the hallway."""
    edge = next(edge for edge in inside(plan, room) if any(opening.passable for _, _, opening in edge.openings))
    xs, zs = zip(*plan.rooms[room].inner, strict=True)
    depth = max(xs) - min(xs) if edge.direction[0] == 0 else max(zs) - min(zs)
    return Stairwell(room, edge, depth, rise)
