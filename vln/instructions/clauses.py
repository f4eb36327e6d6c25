"""What an instruction says, before it is said: the clauses of a route, each a small record of facts."""

from dataclasses import dataclass
from typing import Literal

Side = Literal["left", "right"]
ORDINALS = ("", "first", "second", "third", "fourth", "fifth")


@dataclass(frozen=True, slots=True)
class Thing:
    """An object as it is named.

    Attributes:
        category: What it is, e.g. "sofa".
        colour: Its colour, empty where it is not named.
        count: How many alike stand together.
    """

    category: str
    colour: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Face:
    """Turning on the spot, before the first step.

    Attributes:
        side: "around" where the way is behind.
    """

    side: Literal["left", "right", "around"]

    @property
    def form(self) -> str:
        """Key of its patterns."""
        return "around" if self.side == "around" else "face"


@dataclass(frozen=True, slots=True)
class Leave:
    """Going out of the room one stands in.

    Attributes:
        room: Category of that room.
        into: Category of the room behind the door, empty where it is not named.
    """

    room: str
    into: str = ""

    @property
    def form(self) -> str:
        """Key of its patterns."""
        return "leave_into" if self.into else "leave"


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn while walking.

    Attributes:
        side: To where.
        thing: The landmark at the corner, if one is named.
    """

    side: Side
    thing: Thing | None = None

    @property
    def form(self) -> str:
        """Key of its patterns."""
        return "turn_at" if self.thing else "turn"


@dataclass(frozen=True, slots=True)
class Along:
    """Walking lengthwise through a room, as down a hallway.

    Attributes:
        room: Its category.
        end: Whether the way goes on at its end.
    """

    room: str
    end: bool = False

    @property
    def form(self) -> str:
        """Key of its patterns."""
        return "along_end" if self.end else "along"


@dataclass(frozen=True, slots=True)
class Cross:
    """Walking through a room to another door of it.

    Attributes:
        room: Its category.
    """

    room: str

    @property
    def form(self) -> str:
        """Key of its patterns."""
        return "cross"


@dataclass(frozen=True, slots=True)
class Pass:
    """A landmark beside the way.

    Attributes:
        thing: What is passed.
        side: On which hand.
    """

    thing: Thing
    side: Side

    @property
    def form(self) -> str:
        """Key of its patterns."""
        return "pass"


@dataclass(frozen=True, slots=True)
class Enter:
    """Going through a door into the next room.

    Attributes:
        room: Category of that room; empty where it is not named.
        side: Of the way so far, "ahead" for straight on; empty where it is not named.
        ordinal: Which door on that side, from 1; 0 where it is not counted.
    """

    room: str
    side: Literal["", "left", "right", "ahead"] = ""
    ordinal: int = 0

    @property
    def form(self) -> str:
        """Key of its patterns."""
        if self.ordinal:
            return "enter_nth" if self.room else "door_nth"
        return {"": "enter", "ahead": "enter_ahead"}.get(self.side, "enter_side")


@dataclass(frozen=True, slots=True)
class Climb:
    """Taking the stairs.

    Attributes:
        way: Up or down.
    """

    way: Literal["up", "down"]

    @property
    def form(self) -> str:
        """Key of its patterns."""
        return "climb"


@dataclass(frozen=True, slots=True)
class Stop:
    """The goal.

    Attributes:
        place: "front" and "by" a thing; "inside" a room, just behind its door; in the "middle" of a room.
        thing: What to stop at; None for the last two.
        room: Category of the room it is in; empty where it is not named (never for the last two).
        near: Another thing that the goal stands next to, where it is named.
    """

    place: Literal["front", "by", "inside", "middle"]
    thing: Thing | None = None
    room: str = ""
    near: Thing | None = None

    @property
    def form(self) -> str:
        """Key of its patterns."""
        if self.thing:
            return "stop"
        return f"stop_{self.place}" + ("" if self.room else "_here")  # the room was named by the clause before


Clause = Face | Leave | Turn | Along | Cross | Pass | Enter | Climb | Stop
Route = tuple[Clause, ...]  # in the order of walking; the last one is a Stop
