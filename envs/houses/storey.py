"""One storey of a house: its plan and where it is."""

from dataclasses import dataclass

from envs.houses.plan import Plan
from envs.houses.stairs import Stairwell


@dataclass(frozen=True)
class Storey:
    """A plan at a height.

    Attributes:
        plan: Its rooms and walls.
        floor: Height of its floor, metres.
        height: From its floor to its ceiling, metres.
        first: Index of its first room among the rooms of the house.
        level: Number of the storey, 0 the lowest.
        stairwell: The stairs, where there are any.
    """

    plan: Plan
    floor: float
    height: float
    first: int = 0
    level: int = 0
    stairwell: Stairwell | None = None

    def is_well(self, room: int) -> bool:
        """Whether a room of the plan is the one with the stairs."""
        return self.stairwell is not None and self.stairwell.room == room

    def wall_height(self, room: int) -> float:
        """How high the walls of a room go; a stairwell has none above that would close the gap to the next floor."""
        return self.stairwell.rise if self.stairwell and self.is_well(room) and self.level == 0 else self.height

    def level_rects(self, room: int, *, ceiling: bool) -> list[tuple[float, float, float, float]]:
        """Rectangles that the floor or the ceiling of a room covers, to the middle of its walls."""
        if self.stairwell and self.is_well(room) and ceiling == (self.level == 0):
            return [self.stairwell.strip(0.05)]
        return self.plan.rooms[room].rects

    def outline(self, room: int) -> list[tuple[float, float]]:
        """Corners of a room where one can be in it."""
        if self.stairwell and self.is_well(room) and self.level == 1:
            return self.stairwell.outline()
        return self.plan.rooms[room].inner
