"""What it costs to write down text that a vocabulary does not cover: unknown units are spelled.

A model that calls half of a text unknown predicts it well and has said little. So that models of characters and of
words can be compared, an unknown unit costs what the model takes for saying that it is one, and then its characters.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vln.language import UNK, Vocabulary

CODE_POINTS = 0x110000  # of Unicode; a character that was never met is one of these


@dataclass(frozen=True)
class Spelling:
    """Code lengths of the characters of units that a vocabulary lacks.

    Attributes:
        counts: How often each character was met in units that are too rare for the vocabulary.
        units: How many such units were met.
    """

    counts: Counter[str]
    units: int

    @classmethod
    def of(cls, vocabulary: Vocabulary, documents: Iterable[str]) -> "Spelling":
        """As the units of some documents that the vocabulary lacks are spelled."""
        rare = [unit for text in documents for unit in vocabulary.split(text) if unit not in vocabulary.lookup]
        return cls(Counter("".join(rare)), len(rare))

    def bits(self, unit: str) -> float:
        """Bits of a unit: its characters, each by how often it was met, and the end of it.

        Both the end and what was never met count as met once more.
        """
        total = self.counts.total() + self.units + 2
        ends = -math.log2((self.units + 1) / total)
        return ends + sum(
            -math.log2(self.counts[each] / total) if self.counts[each] else math.log2(total * CODE_POINTS)
            for each in unit
        )


@dataclass(frozen=True)
class Text:
    """A text as a model reads it.

    Attributes:
        symbols: (N,) int64.
        characters: How many characters it has.
        spelling_bits: What it costs to spell what is unknown.
    """

    symbols: np.ndarray
    characters: int
    spelling_bits: float

    def bits_per_character(self, nats: float) -> float:
        """Bits per character of a model whose log-probabilities of the symbols add up to -`nats`."""
        return (nats / math.log(2) + self.spelling_bits) / self.characters


def encode_documents(documents: Sequence[str], vocabulary: Vocabulary, ends: Sequence[int] = ()) -> list[np.ndarray]:
    """The symbols of each document, and the `ends` after them, which is `EOS` where documents have ends."""
    return [np.append(vocabulary.numbers(vocabulary.split(text)), ends).astype(np.int64) for text in documents]


def encode_text(documents: Sequence[str], vocabulary: Vocabulary, spelling: Spelling, ends: Sequence[int] = ()) -> Text:
    """Documents one after another; an end counts as a character, as the end of a line does in a file."""
    symbols = np.concatenate(encode_documents(documents, vocabulary, ends))
    units = [unit for text in documents for unit in vocabulary.split(text)]
    unknown = [unit for unit in units if vocabulary.lookup.get(unit, UNK) == UNK]
    characters = sum(map(len, documents)) + len(ends) * len(documents)
    return Text(symbols, characters, sum(map(spelling.bits, unknown)))
