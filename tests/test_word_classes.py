"""Classes of words: membership, names of several words, and masking."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.houses.categories import CATEGORIES, COLOURS, ROOM_CATEGORIES
from vln.instructions.clauses import ORDINALS
from vln.instructions.words import NOUNS, ROOMS, plural
from vln.language import split_words
from vln.word_classes import CLASSES, masked, word_classes


def members(kind: str, sentence: str) -> list[str]:
    """The words of a sentence that are of a class."""
    tokens = split_words(sentence)
    return [token for token, is_member in zip(tokens, word_classes(tokens)[kind], strict=True) if is_member]


def test_each_class_of_a_sentence():
    sentence = "Turn left at the red TV stand, stand in the living room and take the 2nd door; you can go up one floor."
    assert members("turn", sentence) == ["turn", "left"]
    assert members("direction", sentence) == ["turn", "left", "up"]
    assert members("object", sentence) == ["tv", "stand", "door", "floor"]
    assert members("room", sentence) == ["living", "room"]
    assert members("landmark", sentence) == ["tv", "stand", "living", "room", "door", "floor"]
    assert members("colour", sentence) == ["red"]
    assert members("number", sentence) == ["2nd", "one"]


@pytest.mark.parametrize("sentence", ["You can stop.", "Stand with your back to it.", "Pass the tv. Stand still."])
def test_a_word_of_a_name_alone_is_none(sentence):
    assert not {"can", "stand"} & set(members("landmark", sentence))


def test_houses_are_told_in_words_of_the_classes():
    for category in CATEGORIES[1:]:
        for noun in NOUNS.get(category, (category,)):
            for form in (noun, plural(noun)):
                assert members("object", form) == form.split(), form
    for category in ROOM_CATEGORIES:
        for name in ROOMS.get(category, (category,)):
            assert members("room", name) == name.split(), name
    assert members("colour", " ".join(COLOURS)) == list(COLOURS)
    assert members("number", " ".join(ORDINALS)) == list(ORDINALS[1:])


def test_most_words_of_people_have_the_class_that_one_would_say(data):
    words = (data / "glove" / "train_vocab.txt").read_text().lower().split()[:300]
    found = word_classes(words)
    assert found["landmark"].sum() > 70
    others = [words.index(word) for word in ("the", "and", "walk", "through", "left", "your")]
    assert not found["landmark"][others].any()


def test_directions_hold_turns_and_landmarks_hold_objects_and_rooms():
    assert CLASSES["turn"] < CLASSES["direction"]
    assert CLASSES["object"] | CLASSES["room"] == CLASSES["landmark"]
    for kind in ("colour", "direction", "number"):
        assert not CLASSES[kind] & CLASSES["landmark"]


def test_masking_replaces_words_and_nothing_else():
    text = "Turn LEFT,  then pass the trash can (left side)."
    assert masked(text, "direction", lambda word: "_") == "_ _,  then pass the trash can (_ side)."
    assert masked(text, "landmark", lambda word: "_" * len(word)) == "Turn LEFT,  then pass the _____ ___ (left side)."
    assert masked(text, "number", lambda word: "_") == text


@given(st.text(), st.sampled_from(sorted(CLASSES)))
def test_masking_leaves_no_word_of_the_class(text, kind):
    once = masked(text, kind, lambda word: "_")
    assert masked(once, kind, lambda word: "_") == once
    assert re.sub(r"\w+", "", once) == re.sub(r"\w+", "", text)


@given(st.lists(st.sampled_from(["turn", "left", "tv", "stand", "sofa", "the", "1", "red"])))
def test_masking_and_classes_agree(tokens):
    for kind, members_of in word_classes(tokens).items():
        hidden = masked(" ".join(tokens), kind, lambda word: "_").split()
        assert [word == "_" for word in hidden] == members_of.tolist()
