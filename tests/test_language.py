"""Words of instructions: tokenisation as in R2R, vocabularies, encoding, pretrained vectors."""

import re
import string
import unicodedata
from statistics import mean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vln.episodes import load_split
from vln.errors import InputError
from vln.language import (
    EOS,
    PAD,
    SPECIALS,
    UNK,
    Vocabulary,
    check_readable,
    is_readable,
    load_word_vectors,
    split_characters,
    split_raw_words,
    split_words,
    unknown_words,
)

TEXTS = ["Walk to the door, then stop.", "Walk to the bed.", "Turn left at the bed and walk."]


# --- tokenisation ---


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Walk past the T.V., then STOP!", ["walk", "past", "the", "t", ".", "v", ".", ",", "then", "stop", "!"]),
        ("Wait.. no?!", ["wait", "..", "no", "?", "!"]),
        ("the chef's bar-stool", ["the", "chef", "'", "s", "bar", "-", "stool"]),
        ("  two\n lines ", ["two", "lines"]),
        ("end. . .", ["end", ". . ."]),
        ("café №5", ["café", "№", "5"]),
        ("", []),
    ],
)
def test_words_and_punctuation_are_split_as_in_r2r(text, words):
    assert split_words(text) == words


ACCENT = "\N{COMBINING ACUTE ACCENT}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("नमस्ते, दुनिया। रुकिए", ["नमस्ते", ",", "दुनिया", "।", "रुकिए"]),  # Hindi
        ("తలుపు దగ్గర ఆగండి.", ["తలుపు", "దగ్గర", "ఆగండి", "."]),  # Telugu
        ("क्\u200dया क्\u200cष", ["क्\u200dया", "क्\u200cष"]),  # joiners within words
        (f"Cafe{ACCENT} nai\N{COMBINING DIAERESIS}ve", ["café", "naïve"]),
        (f"q{ACCENT}a", [f"q{ACCENT}a"]),  # no character of its own
        ("שָׁלוֹם", ["שָׁלוֹם"]),
        (f"({ACCENT})", [f"({ACCENT})"]),  # of no word
    ],
)
def test_combining_marks_belong_to_their_word(text, words):
    assert [unicodedata.normalize("NFC", word) for word in words] == split_words(text)
    assert split_words(unicodedata.normalize("NFD", text)) == split_words(text)
    assert split_characters(unicodedata.normalize("NFD", text)) == split_characters(text)
    assert "".join(split_raw_words(text)) == text


def test_raw_words_keep_their_marks():
    assert split_raw_words("वह नमस्ते.") == ["वह", " नमस्ते", "."]
    assert split_raw_words(f"a cafe{ACCENT}") == ["a", f" cafe{ACCENT}"]


def reference_words(text: str) -> list[str]:
    """The R2R reference tokenizer (Anderson et al. 2018), which knows letters, digits and punctuation alone."""
    found: list[str] = []
    for piece in (piece.strip() for piece in re.split(r"(\W+)", text.lower())):
        if all(mark in string.punctuation for mark in piece) and not all(mark == "." for mark in piece):
            found += piece
        elif piece:
            found.append(piece)
    return found


@given(st.text(st.characters(codec="ascii")))
def test_english_is_cut_as_by_the_reference(text):
    assert split_words(text) == reference_words(text)
    assert split_characters(text) == list(" ".join(text.lower().split()))
    assert split_raw_words(text) == re.findall(r" ?\w+| ?[^\w\s]|\s", text)


def test_training_instructions_are_cut_as_by_the_reference(data):
    texts = [episode.instruction for episode in load_split(data, "train")]
    assert all(split_words(text) == reference_words(text) for text in texts)
    digests = {unit: Vocabulary.build(texts, 5, unit).digest[:12] for unit in ("word", "character", "raw word")}
    assert digests == {"word": "1358bec3e8c6", "character": "133dc4cd2d09", "raw word": "9dd6aa05a129"}


def test_characters_are_lower_case_with_single_blanks():
    assert split_characters(" Go\n  on ") == ["g", "o", " ", "o", "n"]


def test_training_instructions_have_the_published_statistics(data):
    texts = [episode.instruction for episode in load_split(data, "train")]
    lengths = [len(split_words(text)) for text in texts]
    assert len(Vocabulary.build(texts, min_count=5)) - len(SPECIALS) == 988
    assert round(mean(lengths), 1) == 29.4
    assert max(lengths) == 156


# --- vocabulary ---


def test_symbols_stand_by_count_then_alphabet_after_the_specials():
    vocabulary = Vocabulary.build(TEXTS, min_count=2)
    assert vocabulary.symbols == (*SPECIALS, ".", "the", "walk", "bed", "to")
    assert [vocabulary.lookup[symbol] for symbol in SPECIALS] == [PAD, UNK, EOS]


def test_the_order_of_the_instructions_does_not_matter():
    assert Vocabulary.build(TEXTS, 1) == Vocabulary.build(TEXTS[::-1], 1)


def test_encoding_marks_unknown_words_and_ends_with_the_end_of_sentence():
    vocabulary = Vocabulary.build(TEXTS, min_count=2)
    encoded = vocabulary.encode("Walk to Narnia.", 80)
    assert encoded.dtype == np.int64
    assert encoded.tolist() == [*(vocabulary.lookup[w] for w in ("walk", "to")), UNK, vocabulary.lookup["."], EOS]
    assert vocabulary.words("Walk to Narnia.", 80) == ("walk", "to", "narnia", ".", "<eos>")
    assert vocabulary.decode(encoded) == "walk to <unk> ."


def test_truncation_keeps_the_end_of_sentence():
    vocabulary = Vocabulary.build(TEXTS, min_count=1)
    assert vocabulary.decode(vocabulary.encode(TEXTS[0], 4)) == "walk to the"
    assert vocabulary.encode(TEXTS[0], 4)[-1] == EOS
    assert vocabulary.encode(TEXTS[0], 1).tolist() == [EOS]
    with pytest.raises(InputError, match="max_length: 0"):
        vocabulary.encode(TEXTS[0], 0)


def test_a_batch_is_its_texts_padded():
    vocabulary = Vocabulary.build(TEXTS, min_count=1)
    tokens, lengths = vocabulary.encode_batch([*TEXTS, ""], 6)
    assert tokens.shape == (4, 6)
    assert lengths.tolist() == [6, 6, 6, 1]
    for text, row, length in zip([*TEXTS, ""], tokens, lengths, strict=True):
        assert row[:length].tolist() == vocabulary.encode(text, 6).tolist()
        assert (row[length:] == PAD).all()
    assert vocabulary.encode_batch([], 6)[0].shape == (0, 0)


@given(st.lists(st.text(), max_size=5), st.text(), st.integers(1, 20), st.sampled_from(["word", "character"]))
def test_words_align_with_their_numbers(texts, text, max_length, unit):
    vocabulary = Vocabulary.build(texts, min_count=1, unit=unit)
    encoded = vocabulary.encode(text, max_length)
    words = vocabulary.words(text, max_length)
    assert len(words) == len(encoded) <= max_length
    assert PAD not in encoded
    # A text may spell a special symbol only in characters, so no unit equals one.
    assert all(vocabulary.symbols[n] == word or n == UNK for n, word in zip(encoded, words, strict=True))


@given(st.text())
def test_characters_of_a_known_text_decode_to_it(text):
    vocabulary = Vocabulary.build([text], min_count=1, unit="character")
    assert vocabulary.decode(vocabulary.encode(text, 10_000)) == "".join(split_characters(text))


@given(st.lists(st.text(), max_size=5), st.sampled_from(["word", "character"]))
def test_json_gives_the_vocabulary_back(texts, unit):
    vocabulary = Vocabulary.build(texts, min_count=1, unit=unit)
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('{"unit": "word", "symb', "is truncated or not JSON at line 1"),
        ("[" * 10**5, "is malformed"),
        ("[]", "is malformed"),
        ('{"unit": "word"}', "lacks the field 'symbols'"),
        ('{"symbols": []}', "lacks the field 'unit'"),
        ('{"unit": "syllable", "symbols": ["<pad>", "<unk>", "<eos>"]}', "'unit'"),
        ('{"unit": "word", "symbols": ["<unk>", "<pad>", "<eos>"]}', "'symbols'"),
        ('{"unit": "word", "symbols": ["<pad>", "<unk>", "<eos>", "a", "a"]}', "'symbols'"),
        ('{"unit": "word", "symbols": ["<pad>", "<unk>", "<eos>", 4]}', "field 'symbols\\[3\\]'"),
        ('{"unit": "word", "symbols": ["<pad>", "<unk>", "<eos>", []]}', "field 'symbols\\[3\\]'"),
    ],
)
def test_a_bad_vocabulary_is_named(text, names):
    with pytest.raises(InputError, match=f"^vocabulary.json: .*{names}"):
        Vocabulary.from_json(text, "vocabulary.json")


# --- word vectors ---


@pytest.fixture
def vectors(tmp_path):
    np.save(tmp_path / "train_glove.npy", np.arange(8, dtype=np.float32).reshape(4, 2))
    (tmp_path / "train_vocab.txt").write_text("<PAD>\n<UNK>\nthe\ndoor\n")
    return tmp_path


def test_vectors_come_in_the_order_of_the_words(vectors):
    matrix, found = load_word_vectors(vectors, ["door", "sofa", "<pad>", "the"])
    assert matrix.tolist() == [[6, 7], [0, 0], [0, 1], [4, 5]]
    assert matrix.dtype == np.float32
    assert found.tolist() == [True, False, True, True]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is truncated or damaged"),
        (b"nothing", "is truncated or damaged"),
        (np.zeros((3, 2)), r"shape \(3, 2\)"),
        (np.full((4, 2), np.nan), "row 0 is not finite"),
        (np.array([["a"]] * 4), "not a NumPy array of numbers"),
    ],
)
def test_a_bad_file_of_vectors_is_named(vectors, content, problem):
    path = vectors / "train_glove.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    with pytest.raises(InputError, match=problem):
        load_word_vectors(vectors, ["the"])


def test_missing_vectors_are_named(tmp_path):
    with pytest.raises(InputError, match=r"train_vocab\.txt"):
        load_word_vectors(tmp_path, ["the"])


def test_published_vectors_cover_the_training_vocabulary(data):
    vocabulary = Vocabulary.build((episode.instruction for episode in load_split(data, "train")), min_count=5)
    matrix, found = load_word_vectors(data / "glove", vocabulary.symbols)
    assert matrix.shape == (991, 300)
    assert found.all()
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)

    def similarity(a: str, b: str) -> float:
        return float(unit[vocabulary.lookup[a]] @ unit[vocabulary.lookup[b]])

    assert similarity("bedroom", "bathroom") > similarity("bedroom", "left") + 0.3


# --- what can be read ---


def test_unknown_words_are_told_once_and_without_punctuation():
    vocabulary = Vocabulary.build(TEXTS, min_count=1)
    assert unknown_words("Walk to Narnia, then? Narnia! (2nd)", vocabulary) == ["narnia", "2nd"]
    assert is_readable("Narnia bed", vocabulary)
    assert not is_readable("Narnia, .", vocabulary)
    letters = Vocabulary.build(TEXTS, min_count=1, unit="character")
    assert unknown_words("jazz bed 7", letters) == ["j", "z", "7"]


def test_words_of_any_script_can_be_read():
    vocabulary = Vocabulary.build(["नमस्ते दुनिया", "తలుపు"], min_count=1)
    check_readable("दुनिया", vocabulary)
    check_readable("తలుపు", vocabulary)
    with pytest.raises(InputError, match="none of the words of 'रुकिए' is known to the agent; use words such as"):
        check_readable("रुकिए", vocabulary)


@pytest.mark.parametrize("text", ["Walk!", "frobnicate the bed", "T U R N? left"])
def test_one_known_word_is_enough(text):
    check_readable(text, Vocabulary.build(TEXTS, min_count=1))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "instruction: is empty"),
        (" ... ", "instruction: is empty"),
        ("Gehe zum Sofa.", "none of the words of 'Gehe zum Sofa.' is known to the agent; use words such as the, walk,"),
    ],
)
def test_what_cannot_be_read_is_named(text, problem):
    with pytest.raises(InputError) as caught:
        check_readable(text, Vocabulary.build(TEXTS, min_count=1))
    assert problem in str(caught.value)


def test_characters_are_read_whatever_the_words():
    check_readable("Elk!", Vocabulary.build(TEXTS, min_count=1, unit="character"))
    with pytest.raises(InputError, match="none of the words"):
        check_readable("1234", Vocabulary.build(TEXTS, min_count=1, unit="character"))
