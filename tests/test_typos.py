"""Typing mistakes: their number and kind, and nothing else changes."""

import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import episode

from vln.errors import InputError
from vln.language import JOINERS, letters_of
from vln.typos import NEIGHBOURS, TYPOS, Noise, mistype, mistyped

TEXT = "Walk past the red sofa, and stop at the 2nd door."
RATES = st.floats(0, 1)
NOISES = st.builds(Noise, RATES, st.sampled_from(["word", "letter"]), st.lists(st.sampled_from(TYPOS), min_size=1))


def typed(text: str, noise: Noise, seed: int = 0) -> str:
    return mistype(text, noise, np.random.default_rng(seed))


@given(st.text(), NOISES, st.integers(0, 99))
def test_chance_comes_from_the_seed_and_marks_stay(text, noise, seed):
    found = typed(text, noise, seed)
    assert found == typed(text, noise, seed)
    assert [each for each in found if stays(each)] == [each for each in text if stays(each)]


def stays(character: str) -> bool:
    """Whether a character is no part of a letter."""
    return not character.isalpha() and character not in JOINERS and unicodedata.category(character)[0] != "M"


@pytest.mark.parametrize("word", ["नमस्ते", "తలుపు", "caf" + "e\N{COMBINING ACUTE ACCENT}"])
def test_accents_and_vowel_signs_stay_with_their_letters(word):
    letters = letters_of(word)
    assert "".join(letters) == word
    assert len(letters) < len(word)
    for seed in range(20):
        swapped = letters_of(typed(word, Noise(1.0, kinds=("swap",)), seed))
        assert sorted(swapped) == sorted(letters)
        assert len(letters_of(typed(word, Noise(1.0, kinds=("drop",)), seed))) == len(letters) - 1


@given(st.text(), NOISES)
def test_without_mistakes_nothing_changes(text, noise):
    assert typed(text, Noise(0.0, noise.per, noise.kinds)) == text


@pytest.mark.parametrize(
    ("kind", "outcomes"),
    [
        ("swap", {"acbd", "bacd", "abdc"}),
        ("drop", {"bcd", "acd", "abd", "abc"}),
        ("double", {"aabcd", "abbcd", "abccd", "abcdd"}),
    ],
)
def test_each_kind_does_what_it_says(kind, outcomes):
    noise = Noise(1.0, kinds=(kind,))
    assert {typed("abcd", noise, seed) for seed in range(60)} == outcomes


def test_neighbours_are_beside_on_the_keyboard_and_as_large():
    assert {letter: set(near) for letter, near in NEIGHBOURS.items() if letter in "agm"} == {
        "a": set("qwsz"),
        "g": set("tyfhvb"),
        "m": set("njk"),
    }
    assert all(letter in NEIGHBOURS[other] for letter, near in NEIGHBOURS.items() for other in near)
    noise = Noise(1.0, "letter", ("neighbour",))
    for seed in range(20):
        first, second = typed("Aé", noise, seed)
        assert first.isupper()
        assert first.lower() in NEIGHBOURS["a"]
        assert second == "é"


@given(st.text("abcdefg ", max_size=80), st.integers(0, 99))
def test_each_word_gets_one_mistake_at_most(text, seed):
    drop = Noise(1.0, kinds=("drop",))
    pairs = zip(text.split(" "), typed(text, drop, seed).split(" "), strict=True)
    assert all(len(new) == (len(old) - 1 if len(old) > 1 else len(old)) for old, new in pairs)


@given(st.text("abc de", max_size=40), st.integers(0, 99))
def test_words_keep_a_letter_even_where_every_letter_is_dropped(text, seed):
    kept = typed(text, Noise(1.0, "letter", ("drop",)), seed)
    assert [bool(word) for word in kept.split(" ")] == [bool(word) for word in text.split(" ")]


@pytest.mark.parametrize(("per", "share"), [("word", 0.3), ("letter", 0.3)])
def test_the_rate_is_the_share_of_words_or_letters(per, share):
    words = ["abcdefgh"] * 2000
    noise = Noise(share, per, ("double",))
    grown = [len(word) - 8 for word in typed(" ".join(words), noise).split(" ")]
    expected = share if per == "word" else 8 * share
    assert np.mean(grown) == pytest.approx(expected, rel=0.1)
    assert max(grown) == 1 or per == "letter"


def test_kinds_are_equally_likely():
    noise = Noise(1.0, kinds=("drop", "double"))
    counts = Counter(len(word) for word in typed(" ".join(["abcd"] * 2000), noise).split(" "))
    assert counts[3] / counts[5] == pytest.approx(1, abs=0.2)


def test_an_episode_has_the_same_mistakes_whatever_others_there_are():
    episodes = [episode("abc", episode_id=name) for name in ("1_0", "1_1", "2_0")]
    episodes = [type(each)(each.episode_id, each.scan, each.split, TEXT, each.path, 0.0) for each in episodes]
    noise = Noise(0.5)
    together = mistyped(episodes, noise)
    assert together[1:] == mistyped(episodes[1:], noise)
    assert len({each.instruction for each in together}) == 3
    assert together != mistyped(episodes, noise, seed=1)
    assert [each.path for each in together] == [each.path for each in episodes]


@pytest.mark.parametrize(
    ("noise", "told"),
    [(Noise(1.5), "1.5 is out of range"), (Noise(float("nan")), "nan is"), (Noise(0.1, kinds=()), "--kinds")],
)
def test_noise_that_is_none_is_told_of(noise, told):
    with pytest.raises(InputError, match=told):
        mistyped([], noise)
