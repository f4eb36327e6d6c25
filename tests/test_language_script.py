"""Language models through the command line: train, resume, sample, and bad input."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command_line import SMALL, Result, run_script

from agents.speaking.language_modelling import LanguageTrainer
from agents.training.checkpoint import BEST, LATEST, load_checkpoint
from vln.files import read_json_lines, write_text
from vln.language import SPECIALS, Vocabulary

_FLAGS = {
    "iterations": 16,
    "evaluate-every": 6,
    "batch-size": 3,
    "sequence": 10,
    "hidden": 12,
    "embedding": 8,
    "min-count": 1,
    "length": 30,
    "threads": 1,
}
TINY = tuple(str(part) for flag, value in _FLAGS.items() for part in (f"--{flag}", value))
CLOCK = ("seconds", "steps_per_second")
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(folder) -> Run:
    return lambda *arguments: run_script("language.py", *arguments, cache=folder / "cache")


@pytest.fixture(scope="module")
def text(folder) -> Path:
    """A file of a few hundred characters."""
    write_text(folder / "text.txt", "Go to the red sofa, then stop.\nGo to the café №5.\n" * 8)
    return folder / "text.txt"


@pytest.fixture(scope="module")
def letters(run, folder, text) -> Path:
    """A finished run."""
    result = run("train", "--text", text, *TINY, "--out", folder / "letters")
    assert result.code == 0, result.errors
    return folder / "letters"


def refused(result: Result, *told: str) -> None:
    assert result.code == 2
    assert "Traceback" not in result.errors
    assert all(each in result.errors for each in told), result.errors


def log_of(run: Path) -> list[dict[str, object]]:
    rows = [row for _, row in read_json_lines(run / "metrics.jsonl")]
    return [{name: value for name, value in row.items() if name not in CLOCK} for row in rows]


def test_training_leaves_what_every_run_leaves_and_samples_on_the_way(run, letters):
    names = {"best.safetensors", "latest.safetensors", "config.json", "vocabulary.json", "metrics.jsonl", "tensorboard"}
    assert {path.name for path in letters.iterdir()} >= names
    rows = log_of(letters)
    assert {row["iteration"] for row in rows if row["group"] == "last tenth"} == {1, 4, 6, 12, 16}
    assert [row["iteration"] for row in rows if row["group"] == "sample"] == [1, 4, 16]
    bits = [row["bits"] for row in rows if row["group"] == "last tenth"]
    assert bits[-1] < bits[0]
    shown = run("progress", letters)
    assert shown.code == 0, shown.errors
    assert shown.output.count("train more") == 2
    points = json.loads(run("progress", letters, "--json").output)
    assert [point["iteration"] for point in points] == [1, 4, 16]
    assert points[-1]["bits"]["last tenth"] == bits[-1]


@pytest.mark.parametrize("stop", [5, 7])
def test_a_resumed_run_ends_like_an_uninterrupted_one(run, letters, folder, text, monkeypatch, stop):
    update, out = LanguageTrainer.update, folder / f"resumed{stop}"

    def dying(self: LanguageTrainer) -> dict[str, float]:
        if self.iteration == stop:
            raise KeyboardInterrupt
        return update(self)

    with monkeypatch.context() as patch:
        patch.setattr(LanguageTrainer, "update", dying)
        assert run("train", "--text", text, *TINY, "--out", out).code == 130
    assert load_checkpoint(out / LATEST).state["iteration"] == {5: 4, 7: 6}[stop]
    torch.rand(3)  # what else a process may have drawn
    result = run("train", "--text", text, *TINY, "--out", out, "--resume")
    assert result.code == 0, result.errors
    for name in (LATEST, BEST):
        one, other = load_checkpoint(out / name), load_checkpoint(letters / name)
        assert one.tensors.keys() == other.tensors.keys()
        assert all(torch.equal(value, other.tensors[tensor]) for tensor, value in one.tensors.items())
    assert log_of(out) == log_of(letters)


def test_samples_begin_with_the_prime_text_and_come_from_the_seed(run, letters):
    flags = ("sample", letters, "--prime", "Go to", "--temperature", 0.7, "--length", 40, "--count", 2)
    texts = json.loads(run(*flags, "--json").output)
    assert len(texts) == 2
    assert all(text.startswith("Go to") and len(text) <= 45 for text in texts)
    assert json.loads(run(*flags, "--json").output) == texts
    assert json.loads(run(*flags, "--seed", 1, "--json").output) != texts
    cold = json.loads(run(*flags, "--temperature", 0, "--json").output)
    assert cold[0] == cold[1]
    assert run(*flags).output.replace("\n", "").startswith("Go to")


def test_instructions_are_read_with_their_ends_by_words_and_by_characters(run, folder, small_data):
    for unit, cell in (("character", "gru"), ("word", "rnn")):
        out = folder / unit
        flags = ("--unit", unit, "--cell", cell, "--layers", 2, "--data", small_data, "--full")
        result = run("train", *TINY, *flags, "--iterations", 4, "--evaluate-every", 4, "--out", out)
        assert result.code == 0, result.errors
        assert load_checkpoint(out / LATEST).state["iteration"] == 16
        assert {row["group"] for row in log_of(out)} == {"train", "val_seen", "val_unseen", "sample"}
        assert run("sample", out, "--count", 1).code == 0


def test_texts_that_cannot_be_learnt_from_are_told_of(run, folder):
    for name, content, told in (
        ("latin.txt", "Go to the café.".encode("latin-1") * 9, "is not UTF-8"),
        ("empty.txt", b"", "shorter than one sequence"),
        ("short.txt", b"Go on now.", "fewer than one sequence of 10"),
    ):
        (folder / name).write_bytes(content)
        refused(run("train", *TINY, "--text", folder / name, "--out", folder / "none"), name, told)
    refused(run("train", *TINY, "--text", "shakespear", "--out", folder / "none"), "neither a file nor a data set")
    refused(run("train", *TINY, "--text", folder, "--out", folder / "none"), str(folder))
    assert not (folder / "none").exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--prime", "Gö"), "'ö' is not in the vocabulary"),
        (("--temperature", "-1"), "--temperature"),
        (("--sequence", "0"), "--sequence"),
        (("--dropout", "1.0"), "--dropout"),
        (("--out",), "already holds a run"),
    ],
)
def test_flags_that_are_no_good_are_told_of(run, folder, letters, text, flags, told):
    out = ("--out", letters) if flags == ("--out",) else ("--out", folder / "none", *flags)
    refused(run("train", "--text", text, *TINY, *out), told)
    assert not (folder / "none").exists()


def test_only_the_same_run_is_resumed(run, folder, letters, text):
    refused(run("train", "--text", text, *TINY, "--hidden", 13, "--out", letters, "--resume"), "the run has 12, not 13")
    changed = folder / "changed.txt"
    shutil.copy(text, changed)
    copied = folder / "copied"
    shutil.copytree(letters, copied)
    config = load_checkpoint(copied / LATEST).state["config"]["text"]
    kept = text.read_text()
    write_text(text, kept.replace("red", "blue"))
    refused(run("train", "--text", config, *TINY, "--out", copied, "--resume"), "hash field")
    write_text(text, kept)


def test_runs_that_write_nothing_are_told_of(run, folder, letters):
    refused(run("sample", folder / "nowhere"), "there is no checkpoint")
    refused(run("sample", letters, "--prime", "Gö"), "'ö' is not in the vocabulary")
    refused(run("sample", letters, "--count", 0), "--count")
    other = folder / "other"
    shutil.copytree(letters, other)
    write_text(other / "vocabulary.json", Vocabulary((*SPECIALS, "a"), "raw character").to_json())
    refused(run("sample", other), "hash field 'vocabulary'")
    (other / "metrics.jsonl").write_text("")
    refused(run("progress", other), "has no samples")


def test_a_run_of_an_agent_is_no_language_model(run, folder, small_data):
    flags = ("r2r-navigator", "--out", folder / "navigator", *SMALL, "--data", small_data)
    assert run_script("train.py", *flags, cache=small_data / "cache").code == 0
    refused(run("sample", folder / "navigator"), "holds no language model")
