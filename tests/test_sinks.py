"""Where the log of a run goes: sinks of one's own, Weights & Biases, and what is no sink."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from command_line import SMALL
from learners import SMALL_NAVIGATOR, episodes, small_config, small_world
from trainers import before_update, press_ctrl_c, rows

from agents.config import LossConfig
from agents.training import log
from agents.training.build import build_trainer
from agents.training.checkpoint import LATEST, load_checkpoint
from agents.training.log import Log
from vln.errors import InputError
from vln.files import read_json_lines

MODULE = '''
"""A sink of one's own, in lines of "step name value"."""

from agents.registry import LOG_SINKS


@LOG_SINKS.register("notes")
class Notes:
    def __init__(self, folder, config):
        self.file, self.batch_size = folder / "notes.txt", config["batch_size"]

    def start(self, step):
        known = self.file.read_text().splitlines() if self.file.is_file() else []
        self.file.write_text("".join(f"{line}\\n" for line in known if int(line.split()[0]) <= step))

    def log(self, step, metrics):
        with self.file.open("a") as file:
            file.writelines(f"{step} {name} {value}\\n" for name, value in metrics.items() if name != "seconds")

    def close(self):
        with self.file.with_suffix(".closed").open("a") as file:
            file.write(f"{self.batch_size}\\n")
'''


@pytest.fixture(scope="module", autouse=True)
def module(tmp_path_factory):
    """The module, on the path."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_sink.py").write_text(MODULE)
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


def noted(folder) -> list[tuple[int, str, float]]:
    """What the sink was told, as it rounds."""
    lines = [line.split() for line in (folder / "notes.txt").read_text().splitlines()]
    told = [(int(step), name, round(float(value), 5)) for step, name, value in lines]
    return [each for each in told if not each[1].endswith("steps_per_second")]


def logged(folder) -> list[tuple[int, str, float]]:
    """The same of `metrics.jsonl`."""
    return [
        (row["iteration"], f"{row['group']}/{name}", value)
        for row in rows(folder)
        for name, value in row.items()
        if name not in ("iteration", "group")
    ]


CONFIG = small_config(
    policy=replace(SMALL_NAVIGATOR, dropout=0.3),
    imitation=episodes(5, 1e-2, 0.5),
    reinforcement=episodes(4, 3e-3, 0.25, LossConfig(student=0.0, policy=1.0)),
    evaluate_every=3,
)


def fresh(small_data, folder, *sinks):
    world = small_world(small_data, CONFIG)
    torch.manual_seed(0)
    return build_trainer(world.config, world.data, folder, "cpu", ("val_unseen",), sinks=sinks)


def die() -> None:
    raise MemoryError


@pytest.mark.parametrize("stop", [press_ctrl_c, die])
def test_an_own_sink_is_told_every_metric_once_also_after_an_interruption(small_data, tmp_path, monkeypatch, stop):
    monkeypatch.setattr(log, "EVERY", 2)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    fresh(small_data, whole, "own_sink:Notes").train()
    assert noted(whole) == logged(whole)
    assert {name.partition("/")[0] for _, name, _ in noted(whole)} == {"train", "val_unseen"}
    interrupted = fresh(small_data, parts, "own_sink:Notes")
    before_update(interrupted, 6, stop)
    with pytest.raises((KeyboardInterrupt, MemoryError)):
        interrupted.train()
    resumed = fresh(small_data, parts, "own_sink:Notes")
    resumed.resume(load_checkpoint(parts / LATEST))
    resumed.train()
    assert noted(parts) == noted(whole)
    assert rows(parts) == rows(whole)
    assert (whole / "notes.closed").read_text() == "8\n"
    assert (parts / "notes.closed").read_text() == "8\n8\n"


def test_sinks_are_chosen_on_the_command_line_and_anew_when_a_run_is_resumed(run, tmp_path):
    folder = tmp_path / "run"
    result = run("train.py", "r2r-navigator", "--import", "own_sink", "--log", "notes", "--out", folder, *SMALL)
    assert result.code == 0, result.errors
    assert noted(folder) == logged(folder)
    assert not (folder / "tensorboard").exists()
    before = noted(folder)
    again = run("train.py", "--resume", "--out", folder, "--log", "tensorboard")
    assert again.code == 0, again.errors
    assert (folder / "tensorboard").is_dir()
    assert noted(folder) == before
    assert json.loads((folder / "config.json").read_text())["arguments"]["log"] == ["tensorboard"]


def test_json_lines_alone_are_always_written(small_data, tmp_path):
    fresh(small_data, tmp_path).train()
    assert [number for number, _ in read_json_lines(tmp_path / "metrics.jsonl")]
    assert not (tmp_path / "tensorboard").exists()


# --- Weights & Biases ---


class FakeRun:
    """What W&B keeps of a run."""

    def __init__(self) -> None:
        self.opened, self.history, self.finished = [], {}, 0

    def log(self, metrics, step):
        if step >= max(self.history, default=0):
            self.history.setdefault(step, {}).update(metrics)

    def finish(self):
        self.finished += 1


@pytest.fixture
def server(monkeypatch):
    """The runs by id of a server that a made package `wandb` talks to."""
    runs: dict[str, FakeRun] = {}

    def init(**given):
        assert given["resume"] == "allow"
        found = runs.setdefault(given["id"], FakeRun())
        found.opened.append(given)
        return found

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    return runs


def test_a_killed_run_goes_on_in_the_same_run_at_weights_and_biases(small_data, tmp_path, monkeypatch, server):
    monkeypatch.setattr(log, "EVERY", 2)
    monkeypatch.setenv("WANDB_PROJECT", "ours")
    interrupted = fresh(small_data, tmp_path, "wandb")
    assert not server
    before_update(interrupted, 6, die)
    with pytest.raises(MemoryError):
        interrupted.train()
    resumed = fresh(small_data, tmp_path, "wandb")
    resumed.resume(load_checkpoint(tmp_path / LATEST))
    resumed.train()
    (name, found), *others = server.items()
    assert not others
    assert (tmp_path / "wandb-id").read_text() == name
    assert found.finished == 2
    assert [each["project"] for each in found.opened] == ["ours", "ours"]
    assert found.opened[0]["config"]["batch_size"] == 8
    told = {(step, name) for step, metrics in found.history.items() for name in metrics if name != "seconds"}
    assert told - {each for each in told if each[1].endswith("steps_per_second")} == {
        each[:2] for each in logged(tmp_path)
    }


# --- bad input ---


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("tensorbord", "log sink: 'tensorbord' is not known; use one of json-lines, tensorboard, wandb"),
        ("tensorbord", "(did you mean 'tensorboard'?)"),
        ("no_such_module:Sink", "log sink 'no_such_module:Sink': module 'no_such_module' cannot be imported"),
    ],
)
def test_what_is_no_sink_is_one_sentence(run, tmp_path, name, problem):
    result = run("train.py", "r2r-navigator", "--out", tmp_path / "run", "--log", name)
    assert (result.code, result.output, result.errors.count("\n")) == (2, "", 1)
    assert problem in result.errors
    assert not (tmp_path / "run").exists()


def test_weights_and_biases_without_its_package_names_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InputError, match=r"--log wandb: the package 'wandb' is not installed; .* vln\[wandb\]\."):
        Log(tmp_path, ("wandb",))
