"""Clauses of a route, the content of an instruction before it is put into words; each is a small record of facts.

The `form` of a clause is the key of its patterns. Facts that are not mentioned are empty.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

Side = Literal["left", "right"]
ORDINALS = ("", "first", "second", "third", "fourth", "fifth")


@dataclass(frozen=True, slots=True)
class Thing:
    """An object as an instruction mentions it; its colour is empty if not mentioned, `count` of them stand together."""

    category: str
    colour: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Face:
    """A turn on the spot before the first step; "around" if the route begins behind the agent."""

    side: Literal["left", "right", "around"]

    @property
    def form(self) -> str:
        """Key of its patterns."""
        return "around" if self.side == "around" else "face"


@dataclass(frozen=True, slots=True)
class Leave:
    """A way out of the current room, into the one behind the door if that is mentioned."""

    room: str
    into: str = ""

    @property
    def form(self) -> str:
        """Key of its patterns."""
        return "leave_into" if self.into else "leave"


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn while walking, at the landmark at the corner if one is mentioned."""

    side: Side
    thing: Thing | None = None

    @property
    def form(self) -> str:
        """Key of its patterns."""
        return "turn_at" if self.thing else "turn"


@dataclass(frozen=True, slots=True)
class Along:
    """A walk along the length of a room, as down a hallway, maybe to its end."""

    room: str
    end: bool = False

    @property
    def form(self) -> str:
        """Key of its patterns."""
        return "along_end" if self.end else "along"


@dataclass(frozen=True, slots=True)
class Cross:
    """A walk through a room to another of its doors."""

    room: str
    form: ClassVar[str] = "cross"


@dataclass(frozen=True, slots=True)
class Pass:
    """A landmark beside the route, and its side."""

    thing: Thing
    side: Side
    form: ClassVar[str] = "pass"


@dataclass(frozen=True, slots=True)
class Enter:
    """A walk through a door into the next room."""

    room: str  # category of that room; empty if it is not mentioned
    # Side of the door relative to the route, "ahead" for straight on; empty if it is not mentioned
    side: Literal["", "left", "right", "ahead"] = ""
    ordinal: int = 0  # number of the door on that side, from 1; 0 if doors are not counted

    @property
    def form(self) -> str:
        """Key of its patterns."""
        if self.ordinal:
            return "enter_nth" if self.room else "door_nth"
        return {"": "enter", "ahead": "enter_ahead"}.get(self.side, "enter_side")


@dataclass(frozen=True, slots=True)
class Climb:
    """A walk up or down the stairs."""

    direction: Literal["up", "down"]
    form: ClassVar[str] = "climb"


@dataclass(frozen=True, slots=True)
class Stop:
    """The goal."""

    # "front" of a thing or "by" it; "inside" a room, just behind its door; in the "middle" of a room
    place: Literal["front", "by", "inside", "middle"]
    thing: Thing | None = None  # the thing to stop at; None for a goal "inside" or in the "middle"
    room: str = ""  # category of the goal's room; empty if it is not mentioned (never without a thing)
    near: Thing | None = None  # another thing beside the goal, if one is mentioned

    @property
    def form(self) -> str:
        """Key of its patterns."""
        if self.thing:
            return "stop"
        return f"stop_{self.place}" + ("" if self.room else "_here")  # the room was named by the clause before


Clause = Face | Leave | Turn | Along | Cross | Pass | Enter | Climb | Stop
Route = tuple[Clause, ...]  # in the order of walking; the last one is a Stop
