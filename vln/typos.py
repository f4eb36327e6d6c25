"""Typing mistakes, to measure how robust an agent is against them.

Two letters are swapped, or one is dropped, doubled or replaced by its neighbour on the keyboard: mistakes that people
make (Damerau 1964) and that harm translation (Belinkov and Bisk 2018). Only letters change, together with their accents
and vowel signs; blanks, digits and marks stay.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vln.episodes import Episode
from vln.errors import InputError
from vln.language import letters_of, word_pattern

Typo = Literal["swap", "drop", "double", "neighbour"]
TYPOS: tuple[Typo, ...] = ("swap", "drop", "double", "neighbour")
_LETTER = r"[^\W\d_]"
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, str]:
    """Map each letter to the letters beside it on an English keyboard; each row is shifted by half a key."""
    places = {letter: (row, column + row / 2) for row, keys in enumerate(_ROWS) for column, letter in enumerate(keys)}
    return {
        letter: "".join(
            other for other, there in places.items() if 0 < abs(here[0] - there[0]) + abs(here[1] - there[1]) <= 1.5
        )
        for letter, here in places.items()
    }


NEIGHBOURS = _neighbours()


@dataclass(frozen=True)
class Noise:
    """Kinds and rate of typing mistakes."""

    rate: float  # fraction of the words, or of the letters, with a mistake; words of one letter get none
    per: Literal["word", "letter"] = "word"  # unit that the rate counts
    kinds: tuple[Typo, ...] = TYPOS  # the mistakes, equally likely

    def check(self) -> None:
        """Check the values."""
        if not 0 <= self.rate <= 1:
            raise InputError("--rates", f"{self.rate} is out of range", "give shares from 0 to 1")
        if not self.kinds:
            raise InputError("--kinds", "there are none", f"choose among {', '.join(TYPOS)}")


def mistyped(episodes: Sequence[Episode], noise: Noise, seed: int = 0) -> list[Episode]:
    """Add typing mistakes to the instructions; those of an episode do not depend on the other episodes."""
    noise.check()
    randoms = (np.random.default_rng([seed, *each.episode_id.encode()]) for each in episodes)
    return [
        replace(each, instruction=mistype(each.instruction, noise, random))
        for each, random in zip(episodes, randoms, strict=True)
    ]


def mistype(text: str, noise: Noise, random: np.random.Generator) -> str:
    """Add typing mistakes to a text; only letters change, and a word keeps at least one."""
    words = word_pattern(text, "{word}", _LETTER)
    return words.sub(lambda word: "".join(_mistyped(letters_of(word[0]), noise, random)), text)


def _mistyped(word: list[str], noise: Noise, random: np.random.Generator) -> list[str]:
    """Add mistakes to a word, given as letters; a word of one letter stays as it is."""
    if len(word) < 2:
        return word
    if noise.per == "word":
        places = [int(random.integers(len(word)))] if random.random() < noise.rate else []
    else:
        places = np.flatnonzero(random.random(len(word)) < noise.rate).tolist()
    for place in reversed(places):  # from the last, so that a change of length does not shift the places still to come
        kind = noise.kinds[random.integers(len(noise.kinds))]
        word = _MISTAKES[kind](word, place, random)
    return word


def _swap(word: list[str], place: int, _random: np.random.Generator) -> list[str]:
    """Swap a letter with the next one; the last letter with the one before it."""
    first = min(place, len(word) - 2)
    if first < 0:
        return word
    return [*word[:first], word[first + 1], word[first], *word[first + 2 :]]


def _drop(word: list[str], place: int, _random: np.random.Generator) -> list[str]:
    return word[:place] + word[place + 1 :] if len(word) > 1 else word


def _double(word: list[str], place: int, _random: np.random.Generator) -> list[str]:
    return word[: place + 1] + word[place:]


def _neighbour(word: list[str], place: int, random: np.random.Generator) -> list[str]:
    """Replace a letter by a neighbour on the keyboard, in the same case; other alphabets stay."""
    letter = word[place]
    near = NEIGHBOURS.get(letter.lower())
    if near is None:
        return word
    hit = near[random.integers(len(near))]
    return [*word[:place], hit.upper() if letter.isupper() else hit, *word[place + 1 :]]


_MISTAKES: dict[Typo, Callable[[list[str], int, np.random.Generator], list[str]]] = {
    "swap": _swap,
    "drop": _drop,
    "double": _double,
    "neighbour": _neighbour,
}
