"""The size of the moving body."""

from dataclasses import dataclass

from vln.errors import InputError


@dataclass(frozen=True)
class Body:
    """An upright cylinder, and the resolution of the grid that is used for it. Metres.

    Attributes:
        radius: Radius of the cylinder, the clearance of its axis from walls.
        height: Required head room.
        climb: Highest step that it can climb.
        cell: Side of a voxel of the grid, also vertically.
    """

    radius: float = 0.1
    height: float = 1.5
    climb: float = 0.2
    cell: float = 0.05

    def __post_init__(self) -> None:
        for field in ("height", "cell"):
            if not getattr(self, field) > 0:
                raise InputError("body", f"its {field} is {getattr(self, field)}", "give metres above 0")
        for field in ("radius", "climb"):
            if not getattr(self, field) >= 0:
                raise InputError("body", f"its {field} is {getattr(self, field)}", "give metres of at least 0")
