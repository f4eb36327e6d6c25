"""One storey of a house: its plan and its height."""

from dataclasses import dataclass

from envs.houses.plan import Plan
from envs.houses.stairs import Stairwell


@dataclass(frozen=True)
class Storey:
    """A floor plan at a height."""

    plan: Plan
    floor: float  # height, metres
    height: float  # metres from floor to ceiling
    first: int = 0  # index of the first room of the storey among the rooms of the house
    level: int = 0  # 0 for the lowest
    stairwell: Stairwell | None = None

    def is_well(self, room: int) -> bool:
        """Return whether a room of the plan is the one with the stairs."""
        return self.stairwell is not None and self.stairwell.room == room

    def wall_height(self, room: int) -> float:
        """Return the height of a room's walls; those of the lower stairwell extend to the upper floor."""
        return self.stairwell.rise if self.stairwell and self.is_well(room) and self.level == 0 else self.height

    def level_rects(self, room: int, *, ceiling: bool) -> list[tuple[float, float, float, float]]:
        """Return the rectangles of the floor or the ceiling of a room, up to the centre lines of the walls."""
        if self.stairwell and self.is_well(room) and ceiling == (self.level == 0):
            return [self.stairwell.strip(0.05)]
        return self.plan.rooms[room].rects

    def outline(self, room: int) -> list[tuple[float, float]]:
        """Return the corners of a room's floor."""
        if self.stairwell and self.is_well(room) and self.level == 1:
            return self.stairwell.outline()
        return self.plan.rooms[room].inner
