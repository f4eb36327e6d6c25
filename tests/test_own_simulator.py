"""The grid world of the guide, as printed: checked, trained, resumed, evaluated, scored."""

import json
import re
import sys
from unittest.mock import patch

import pytest
from guide import tutorials

from agents.training.checkpoint import LATEST, load_checkpoint
from envs import conformance
from envs.conformance import PROMISES, ConformanceError
from envs.make import make_env
from vln.cli import command
from vln.errors import InputError
from vln.registry import import_module

GUIDE = tutorials()["A simulator"]
(MODULE,) = GUIDE.files.values()
COMMANDS = [" ".join(command) for command in GUIDE.commands]
SMALL = {
    "policy.camera.channels": 4,
    "policy.camera.layers": 1,
    "policy.hidden": 8,
    "policy.view": 8,
    "language.hidden": 8,
    "language.embedding": 8,
    "batch-size": 6,
    "max-steps": 6,
    "imitation.iterations": 2,
    "imitation.rounds": 1,
    "imitation.episodes": 8,
    "reinforcement.iterations": 1,
    "evaluate-every": 2,
    "threads": 1,
}


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """The module, on the path."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "my_grid.py").write_text(MODULE)
    sys.path.insert(0, str(folder))
    grid = import_module("my_grid", "--import")
    few = {split: numbers[:2] for split, numbers in grid.GridSource.splits.items()}
    with patch.object(grid.GridSource, "splits", few):  # for speed
        yield grid
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def trained(module, run, tmp_path_factory):
    """A run of the guide's command, with smaller numbers, and what the command printed."""
    folder = tmp_path_factory.mktemp("runs") / "grid"
    _, name, *flags = COMMANDS[1].split()
    sizes = [part for flag, value in SMALL.items() for part in (f"--{flag}", value)]
    result = run(f"{name}.py", *flags[:-1], folder, *sizes)
    assert result.code == 0, result.errors
    return folder


def test_the_suite_finds_it_sound(module, capsys):
    with patch.object(sys, "argv", COMMANDS[0].split()[2:]):
        command(conformance.main)
    assert capsys.readouterr().out == "".join(f"✔ {promise}\n" for promise in PROMISES)


def test_the_suite_ends_with_a_sentence_and_code_2(module, capsys, monkeypatch):
    monkeypatch.setattr(module.Grid, "distance", lambda self: self.gone)
    with patch.object(sys, "argv", ["conformance", "my-grid"]), pytest.raises(SystemExit, match="2"):
        command(conformance.main)
    printed = capsys.readouterr()
    problem = ".* raised AttributeError: 'Grid' object has no attribute 'gone' in the check 'Observations, .*'"
    assert re.fullmatch(rf"simulator 'grid': {problem}; see its line \d+\.\n", printed.err)


def test_a_simulator_without_a_method_is_told_which(module, monkeypatch):
    monkeypatch.setattr(module.Grid, "__abstractmethods__", frozenset({"act"}))
    with pytest.raises(ConformanceError, match="simulator 'grid': .* abstract class Grid with abstract method act "):
        conformance.check_world(conformance.open_world("my-grid"))


def test_it_is_trained_resumed_and_evaluated(trained, run):
    assert load_checkpoint(trained / LATEST).state["iteration"] == 3
    again = run("train.py", "--resume", "--out", trained)
    assert again.code == 0, again.errors
    found = run("evaluate.py", trained, "--json")
    assert found.code == 0, found.errors
    rows = json.loads(found.output)
    assert rows["shortest path"]["SR"] == 1
    scored = run("score.py", trained / "eval/val_unseen.jsonl", "--split", "val_unseen", "--json")
    (row,) = json.loads(scored.output).values()
    assert {name: row[name] for name in ("SR", "SPL", "NE")} == {
        name: pytest.approx(rows["grid"][name]) for name in ("SR", "SPL", "NE")
    }
    assert row["steps"] <= 30


def test_a_run_imports_its_modules(trained):
    record = json.loads((trained / "config.json").read_text())
    assert record["arguments"]["imports"] == ["my_grid"]
    assert record["task"]["simulator"] == "grid"


def test_what_cannot_be_is_one_sentence(trained, run):
    for flags in ((), ("--out", trained / "figures")):
        found = run("replay.py", trained / "eval/val_unseen.jsonl", "--random", 1, *flags)
        assert (found.code, found.output) == (2, "")
        assert found.errors.startswith("scenes 'grid': cannot be drawn; let GridSource have a method `look`")
    with pytest.raises(InputError, match="task 'my-grid': has no split 'test'; use one of train, val_seen, val_unseen"):
        make_env("my-grid", "test")
