"""The body that walks: what decides where it fits."""

from dataclasses import dataclass

from vln.errors import InputError


@dataclass(frozen=True)
class Body:
    """An upright cylinder, and how finely space is measured for it. Metres.

    Attributes:
        radius: Its radius: how far its axis stays away from walls.
        height: Head room it needs.
        climb: The highest step it takes.
        cell: Side of a cell of the grid in which a scene is measured, also vertically.
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
