"""Phrases from clauses: the choice of a pattern, its facts, and the form of its verbs."""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vln.instructions.clauses import ORDINALS, Clause, Enter, Leave, Stop, Thing
from vln.instructions.patterns import AT, BEFORE, NEAR, PAIRS, SINGLE
from vln.instructions.words import Lexicon, gerund_of, pick

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_VERB = re.compile(r"~(\w+)")


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase without capital letter or full stop, its verbs still marked.

    Nothing can stand before it if it is `opened`, that is, begins with a subordinate clause.
    """

    text: str
    opened: bool = False


def expand(pattern: str, rng: random.Random) -> str:
    """Choose one branch of every choice in a pattern."""
    while match := _CHOICE.search(pattern):
        pattern = pattern[: match.start()] + pick(rng, match[1].split("|")) + pattern[match.end() :]
    return pattern


def imperative(text: str) -> str:
    """Return the phrase as an order: "leave the room and turn left"."""
    return text.replace("~", "")


def gerund(text: str) -> str:
    """Return the phrase with gerunds: "leaving the room and turning left"."""
    return _VERB.sub(lambda match: gerund_of(match[1]), text)


class Writer:
    """The writer of one instruction: a lexicon, and the random stream that all choices come from."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.lexicon = Lexicon(rng)

    def phrase(self, table: Mapping[str, Sequence[str]], clause: Clause) -> str:
        """Put a clause into words by a table of patterns; verbs stay marked."""
        return self._fill(pick(self.rng, table[clause.form]), self._slots(clause))

    def goal(self, stop: Clause) -> str:
        """Return the goal as a thing to look for; empty if it is no thing."""
        return self._slots(stop).get("goal", "")

    def fill(self, pattern: str) -> str:
        """Expand a pattern without facts; verbs stay marked."""
        return expand(pattern, self.rng)

    def phrases(self, clauses: Sequence[Clause], pairing: float = 0.5, opening: float = 0.0) -> list[Phrase]:
        """Put all clauses into words in order, one or two per phrase.

        Two clauses with a common pattern share a phrase with probability `pairing`; otherwise a clause becomes a
        subordinate clause before the next one with probability `opening`.
        """
        clauses = without_repetition(clauses)
        found: list[Phrase] = []
        position = 0
        while position < len(clauses):
            clause, following = clauses[position], clauses[position + 1 : position + 2]
            pair = PAIRS.get((clause.form, following[0].form)) if following else None
            if pair and self.rng.random() < pairing:
                found.append(Phrase(self._pair(pair, clause, following[0])))
                position += 2
            elif following and _may_open(clause, following[0]) and self.rng.random() < opening:
                found.append(Phrase(f"{self.phrase(BEFORE, clause)}, {self.phrase(SINGLE, following[0])}", opened=True))
                position += 2
            else:
                found.append(Phrase(self.phrase(SINGLE, clause)))
                position += 1
        return found

    def _pair(self, patterns: Sequence[str], first: Clause, second: Clause) -> str:
        slots = self._slots(first) | {f"{name}2": value for name, value in self._slots(second).items()}
        return self._fill(pick(self.rng, patterns), slots)

    def _fill(self, pattern: str, slots: Mapping[str, str]) -> str:
        return _SLOT.sub(lambda match: slots[match[1]], expand(pattern, self.rng))

    def _slots(self, clause: Clause) -> dict[str, str]:
        """Return the facts of a clause in words."""
        slots: dict[str, str] = {}
        for name in ("side", "direction"):
            if value := getattr(clause, name, ""):
                slots[name] = value
        if room := getattr(clause, "room", ""):
            slots["room"] = self.lexicon.room(room)
        thing: Thing | None = getattr(clause, "thing", None)
        if thing:
            slots |= {"thing": self.lexicon.the(thing), "some": self.lexicon.some(thing)}
        if isinstance(clause, Leave) and clause.into:
            slots["into"] = self.lexicon.room(clause.into, other=clause.into == clause.room)
        if isinstance(clause, Enter):
            slots["nth"] = ORDINALS[clause.ordinal]
        if isinstance(clause, Stop) and clause.thing:
            slots["at"] = pick(self.rng, AT[clause.place])
            slots["goal"] = self._goal(clause, clause.thing, [word for word in NEAR if word != slots["at"]])
        return slots

    def _goal(self, clause: Stop, thing: Thing, near: Sequence[str]) -> str:
        """Return the goal in words, e.g. "the red chair next to the table in the kitchen"."""
        words = [self.lexicon.the(thing)]
        if clause.near:
            words += [pick(self.rng, near), self.lexicon.the(clause.near)]
        if clause.room:
            words += ["in", self.lexicon.room(clause.room)]
        return " ".join(words)


def _may_open(clause: Clause, following: Clause) -> bool:
    """Whether a clause may become a subordinate clause of the next; "in the kitchen, stop inside" would be odd."""
    return clause.form in BEFORE and not (
        isinstance(clause, Enter) and isinstance(following, Stop) and not following.thing
    )


def without_repetition(clauses: Sequence[Clause]) -> Sequence[Clause]:
    """Drop the room of the goal if the clause before it names the same room."""
    if len(clauses) < 2 or not isinstance(clauses[-1], Stop):
        return clauses
    before = clauses[-2]
    named = before.into if isinstance(before, Leave) else before.room if isinstance(before, Enter) else ""
    return (*clauses[:-1], replace(clauses[-1], room="")) if named == clauses[-1].room else clauses
