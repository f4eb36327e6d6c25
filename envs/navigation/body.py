"""The size of the moving body."""

from dataclasses import dataclass

from vln.errors import InputError


@dataclass(frozen=True)
class Body:
    """An upright cylinder, and the resolution of the grid that is used for it. Metres."""

    radius: float = 0.1  # of the cylinder, the clearance of its axis from walls
    height: float = 1.5  # required head room
    climb: float = 0.2  # highest step that it can climb
    cell: float = 0.05  # side of a voxel of the grid, also vertically

    def __post_init__(self) -> None:
        for field in ("height", "cell"):
            if not getattr(self, field) > 0:
                raise InputError("body", f"its {field} is {getattr(self, field)}", "give metres above 0")
        for field in ("radius", "climb"):
            if not getattr(self, field) >= 0:
                raise InputError("body", f"its {field} is {getattr(self, field)}", "give metres of at least 0")
