"""Words of instructions: tokenisation, vocabulary, encoding and pretrained word vectors."""

import hashlib
import json
import re
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from msgspec import Struct

from vln.data import FETCH
from vln.errors import InputError
from vln.files import read_text, reading
from vln.schema import parse

PAD, UNK, EOS = 0, 1, 2
SPECIALS = ("<pad>", "<unk>", "<eos>")
VECTORS, VECTOR_WORDS = "train_glove.npy", "train_vocab.txt"
WITHOUT = (
    f"run `{FETCH.format('glove')}`, or learn without: --language.no-word-vectors (a speaker: --text.no-word-vectors)"
)

Unit = Literal["word", "character", "raw word", "raw character"]
"""The text unit that a symbol stands for. Joined again, raw units give the original text."""

_RAW_WORD = r" ?{word}| ?[^\w\s]|\s"
JOINERS = "\u200c\u200d"  # zero-width, between the letters of Indic and Persian words


def split_words(text: str) -> list[str]:
    """Split a text into lower-case words and marks, like the R2R reference tokenizer (Anderson et al. 2018).

    Each punctuation mark is a symbol of its own, except that consecutive full stops ("..") stay together. Accents and
    vowel signs belong to their word, however they are encoded.
    """
    words: list[str] = []
    for piece in (piece.strip() for piece in word_pattern(text, "({word})").split(compose_accents(text.lower()))):
        marks_only = all(mark in string.punctuation for mark in piece)
        if marks_only and piece.strip("."):
            words.extend(piece)
        elif piece:
            words.append(piece)
    return words


def split_characters(text: str) -> list[str]:
    """Split a text into lower-case characters; accents are composed with their letters, white space becomes blanks."""
    return list(" ".join(compose_accents(text.lower()).split()))


def split_raw_words(text: str) -> list[str]:
    """Split a text into words, punctuation marks and white space, as GPT-2 does (Radford et al. 2019).

    A word or mark takes the blank before it along. Joined again, the pieces are the text.
    """
    return word_pattern(text, _RAW_WORD).findall(text)


def compose_accents(text: str) -> str:
    """Return the text in Unicode's normal form C, which joins a letter and its accent into one character if it can."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def is_word(unit: str) -> bool:
    """Whether a unit has a letter or digit, and so is no punctuation."""
    return any(map(str.isalnum, unit))


def letters_of(word: str) -> list[str]:
    """Return the letters of a word, each with the combining marks and joiners that follow it."""
    return list(word) if word.isascii() else re.findall(rf".(?:{_marks()}|[{JOINERS}])*", word, re.DOTALL)


def is_spelled(unit: str) -> bool:
    """Whether a unit consists of letters alone, with their combining marks."""
    return bool(unit) and all(letter[0].isalpha() for letter in letters_of(unit))


def word_pattern(text: str, pattern: str, letter: str = r"\w") -> re.Pattern[str]:
    """Return a regular expression of `pattern` in which `{word}` matches a word of the given text.

    Without combining marks, as in ASCII, a word is a run of letters; `letter` is the expression of one.
    """
    return _word_pattern(pattern, letter, not text.isascii())


@cache
def _word_pattern(pattern: str, letter: str, marks: bool) -> re.Pattern[str]:
    further = rf"(?:{letter}|{_marks()}|[{JOINERS}](?={letter}|{_marks()}))*" if marks else f"(?:{letter})*"
    return re.compile(pattern.format(word=letter + further))


@cache
def _marks() -> str:
    """Return a character class of Unicode's combining marks (categories Mn, Mc, Me): accents, vowel signs, viramas."""
    marks = (chr(each) for each in range(sys.maxunicode + 1) if unicodedata.category(chr(each))[0] == "M")
    return f"[{''.join(marks)}]"


_SPLITTERS: dict[Unit, Callable[[str], list[str]]] = {
    "word": split_words,
    "character": split_characters,
    "raw word": split_raw_words,
    "raw character": list,
}


class _Stored(Struct):
    """A vocabulary as stored in a file."""

    unit: Unit
    symbols: tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """The symbols that an agent can read, and their numbers."""

    # `<pad>`, `<unk>`, `<eos>`, then the units by falling count. A symbol's index is its number.
    symbols: tuple[str, ...]
    unit: Unit = "word"  # the text unit that a symbol stands for

    def __len__(self) -> int:
        return len(self.symbols)

    @cached_property
    def lookup(self) -> dict[str, int]:
        """Map from symbol to number."""
        return {symbol: number for number, symbol in enumerate(self.symbols)}

    @classmethod
    def build(cls, instructions: Iterable[str], min_count: int = 5, unit: Unit = "word") -> "Vocabulary":
        """Build the vocabulary of the units that occur at least `min_count` times; ties are in alphabetical order."""
        split = _SPLITTERS[unit]
        counts = Counter(symbol for text in instructions for symbol in split(text))
        frequent = [symbol for symbol, count in counts.items() if count >= min_count]
        return cls((*SPECIALS, *sorted(frequent, key=lambda symbol: (-counts[symbol], symbol))), unit)

    def split(self, text: str) -> list[str]:
        """Split a text into units, known or unknown."""
        return _SPLITTERS[self.unit](text)

    def numbers(self, units: Iterable[str]) -> np.ndarray:
        """Return the numbers of units, (L,) int64."""
        return np.array([self.lookup.get(unit, UNK) for unit in units], dtype=np.int64)

    def words(self, text: str, max_length: int) -> tuple[str, ...]:
        """Return the symbols that `encode` numbers as text: unknown words stay readable, the last symbol is `<eos>`."""
        return (*self.split(text)[: max_length - 1], SPECIALS[EOS])

    def encode(self, text: str, max_length: int) -> np.ndarray:
        """Encode a text as the numbers of its symbols, (L,) int64 with 1 <= L <= `max_length`.

        The end of sentence is always kept; the R2R reference tokenizer loses it when it truncates.
        """
        if max_length < 1:
            raise InputError("max_length", f"{max_length} leaves no room for the end of sentence", "use at least 1")
        return self.numbers(self.words(text, max_length))

    def encode_batch(self, texts: Sequence[str], max_length: int) -> tuple[np.ndarray, np.ndarray]:
        """Encode N texts as numbers (N, L) int64, padded at the end with `PAD`, and their lengths (N,) int64."""
        rows = [self.encode(text, max_length) for text in texts]
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        tokens = np.full((len(rows), lengths.max(initial=0)), PAD, dtype=np.int64)
        for row, numbers in zip(tokens, rows, strict=True):
            row[: len(numbers)] = numbers
        return tokens, lengths

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of encoded symbols, up to the end of sentence or the padding."""
        kept: list[str] = []
        for number in numbers:
            if number in (PAD, EOS):
                break
            kept.append(self.symbols[number])
        return (" " if self.unit == "word" else "").join(kept)

    @property
    def digest(self) -> str:
        """SHA-256 of the vocabulary, by which it is identified."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Return the vocabulary as a JSON object."""
        return json.dumps({"unit": self.unit, "symbols": self.symbols}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, source: object = "vocabulary") -> "Vocabulary":
        """Read a vocabulary that `to_json` wrote; `source` names it in errors."""
        fix = "write it again with Vocabulary.to_json"
        stored = parse(text, _Stored, source, fix)
        vocabulary = cls(stored.symbols, stored.unit)
        distinct = len(vocabulary.lookup) == len(vocabulary)
        if not distinct or vocabulary.symbols[: len(SPECIALS)] != SPECIALS:
            problem = f"field 'symbols' is not {', '.join(SPECIALS)} followed by distinct strings"
            raise InputError(source, problem, fix)
        return vocabulary


def check_readable(instruction: str, vocabulary: Vocabulary, source: object = "instruction") -> None:
    """Check that an agent with this vocabulary knows a word of an instruction; `source` names it in errors."""
    if not any(map(is_word, vocabulary.split(instruction))):
        raise InputError(source, "is empty", "give a sentence")
    if not is_readable(instruction, vocabulary):
        problem = f"none of the words of '{instruction}' is known to the agent"
        raise InputError(source, problem, f"use words such as {', '.join(_examples(vocabulary))}")


def is_readable(instruction: str, vocabulary: Vocabulary) -> bool:
    """Whether the vocabulary has a word of an instruction, or a character if its units are characters."""
    return any(is_word(symbol) and symbol in vocabulary.lookup for symbol in vocabulary.split(instruction))


def unknown_words(instruction: str, vocabulary: Vocabulary) -> list[str]:
    """Return the units of an instruction that the vocabulary lacks, each once and without punctuation."""
    symbols = dict.fromkeys(vocabulary.split(instruction))
    return [symbol for symbol in symbols if is_word(symbol) and symbol not in vocabulary.lookup]


def _examples(vocabulary: Vocabulary) -> list[str]:
    """Return a few words of a vocabulary, the frequent ones first."""
    return [symbol for symbol in vocabulary.symbols[len(SPECIALS) :] if any(map(str.isalpha, symbol))][:8]


def load_word_vectors(folder: Path, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Load pretrained word vectors (GloVe, Pennington et al. 2014).

    Returns them, (len(words), D) float32, zero for words without one, and (len(words),) bool, false for these. The
    files are `train_glove.npy`, (W, D) float32, and `train_vocab.txt`, one word a line in the same order.
    """
    known = read_text(Path(folder) / VECTOR_WORDS).split("\n")
    source = Path(folder) / VECTORS
    table = _read_vectors(source, len(known) - (known[-1] == ""))
    place = {compose_accents(word.lower()): row for row, word in enumerate(known[: len(table)])}
    rows = np.array([place.get(word, -1) for word in words], dtype=np.int64)
    found = rows >= 0
    return np.where(found[:, None], table[rows], np.float32(0)), found


def _read_vectors(source: Path, count: int) -> np.ndarray:
    """Read the table of vectors and check that it has `count` rows of finite numbers."""
    fix = f"fetch it again together with {VECTOR_WORDS}"
    if not source.is_file():
        raise InputError(source, "the file of word vectors is missing", WITHOUT)
    with reading(source, Exception, fix=fix):
        stored = np.load(source, allow_pickle=False)
    if not isinstance(stored, np.ndarray) or stored.dtype.kind not in "fiu":
        raise InputError(source, "is not a NumPy array of numbers", fix)
    with np.errstate(over="ignore"):  # too large a number becomes infinite, which is checked
        table = stored.astype(np.float32)
    if table.ndim != 2 or len(table) != count:
        raise InputError(source, f"has shape {table.shape}, not one row for each of {count} words", fix)
    if not np.isfinite(table).all():
        raise InputError(source, f"row {int(np.argwhere(~np.isfinite(table))[0, 0])} is not finite", fix)
    return table
