"""The whole chain through the command line: train, interrupt, resume, evaluate, score, replay."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import torch
from command_line import ROOT, SMALL, run_script
from learners import small_config, small_world

from agents.training.checkpoint import BEST, LATEST, load_checkpoint
from agents.training.trainer import Trainer
from envs.graph.source import DEV_SCANS
from vln.episodes import load_split
from vln.files import read_json_lines
from vln.metrics import METRICS
from vln.submission import read_submission
from vln.trajectory import Trajectory, read_trajectories

PRESETS = {"r2r-navigator": "graph", "r2r-seq2seq": "graph-low-level"}


@pytest.fixture(scope="module")
def folder(small_data, tmp_path_factory) -> Path:
    """Where the runs of this file are."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def train(run, folder) -> Callable[..., Path]:
    """Trains a small agent into a folder of its own, named."""

    def train(name: str, *arguments: object, preset: str = "r2r-navigator") -> Path:
        result = run("train.py", preset, "--out", folder / name, *SMALL, *arguments)
        assert result.code == 0, result.errors
        return folder / name

    return train


@pytest.fixture(scope="module")
def trained(train) -> dict[str, Path]:
    return {preset: train(preset, preset=preset) for preset in PRESETS}


@pytest.fixture(scope="module")
def navigator(trained) -> Path:
    return trained["r2r-navigator"]


def groups(folder: Path) -> set[str]:
    return {row["group"] for _, row in read_json_lines(folder / "metrics.jsonl")}


# --- train ---


@pytest.mark.parametrize("preset", PRESETS)
def test_training_leaves_checkpoints_configuration_vocabulary_and_log(trained, preset):
    found = trained[preset]
    names = {"best.safetensors", "latest.safetensors", "config.json", "vocabulary.json", "metrics.jsonl", "tensorboard"}
    assert {path.name for path in found.iterdir()} == names
    state = load_checkpoint(found / LATEST).state
    assert state["iteration"] == 4
    values = json.loads((found / "config.json").read_text())
    assert values.pop("arguments")["preset"] == preset
    assert values == state["config"]
    assert groups(found) == {"train", "val_seen", "val_unseen"}
    assert {"python", "torch", "vln"} <= state["versions"].keys()


def process(small_data: Path, *arguments: object) -> subprocess.Popen[str]:
    """A training in a process of its own."""
    script = (sys.executable, ROOT / "scripts" / "train.py", "r2r-navigator")
    command = [str(part) for part in (*script, *SMALL, "--data", small_data, *arguments)]
    environment = {**os.environ, "VLN_CACHE": str(small_data / "cache"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def wait_for(path: Path, running: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert running.poll() is None, running.communicate()
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_signal_saves_and_exits_with_its_code_and_only_resume_goes_on(small_data, run, folder, number):
    stopped = folder / f"stopped-{number}"
    flags = ("--imitation.iterations", "3000", "--evaluate-every", "2")
    running = process(small_data, "--out", stopped, *flags)
    wait_for(stopped / BEST, running)  # after the first evaluation
    running.send_signal(number)
    output, errors = running.communicate(timeout=120)
    assert (running.returncode, output) == (128 + number, "")
    assert "Traceback" not in errors
    iteration = load_checkpoint(stopped / LATEST).state["iteration"]
    assert 2 <= iteration < 3000
    assert f"stopped after iteration {iteration}; the same command with --resume goes on" in errors
    kept = (stopped / LATEST).read_bytes()
    result = run("train.py", "r2r-navigator", "--out", stopped, *SMALL, *flags)  # without --resume
    assert result.code == 2
    assert "already holds a run" in result.errors
    assert (stopped / LATEST).read_bytes() == kept


def test_a_resumed_run_ends_like_an_uninterrupted_one(run, navigator, folder, monkeypatch):
    update = Trainer.update

    def interrupted(self: Trainer) -> dict[str, float]:
        if self.iteration == 2:
            signal.raise_signal(signal.SIGUSR1)
        return update(self)

    command = ("train.py", "r2r-navigator", "--out", folder / "resumed", *SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "update", interrupted)
        assert run(*command).code == 128 + signal.SIGUSR1
    assert load_checkpoint(folder / "resumed" / LATEST).state["iteration"] == 3
    assert run("train.py", "--out", folder / "resumed", "--resume").code == 0
    for name in (LATEST, BEST):
        one, other = load_checkpoint(folder / "resumed" / name), load_checkpoint(navigator / name)
        assert all(torch.equal(value, other.tensors[tensor]) for tensor, value in one.tensors.items())


def test_select_dev_holds_out_buildings_of_training_and_selects_on_them(train, run):
    found = train("dev", "--select", "dev")
    assert groups(found) == {"train", "val_seen", "val_unseen", "dev"}
    rows = [row["SPL"] for _, row in read_json_lines(found / "metrics.jsonl") if row["group"] == "dev"]
    assert load_checkpoint(found / BEST).state["best"] == pytest.approx(max(rows), abs=1e-5)
    result = run("evaluate.py", found, "--split", "dev", "--json")
    assert result.code == 0
    assert json.loads(result.output)["dev"]["n"] == 60
    assert {each.scan for each in read_trajectories(found / "eval" / "dev.jsonl")} <= set(DEV_SCANS)


def test_buildings_of_dev_are_in_training_unless_it_selects(small_data):
    every = load_split(small_data, "train")
    held_out = {episode.episode_id for episode in every if episode.scan in DEV_SCANS}
    assert 0 < len(held_out) < len(every)
    for select, expected in (("dev", len(every) - len(held_out)), ("val_unseen", len(every))):
        world = small_world(small_data, small_config(select=select), ("train", "dev"))
        assert {episode.episode_id for episode in world.splits["dev"]} == held_out
        assert len(world.splits["train"]) == expected
        assert held_out.isdisjoint(each.episode_id for each in world.splits["train"]) is (select == "dev")


def test_another_run_starts_from_its_weights(train, navigator):
    found = train("further", "--imitation.iterations", 0, "--start-from", navigator / BEST)
    assert load_checkpoint(found / LATEST).state["iteration"] == 2


# --- evaluate, score, replay ---


@pytest.fixture(scope="module")
def evaluated(run, trained) -> dict[str, dict[str, dict[str, float]]]:
    """The printed scores of each preset."""
    found = {}
    for preset, path in trained.items():
        result = run("evaluate.py", path, "--split", "val_unseen", "--json")
        assert result.code == 0, result.errors
        found[preset] = json.loads(result.output)
    return found


@pytest.mark.parametrize("preset", PRESETS)
def test_evaluation_prints_the_agent_beside_simple_ones_and_writes_its_files(trained, evaluated, preset):
    rows = evaluated[preset]
    assert list(rows) == [preset, "shortest path", "random"]
    assert all(rows[name].keys() >= {*METRICS, "n"} for name in rows)
    assert [rows["shortest path"][metric] for metric in ("NE", "SR", "OSR", "SPL")] == [0, 1, 1, 1]
    folder = trained[preset] / "eval"
    assert {path.name for path in folder.iterdir()} >= {"val_unseen.jsonl", "val_unseen.json", "val_unseen.scores.json"}
    assert json.loads((folder / "val_unseen.scores.json").read_text()) == rows
    trajectories = read_trajectories(folder / "val_unseen.jsonl")
    assert len(trajectories) == len(read_submission(folder / "val_unseen.json")) == rows[preset]["n"] == 30
    assert all_told(trajectories[0], PRESETS[preset])


def all_told(trajectory: Trajectory, simulator: str) -> bool:
    """Whether a trajectory is complete: agent, simulator, probabilities and attention."""
    for step in trajectory.steps:
        assert sum(step.probabilities) == pytest.approx(1, abs=1e-2)
        assert len(step.word_attention) == len(trajectory.words)
        assert len(step.view_attention) == 36
        assert step.choice in step.choices
    return (trajectory.simulator, trajectory.agent, trajectory.split) == (simulator, "navigator", "val_unseen")


@pytest.mark.parametrize("preset", PRESETS)
def test_scoring_the_files_gives_the_numbers_of_the_evaluation(run, trained, evaluated, preset):
    files = [trained[preset] / "eval" / f"val_unseen.{kind}" for kind in ("json", "jsonl")]
    result = run("score.py", *files, "--split", "val_unseen", "--json")
    assert result.code == 0, result.errors
    own = {name: pytest.approx(evaluated[preset][preset][name]) for name in METRICS}
    assert json.loads(result.output) == {str(file): {**own, "n": 30, "missing": 0} for file in files}


def test_the_table_shows_the_agent_the_simple_ones_and_published_rows(run, navigator, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    result = run("evaluate.py", navigator, "--checkpoint", "latest")
    assert result.code == 0
    for part in ("r2r val_unseen", "r2r-navigator", "shortest path", "random", "SPL %", "Anderson"):
        assert part in result.output


def test_replay_draws_what_was_evaluated(run, trained, evaluated, tmp_path):
    files = [path / "eval" / "val_unseen.jsonl" for path in trained.values()]
    result = run("replay.py", *files, "--best", 1, "--out", tmp_path, "--format", "png", "gif")
    assert result.code == 0, result.errors
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".gif", ".png"]
    assert all(path.stat().st_size > 1000 for path in tmp_path.iterdir())
    assert "[" in result.output  # the word attended to most


@pytest.mark.parametrize(("ablate", "suffix"), [("vision", ".blind"), ("language", ".deaf")])
def test_an_ablated_evaluation_keeps_to_its_own_files(run, navigator, evaluated, ablate, suffix):
    whole = (navigator / "eval" / "val_unseen.jsonl").read_bytes()
    result = run("evaluate.py", navigator, "--ablate", ablate, "--json")
    assert result.code == 0, result.errors
    assert next(iter(json.loads(result.output))) == f"r2r-navigator{suffix}"
    assert (navigator / "eval" / "val_unseen.jsonl").read_bytes() == whole
    found = navigator / "eval" / f"val_unseen{suffix}.jsonl"
    assert found.read_bytes() != whole
    assert run("replay.py", found, "--random", 1).code == 0
    if ablate == "language":
        assert {each.words for each in read_trajectories(found)} == {("<eos>",)}


@pytest.mark.parametrize("ablate", ["vision", "language"])
def test_an_ablated_agent_trains_evaluates_and_replays(train, run, ablate):
    found = train(ablate, "--ablate", ablate)
    result = run("evaluate.py", found, "--split", "val_seen", "--json")
    assert result.code == 0, result.errors
    assert json.loads(result.output)[ablate]["n"] == 30
    assert run("replay.py", found / "eval" / "val_seen.jsonl", "--worst", 1).code == 0


def test_a_split_without_goals_gives_trajectories_and_no_scores(run, navigator, small_data):
    result = run("evaluate.py", navigator, "--split", "test", "--json")
    assert result.code == 0, result.errors
    assert json.loads(result.output) == {}
    assert "goals of split 'test' are withheld" in run("evaluate.py", navigator, "--split", "test").errors
    assert not (navigator / "eval" / "test.scores.json").exists()
    ids = [episode.episode_id for episode in load_split(small_data, "test")]
    assert [each.episode_id for each in read_submission(navigator / "eval" / "test.json")] == ids
    assert run("replay.py", navigator / "eval" / "test.jsonl", "--random", 1).code == 0


def test_a_path_of_one_viewpoint_is_scored_alike_everywhere(navigator, small_data, tmp_path):
    shutil.copytree(small_data, tmp_path / "data")
    file = tmp_path / "data" / "r2r" / "R2R_val_seen.json"
    entries = json.loads(file.read_text())
    entries[0]["path"] = entries[0]["path"][:1]
    file.write_text(json.dumps(entries))

    def run(script: str, *arguments: object) -> Any:
        result = run_script(script, *arguments, "--data", tmp_path / "data", "--json", cache=small_data / "cache")
        assert result.code == 0, result.errors
        return json.loads(result.output)

    rows = run("evaluate.py", navigator, "--split", "val_seen")
    assert (rows["r2r-navigator"]["n"], rows["shortest path"]["SR"], rows["shortest path"]["nDTW"]) == (30, 1, 1)
    walks = navigator / "eval" / "val_seen.jsonl"
    scored = run("score.py", walks, "--split", "val_seen")[str(walks)]
    replayed = run("replay.py", walks, "--random", 30)
    assert len(replayed) == 30
    for name in METRICS:
        assert rows["r2r-navigator"][name] == pytest.approx(scored[name])
        assert scored[name] == pytest.approx(mean(row[name] for row in replayed))


def test_an_agent_acts_on_unknown_words_and_says_which(navigator, small_data, tmp_path):
    shutil.copytree(small_data, tmp_path / "data")
    for split in ("val_seen", "test"):
        file = tmp_path / "data" / "r2r" / f"R2R_{split}.json"
        entries = json.loads(file.read_text())
        entries[0]["instructions"][1], entries[1]["instructions"][0] = "Onwards.", "रुकिए!"
        file.write_text(json.dumps(entries))
        names = [f"{entries[0]['path_id']}_1", f"{entries[1]['path_id']}_0"]
        result = run_script(
            *("evaluate.py", navigator, "--split", split, "--data", tmp_path / "data"), cache=small_data / "cache"
        )
        assert result.code == 0, result.errors
        count = 3 * len(entries)
        told = f"the agent knows no word of 2 of {count} instructions, and acts all the same: "
        told += f"episodes {', '.join(names)}\n"
        assert told in result.errors
        assert len(read_submission(navigator / "eval" / f"{split}.json")) == count


def test_sampling_is_a_function_of_the_seed(run, navigator, folder):
    def walks(seed: int) -> bytes:
        assert run("evaluate.py", navigator, "--split", "val_seen", "--decoding", "sample", "--seed", seed).code == 0
        return (navigator / "eval" / "val_seen.json").read_bytes()

    first = walks(3)
    assert walks(4) != first
    assert walks(3) == first
