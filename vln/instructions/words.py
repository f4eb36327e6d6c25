"""The vocabulary of instructions, and a lexicon: the words that one writer uses."""

import random
from collections.abc import Sequence
from typing import TypeVar

from vln.instructions.clauses import Thing

T = TypeVar("T")

# Names of things; a category that is missing here is its own name.
NOUNS: dict[str, tuple[str, ...]] = {
    "sofa": ("sofa", "sofa", "couch"),
    "tv": ("television", "television", "tv"),
    "tv stand": ("tv stand", "television stand"),
    "fridge": ("fridge", "fridge", "refrigerator"),
    "bathtub": ("bathtub", "bathtub", "tub"),
    "rug": ("rug", "rug", "carpet"),
    "plant": ("plant", "plant", "potted plant"),
    "painting": ("painting", "painting", "picture"),
    "bookshelf": ("bookshelf", "bookshelf", "bookcase"),
    "stove": ("stove", "stove", "cooker"),
    "nightstand": ("nightstand", "bedside table"),
    "dresser": ("dresser", "dresser", "chest of drawers"),
    "bicycle": ("bicycle", "bike"),
    "trash can": ("trash can", "trash can", "bin"),
    "box": ("box", "cardboard box"),
    "floor lamp": ("floor lamp", "lamp"),
    "crib": ("crib", "baby bed"),
    "ottoman": ("ottoman", "footstool"),
    "aquarium": ("aquarium", "fish tank"),
}
ROOMS: dict[str, tuple[str, ...]] = {
    "hallway": ("hallway", "hallway", "hall", "corridor"),
    "living room": ("living room", "living room", "lounge"),
    "office": ("office", "office", "study"),
    "kids room": ("kids room", "playroom"),
    "entryway": ("entryway", "entrance"),
}
NUMBERS = ("no", "one", "two", "three", "four", "five")
PLURALS = {
    "shelf": "shelves",
    "bookshelf": "bookshelves",
    "couch": "couches",
    "bench": "benches",
    "weight bench": "weight benches",
    "workbench": "workbenches",
    "box": "boxes",
    "cardboard box": "cardboard boxes",
    "chest of drawers": "chests of drawers",
    "toy chest": "toy chests",
}


def pick(rng: random.Random, options: Sequence[T]) -> T:
    """Choose one of the options. `Random.random` is the only method whose stream Python keeps across versions."""
    return options[int(rng.random() * len(options))]


def gerund_of(verb: str) -> str:
    """Return the gerund of a verb of the patterns."""
    doubled = verb + verb[-1] if verb in ("step", "stop") else verb
    return doubled.removesuffix("e") + "ing"


def article(words: str) -> str:
    """Put "a" or "an" before the words."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def plural(noun: str) -> str:
    """Return the plural of a noun."""
    return PLURALS.get(noun, noun if noun.endswith("s") else f"{noun}s")


class Lexicon:
    """The names that one writer uses for things: chosen at random at first use, then kept."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._chosen: dict[tuple[str, str], str] = {}

    def noun(self, category: str) -> str:
        """Return the noun for things of a category."""
        return self._name("thing", category, NOUNS)

    def room(self, category: str, other: bool = False) -> str:
        """Return the name of a room with its article: "the kitchen"; "the other kitchen" if `other`."""
        return f"the {'other ' if other else ''}{self._name('room', category, ROOMS)}"

    def the(self, thing: Thing) -> str:
        """Return a thing with the definite article: "the red sofa"."""
        return f"the {self._bare(thing)}"

    def some(self, thing: Thing) -> str:
        """Return a thing with the indefinite article: "a red sofa"."""
        return self._bare(thing) if thing.count > 1 else article(self._bare(thing))

    def _bare(self, thing: Thing) -> str:
        noun = self.noun(thing.category)
        words = [thing.colour, noun] if thing.count == 1 else [NUMBERS[thing.count], thing.colour, plural(noun)]
        return " ".join(word for word in words if word)

    def _name(self, kind: str, category: str, table: dict[str, tuple[str, ...]]) -> str:
        key = (kind, category)
        if key not in self._chosen:
            plain = category.replace("_", " ")
            self._chosen[key] = pick(self._rng, table.get(plain, (plain,)))
        return self._chosen[key]
