"""Agents that read letters, and how agents fare under typing mistakes, from training to the picture."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import SMALL, Result

from agents.config import LanguageConfig
from agents.policies.language import InstructionEncoder
from agents.presets import r2r_demo, r2r_letters
from agents.studies.typos import summary, unknown_share
from vln.episodes import load_split
from vln.language import EOS, UNK, Vocabulary
from vln.typos import Noise, mistyped

SPLIT = "val_unseen"


@pytest.fixture(scope="module")
def agents(run, tmp_path_factory) -> tuple[Path, Path]:
    """Finished runs of an agent that reads words and of one that reads letters."""
    folder = tmp_path_factory.mktemp("runs")
    letters = ("--language.max-length", 90, "--language.min-count", 1)
    for preset, name, flags in (("r2r-demo", "words", ()), ("r2r-letters", "letters", letters)):
        result = run("train.py", preset, *SMALL, *flags, "--out", folder / name)
        assert result.code == 0, result.errors
    return folder / "words", folder / "letters"


def refused(result: Result, *told: str) -> None:
    assert result.code == 2
    assert all(each in result.errors for each in told), result.errors


def test_the_presets_differ_in_what_they_read_alone():
    words, letters = r2r_demo(), r2r_letters()
    assert letters.language.unit == "character"
    assert vars(words) == {**vars(letters), "language": words.language}


@pytest.mark.parametrize("unit", ["word", "character"])
def test_what_is_matched_with_views_are_words_or_letters_in_their_context(unit):
    torch.manual_seed(0)
    encoder = InstructionEncoder(LanguageConfig(unit=unit, hidden=4), torch.randn(9, 6), 0.0).eval()
    tokens = torch.tensor([[3, 4, 3, EOS], [5, EOS, 0, 0]])
    found = encoder(tokens)
    assert found.words.shape[2] == encoder.word_width == (6 if unit == "word" else 8)
    assert torch.equal(found.words, encoder.embedding(tokens) if unit == "word" else found.context)
    same = torch.allclose(found.words[0, 0], found.words[0, 2])
    assert same is (unit == "word")


def test_mistakes_are_met_by_agents_side_by_side(run, agents, tmp_path):
    flags = ("--rates", 0.2, 0.8, "--threads", 1, "--out", tmp_path, "--json")
    result = run("compare.py", "typos", *agents, *flags)
    assert result.code == 0, result.errors
    rows = json.loads(result.output)
    assert [(row["run"], row["rate"]) for row in rows] == [
        (name, rate) for name in ("words", "letters") for rate in (0.0, 0.2, 0.8)
    ]
    for row in rows:
        assert ("change" in row) is (row["rate"] > 0)
        assert ("above first" in row) is (row["run"] == "letters")
        assert row["SR interval"][0] <= row["SR"] <= row["SR interval"][1]
    words, letters = rows[:3], rows[3:]
    assert words[0]["unknown"] < words[1]["unknown"] < words[2]["unknown"]
    assert letters[2]["unknown"] < 0.1
    assert {path.name for path in tmp_path.iterdir()} >= {f"{SPLIT}{end}" for end in (".json", ".md", ".png")}
    assert json.loads((tmp_path / f"{SPLIT}.json").read_text()) == rows
    assert json.loads(run("compare.py", "typos", *agents, *flags).output) == rows  # measured already


def test_one_agent_is_enough(run, agents):
    result = run(
        "compare.py", "typos", agents[0], "--rates", 0.5, "--per", "letter", "--kinds", "drop", "--episodes", 6
    )
    assert result.code == 0, result.errors
    assert "50 %" in result.output
    assert (agents[0] / "typos" / f"{SPLIT}.png").is_file()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--rates", "1.5"), "--rates: 1.5 is out of range"),
        (("--episodes", "-1"), "--episodes"),
        (("--split", "test"), "withheld"),
        (("--checkpoint", "best"), ""),
    ],
)
def test_what_cannot_be_compared_is_told_of(run, agents, tmp_path, flags, told):
    runs = agents if told else (agents[0], tmp_path / "nowhere")
    refused(run("compare.py", "typos", *runs, *flags), told or "there is no checkpoint")


def test_a_row_tells_what_changed_on_the_same_episodes():
    made = ([1, 1, 0, 1], [1, 0, 0, 0], [1, 1, 1, 1])
    clean, noisy, other = ({"SR": np.array(each, float), "SPL": np.array(each, float)} for each in made)
    ways = ["a", "a", "b", "c"]
    row = summary(noisy, clean, other, ways)
    assert (row["SR"], row["change"][0], row["above first"][0]) == (0.25, -0.5, -0.75)
    assert "change" not in summary(clean, clean, clean, ways)


def test_mistakes_make_words_unknown(small_data):
    episodes = load_split(small_data, SPLIT)
    vocabulary = Vocabulary.build([each.instruction for each in episodes], 1)
    assert unknown_share(episodes, vocabulary, 80) == 0
    noisy = mistyped(episodes, Noise(1.0))
    expected = [number == UNK for each in noisy for number in vocabulary.encode(each.instruction, 80)]
    assert unknown_share(noisy, vocabulary, 80) == pytest.approx(sum(expected) / len(expected))
