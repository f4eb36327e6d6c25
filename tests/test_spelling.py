"""Code lengths of text: raw units rebuild the text, unknown units are spelled."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vln.language import EOS, SPECIALS, UNK, Vocabulary
from vln.spelling import CODE_POINTS, Spelling, encode_text

RAW = st.sampled_from(["raw word", "raw character"])


@given(st.text(), RAW)
def test_raw_units_joined_are_the_text(text, unit):
    vocabulary = Vocabulary.build([text], 1, unit)
    assert "".join(vocabulary.split(text)) == text
    assert vocabulary.decode(vocabulary.numbers(vocabulary.split(text))) == text
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary


def test_raw_words_keep_their_blank_and_their_capitals():
    vocabulary = Vocabulary(SPECIALS, "raw word")
    assert vocabulary.split("Go  to (the)\n bed-room.") == [
        "Go",
        " ",
        " to",
        " (",
        "the",
        ")",
        "\n",
        " bed",
        "-",
        "room",
        ".",
    ]


def test_spelling_counts_what_rare_units_are_made_of():
    vocabulary = Vocabulary(("<pad>", "<unk>", "<eos>", "go"), "raw word")
    spelling = Spelling.of(vocabulary, ["go ab", "aca"])
    assert (spelling.counts, spelling.units) == (Counter({"a": 3, " ": 1, "b": 1, "c": 1}), 2)
    total = 6 + 2 + 2
    assert spelling.bits("a") == pytest.approx(-math.log2(3 / total) - math.log2(3 / total))
    assert spelling.bits("ж") == pytest.approx(math.log2(total * CODE_POINTS) - math.log2(3 / total))


@given(st.lists(st.text("abé ", max_size=8)), RAW)
def test_spelling_is_a_code(documents, unit):
    spelling = Spelling.of(Vocabulary(SPECIALS, unit), documents)
    total = spelling.counts.total() + spelling.units + 2
    met = sum(spelling.counts.values()) / total
    assert met + (spelling.units + 1) / total + 1 / total == pytest.approx(1)
    assert spelling.bits("é") < math.log2(total * CODE_POINTS) + math.log2(total) + 1e-9


def test_a_text_counts_all_characters_ends_and_unknown_units():
    vocabulary = Vocabulary.build(["go to it", "go on"], 2, "raw word")
    spelling = Spelling.of(vocabulary, ["go to it", "go on"])
    text = encode_text(["go up", "go"], vocabulary, spelling, (EOS,))
    go = vocabulary.lookup["go"]
    assert text.symbols.tolist() == [go, UNK, EOS, go, EOS]
    assert text.characters == len("go up") + len("go") + 2
    assert text.spelling_bits == pytest.approx(spelling.bits(" up"))
    assert text.bits_per_character(math.log(2) * 9) == pytest.approx((9 + text.spelling_bits) / 9)
    assert encode_text(["go"], vocabulary, spelling).symbols.tolist() == [go]
    assert np.issubdtype(text.symbols.dtype, np.int64)
