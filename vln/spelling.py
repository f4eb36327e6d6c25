"""Code length of text outside a vocabulary: unknown units are spelled character by character.

Without this cost a model that marks half of a text as unknown would predict it well and yet convey little. With it,
models of characters and of words are comparable: an unknown unit costs the model's bits for the unknown symbol plus the
bits of its characters.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vln.language import UNK, Vocabulary

CODE_POINTS = 0x110000  # number of Unicode's code points; an unseen character is any of these


@dataclass(frozen=True)
class Spelling:
    """A character model of the units outside a vocabulary: the counts of their characters, and the number of units."""

    counts: Counter[str]
    units: int

    @classmethod
    def of(cls, vocabulary: Vocabulary, documents: Iterable[str]) -> "Spelling":
        """Estimate the model from the units of documents that the vocabulary lacks."""
        rare = [unit for text in documents for unit in vocabulary.split(text) if unit not in vocabulary.lookup]
        return cls(Counter("".join(rare)), len(rare))

    def bits(self, unit: str) -> float:
        """Return the bits of a unit: of its characters, by their counts, and of its end.

        The end and an unseen character each get one extra count.
        """
        total = self.counts.total() + self.units + 2
        ends = -math.log2((self.units + 1) / total)
        return ends + sum(
            -math.log2(self.counts[each] / total) if self.counts[each] else math.log2(total * CODE_POINTS)
            for each in unit
        )


@dataclass(frozen=True)
class Text:
    """An encoded text, for a language model."""

    symbols: np.ndarray  # (N,) int64
    characters: int
    spelling_bits: float  # bits for spelling the unknown units

    def bits_per_character(self, nats: float) -> float:
        """Return the bits per character of a model whose log-probabilities of the symbols add up to -`nats`."""
        return (nats / math.log(2) + self.spelling_bits) / self.characters


def encode_documents(documents: Sequence[str], vocabulary: Vocabulary, ends: Sequence[int] = ()) -> list[np.ndarray]:
    """Encode each document as symbols followed by `ends`, which is `EOS` if documents have ends."""
    return [np.append(vocabulary.numbers(vocabulary.split(text)), ends).astype(np.int64) for text in documents]


def encode_text(documents: Sequence[str], vocabulary: Vocabulary, spelling: Spelling, ends: Sequence[int] = ()) -> Text:
    """Encode documents as one text; an end counts as a character, like the end of a line in a file."""
    symbols = np.concatenate(encode_documents(documents, vocabulary, ends))
    units = [unit for text in documents for unit in vocabulary.split(text)]
    unknown = [unit for unit in units if vocabulary.lookup.get(unit, UNK) == UNK]
    characters = sum(map(len, documents)) + len(ends) * len(documents)
    return Text(symbols, characters, sum(map(spelling.bits, unknown)))
