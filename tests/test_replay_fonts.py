"""Hindi and Telugu in figures and on pages, and a sentence if a font is missing."""

import base64
import dataclasses
import importlib.util
import io
import re
import warnings

import pytest
from fontTools.ttLib import TTFont
from replay_cases import random_replay

from vln.replay import fonts, style
from vln.replay.animation import frames
from vln.replay.figure import View, draw_episode
from vln.replay.page import html_page

HINDI = "बाथरूम से बाहर निकलें और दाईं ओर मुड़ें"
TELUGU = "గది నుండి బయటకు వెళ్లి ఎడమ వైపు తిరగండి"
TAMIL = "அறையை விட்டு வெளியேறு"


@pytest.fixture
def without_fonts(monkeypatch):
    """As if the packages of fonts were not installed."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name.startswith("fontpkg") else find(name))
    caches = (fonts._indic, fonts._known, style.text_width)
    for each in caches:
        each.cache_clear()
    yield
    for each in caches:
        each.cache_clear()


def told(instruction: str, seed: int = 0):
    """An episode with an instruction, whose words are attended to."""
    replay, _ = random_replay(seed)
    words = tuple(instruction.split())
    lived = tuple(
        dataclasses.replace(
            each,
            instruction=instruction,
            words=words,
            steps=tuple(
                dataclasses.replace(step, word_attention=(1.0, *[0.0] * (len(words) - 1))) for step in each.steps
            ),
        )
        for each in replay.trajectories
    )
    return dataclasses.replace(replay, trajectories=lived)


def column(replay) -> str:
    return " ".join(text.get_text() for text in draw_episode(replay, View()).text.texts)


@pytest.mark.parametrize("instruction", [HINDI, TELUGU])
def test_letters_are_drawn(instruction):
    replay = told(instruction)
    assert fonts.missing_font(instruction) == ""
    assert fonts.drawable(instruction) == instruction
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of glyphs that are missing
        scene = draw_episode(replay, View())
        scene.figure.canvas.draw()
    assert instruction.split()[0] in column(replay)


def test_other_fonts_are_asked_for_missing_letters_only():
    assert fonts.families("✔ Café") == [fonts.FONT]
    assert fonts.families(HINDI) == [fonts.FONT, "Noto Sans Devanagari", "Noto Sans Telugu"]


def test_words_are_as_wide_as_they_are_drawn():
    """Shaped: vowel signs join their consonants."""
    assert style.text_width("कि", 10) < style.text_width("क", 10) + style.text_width("ि", 10)


@pytest.mark.usefixtures("without_fonts")
@pytest.mark.parametrize(("instruction", "font"), [(HINDI, "Noto Sans Devanagari"), (TELUGU, "Noto Sans Telugu")])
def test_a_missing_font_is_named(instruction, font):
    replay = told(instruction)
    shown = column(replay)
    assert f"needs the font {font}: pip install fontpkg-" in shown
    assert not any(letter in shown for letter in instruction if letter.isalpha())
    assert len(frames(replay, View())) > 1


def test_other_scripts_are_named():
    sentence = fonts.missing_font(TAMIL)
    assert sentence.startswith("The instruction is in Tamil")
    assert "--format html" in sentence
    assert fonts.missing_font("Café, naïve → stop ✔") == ""
    assert fonts.drawable(f"a{TAMIL[0]}b") == "a?b"


def test_pages_hold_the_letters_they_need():
    page = html_page(told(HINDI), View())
    (data,) = re.findall(r"font-family: \"Noto Sans Devanagari\"; src: url\(data:font/ttf;base64,([^)]*)\)", page)
    held = TTFont(io.BytesIO(base64.b64decode(data)))
    assert {ord(letter) for letter in HINDI if letter != " "} <= set(held.getBestCmap())
    assert len(data) < 60_000
    assert 'Noto Sans Telugu"; src' not in page
    assert "@font-face" not in html_page(told("walk to the door"), View())
