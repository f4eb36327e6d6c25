"""Bad input to every script: exit code 2, one sentence with file, field and fix, and nothing written or lost."""

import base64
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from command_line import SMALL, Result, run_script

from agents.training.checkpoint import BEST, LATEST
from vln.data import PUBLISHED
from vln.episodes import load_split
from vln.graph import load_graphs

SPLIT = "val_unseen"
SCAN = "2azQ1b91cZZ"  # the building of that split
TRAIN = ("train.py", "r2r-navigator", *SMALL)


@pytest.fixture(scope="module")
def run_folder(small_data, tmp_path_factory) -> Path:
    """A finished run and its evaluation."""
    folder, cache = tmp_path_factory.mktemp("bad") / "run", small_data / "cache"
    for script in ((*TRAIN, "--out", folder), ("evaluate.py", folder, "--split", SPLIT, "--json")):
        result = run_script(*script, "--data", small_data, cache=cache)
        assert result.code == 0, result.errors
    return folder


@pytest.fixture
def own_run(run_folder, tmp_path) -> Path:
    """A copy of the run, to break."""
    return Path(shutil.copytree(run_folder, tmp_path / "run", ignore=shutil.ignore_patterns("tensorboard")))


@pytest.fixture
def own_data(small_data, tmp_path) -> Path:
    """A copy of the data, to break."""
    return Path(shutil.copytree(small_data, tmp_path / "data", ignore=shutil.ignore_patterns("cache")))


@pytest.fixture
def refused(small_data, tmp_path) -> Callable[..., str]:
    """Runs a script that must refuse, and returns its sentence."""

    def refuse(*arguments: object, data: Path = small_data) -> str:
        before = snapshot(tmp_path)
        result = run_script(*arguments, "--data", data, cache=small_data / "cache")
        assert snapshot(tmp_path) == before
        return sentence(result)

    return refuse


def snapshot(folder: Path) -> dict[Path, bytes | None]:
    """All that is in a folder; None stands for a folder."""
    return {path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def sentence(result: Result) -> str:
    assert (result.code, result.output) == (2, "")
    assert "Traceback" not in result.errors
    lines = result.errors.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].endswith(".")
    assert "; " in lines[0]  # what is wrong; what to do
    return lines[0]


def mentions(text: str, *parts: object) -> None:
    for part in parts:
        assert str(part) in text


def edit(path: Path, change: Callable[[Any], Any]) -> Path:
    """Change the content of a JSON file."""
    content = json.loads(path.read_text())
    changed = change(content)
    path.write_text(json.dumps(content if changed is None else changed))
    return path


def cut(path: Path) -> Path:
    """Truncate a file in its middle."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def users(run: Path, tmp_path: Path) -> dict[str, tuple[object, ...]]:
    """A call of each script that reads a split."""
    predictions = run / "eval" / f"{SPLIT}.json"
    return {
        "train": (*TRAIN, "--out", tmp_path / "new"),
        "evaluate": ("evaluate.py", run, "--split", SPLIT),
        "score": ("score.py", predictions, "--split", SPLIT),
        "replay": ("replay.py", predictions, "--split", SPLIT, "--out", tmp_path / "figures"),
    }


SCRIPTS = ("train", "evaluate", "score", "replay")

# --- episodes and graphs ---


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_truncated_split(refused, own_data, run_folder, tmp_path, script):
    path = cut(own_data / "r2r" / f"R2R_{SPLIT}.json")
    mentions(refused(*users(run_folder, tmp_path)[script], data=own_data), path, "is truncated or not JSON at line 1")


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_truncated_graph(refused, own_data, run_folder, tmp_path, script):
    path = cut(own_data / "connectivity" / f"{SCAN}_connectivity.json")
    mentions(refused(*users(run_folder, tmp_path)[script], data=own_data), path, "is truncated or not JSON at line 1")


def first_entry(field: str, value: Any) -> Callable[[Any], None]:
    def change(entries: list[dict[str, Any]]) -> None:
        entries[0][field] = value

    return change


@pytest.mark.parametrize("script", ["train", "evaluate", "score"])
@pytest.mark.parametrize(
    ("field", "value", "parts"),
    [
        ("scan", "nowhere", ["scan 'nowhere'"]),
        ("path", ["here", "there"], ["field 'path'", "breaks at step 0", "viewpoint 'here' is not in the graph"]),
        ("path", "jump", ["field 'path'", "breaks at step 1", "are not connected"]),
        ("path", [], ["field 'path' of entry 0 is malformed (expected a list of length >= 1)"]),
        ("instructions", [], ["field 'instructions' of entry 0 is malformed (expected a list of length >= 1)"]),
        (
            "instructions",
            ["Go.", 3],
            ["field 'instructions[1]' of entry 0 is malformed (expected a string, got a whole"],
        ),
        (
            "instructions",
            ["Go.", " "],
            ["field 'instructions[1]' of entry 0 is malformed (expected a string that is not"],
        ),
        ("heading", float("nan"), ["field 'heading' of entry 0 is malformed (nan is not a finite number)"]),
        ("heading", 10**400, ["field 'heading' of entry 0 is malformed (number out of range)"]),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, str) else None,
)
def test_a_bad_field_of_an_episode(refused, own_data, run_folder, tmp_path, script, field, value, parts):
    if value == "jump":
        value = unconnected(own_data)
    path = edit(own_data / "r2r" / f"R2R_{SPLIT}.json", first_entry(field, value))
    source = own_data / "connectivity" / "nowhere_connectivity.json" if field == "scan" else path
    mentions(refused(*users(run_folder, tmp_path)[script], data=own_data), source, *parts)


def unconnected(data: Path) -> list[str]:
    """Two viewpoints of the building that no edge joins."""
    graph = load_graphs(data / "connectivity", [SCAN])[SCAN]
    here, there = np.argwhere(~graph.adjacency & ~np.eye(len(graph.adjacency), dtype=bool))[0]
    return [graph.viewpoints[here], graph.viewpoints[there]]


@pytest.mark.parametrize("script", ["train", "evaluate"])
def test_a_split_without_episodes(refused, own_data, run_folder, tmp_path, script):
    path = edit(own_data / "r2r" / f"R2R_{SPLIT}.json", lambda entries: [])
    text = refused(*users(run_folder, tmp_path)[script], data=own_data)
    mentions(text, path, f"has no episodes of split '{SPLIT}'")


def test_a_data_set_without_the_buildings_of_dev(refused, own_data, tmp_path):
    path = own_data / "r2r" / "R2R_train.json"
    edit(path, lambda entries: [entry for entry in entries if entry["scan"] == "17DRP5sb8fy"])
    mentions(
        refused(*TRAIN, "--out", tmp_path / "new", "--select", "dev", data=own_data), path, "no episodes of split 'dev'"
    )


def test_an_unknown_split(refused, run_folder):
    for call in (("evaluate.py", run_folder), ("score.py", run_folder / "eval" / f"{SPLIT}.json")):
        mentions(refused(*call, "--split", "val"), "R2R_val.json", "use one of the splits", SPLIT)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_data_folder_that_is_not_there(refused, run_folder, tmp_path, script):
    text = refused(*users(run_folder, tmp_path)[script], data=tmp_path / "nothing")
    mentions(text, tmp_path / "nothing", "connectivity/ is missing", "--data", "VLN_DATA", PUBLISHED)


# --- predictions ---


def _missing(entries: list[Any], data: Path) -> str:
    return f"1 of 30 predictions are missing, the first for instr_id '{entries.pop(4)['instr_id']}'"


def _duplicate(entries: list[Any], data: Path) -> str:
    entries.append(entries[4])
    return f"instr_id '{entries[4]['instr_id']}' occurs 2 times"


def _unknown(entries: list[Any], data: Path) -> str:
    entries[4]["instr_id"] = "4711_0"
    return "instr_id '4711_0' is not in the split"


def _jump(entries: list[Any], data: Path) -> str:
    graph = load_graphs(data / "connectivity", [SCAN])[SCAN]
    poses = entries[4]["trajectory"]
    far = np.argmax(graph.distances[graph.index[poses[-1][0]]])
    poses.append([graph.viewpoints[far], 0.0, 0.0])
    return f"trajectory of instr_id '{entries[4]['instr_id']}' breaks at step {len(poses) - 1}: "


def _elsewhere(entries: list[Any], data: Path) -> str:
    start = next(each for each in load_split(data, SPLIT) if each.episode_id == entries[4]["instr_id"]).start
    del entries[4]["trajectory"][:]
    entries[4]["trajectory"].append([unconnected(data)[start == unconnected(data)[0]], 0.0, 0.0])
    return f"trajectory of instr_id '{entries[4]['instr_id']}' starts at"


def _short_pose(entries: list[Any], data: Path) -> str:
    entries[4]["trajectory"][0].pop()
    return "field 'trajectory[0]' of entry 4 is malformed (expected a list of length 3"


@pytest.mark.parametrize("change", [_missing, _duplicate, _unknown, _jump, _elsewhere, _short_pose])
def test_impossible_predictions(refused, own_run, small_data, change):
    path = own_run / "eval" / f"{SPLIT}.json"
    entries = json.loads(path.read_text())
    problem = change(entries, small_data)
    path.write_text(json.dumps(entries))
    mentions(refused("score.py", path, "--split", SPLIT), path, problem)


@pytest.mark.parametrize("script", ["score", "replay"])
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda row: row["start"].update(heading=float("nan")), "field 'start.heading' of line 2 is malformed (nan is"),
        (
            lambda row: row.update(instruction=5),
            "field 'instruction' of line 2 is malformed (expected a string, got a w",
        ),
        (
            lambda row: row["steps"][0]["probabilities"].__setitem__(0, "a"),
            "field 'steps[0].probabilities[0]' of line 2",
        ),
    ],
)
def test_impossible_trajectories(refused, own_run, tmp_path, script, change, problem):
    path = own_run / "eval" / f"{SPLIT}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    change(rows[1])  # the first is the task
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    call = ("--out", tmp_path / "figures") if script == "replay" else ("--split", SPLIT)
    mentions(refused(f"{script}.py", path, *call), path, problem)


@pytest.mark.parametrize("script", ["score", "replay"])
@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_truncated_predictions(refused, own_run, tmp_path, script, kind):
    path = cut(own_run / "eval" / f"{SPLIT}.{kind}")
    figures = ("--out", tmp_path / "figures") if script == "replay" else ()
    split = () if (script, kind) == ("replay", "jsonl") else ("--split", SPLIT)
    mentions(refused(f"{script}.py", path, *split, *figures), path, "truncated or not JSON")


# --- features ---


def features(data: Path) -> dict[str, np.ndarray]:
    """Small features of every viewpoint, by <scan>_<viewpoint>."""
    random = np.random.default_rng(0)
    return {
        f"{scan}_{viewpoint}": random.normal(size=(36, 768)).astype(np.float32)
        for scan, graph in load_graphs(data / "connectivity").items()
        for viewpoint in graph.viewpoints
    }


def write_hdf5(path: Path, tables: dict[str, np.ndarray]) -> Path:
    with h5py.File(path, "w") as file:
        for key, table in tables.items():
            file[key] = table
    return path


@pytest.mark.parametrize("problem", ["width", "missing", "nan", "truncated", "absent", "unknown"])
def test_bad_features(refused, small_data, tmp_path, problem):
    path, tables = tmp_path / "features.hdf5", features(small_data)
    key = list(tables)[3]
    if problem == "width":
        tables[key] = tables[key][:, :100]
    elif problem == "missing":
        del tables[key]
    elif problem == "nan":
        tables[key][5, 7] = np.nan
    write_hdf5(path, tables)
    if problem == "truncated":
        cut(path)
    elif problem == "absent":
        path.unlink()
    scan, viewpoint = key.split("_")
    parts = {
        "width": [path, f"data set '{key}' has shape (36, 100), not (36, 768 or more)"],
        "missing": [path, f"features of viewpoint '{viewpoint}' of scan '{scan}' are missing"],
        "nan": [path, f"scan '{scan}', viewpoint '{viewpoint}', view 5 are not finite (column 7)"],
        "truncated": [path, "is truncated or damaged"],
        "absent": [path, "the feature file does not exist"],
        "unknown": ["'pictures' is not known; use 'captions'"],
    }
    name = "pictures" if problem == "unknown" else path
    mentions(refused(*TRAIN, "--out", tmp_path / "new", "--features", name), *parts[problem])


@pytest.mark.parametrize("width", [2048, 100])
def test_features_of_the_simulator(refused, small_data, tmp_path, width):
    """A line of the right width leaves the other viewpoints missing."""
    key, table = next(iter(features(small_data).items()))
    wide = np.resize(table, (36, width)).tobytes()
    path = tmp_path / "features.tsv"
    path.write_text("\t".join([*key.split("_"), "640", "480", "60", base64.b64encode(wide).decode()]) + "\n")
    problem = "are missing" if width == 2048 else "field 'features' of line 1 has 14400 bytes, not 294912"
    mentions(refused(*TRAIN, "--out", tmp_path / "new", "--features", path), path, problem)


def test_truncated_captions_and_word_vectors(refused, own_data, tmp_path):
    for path in (own_data / "glove" / "train_glove.npy", own_data / "views" / f"{SCAN}.json.xz"):
        cut(path)
        mentions(refused(*TRAIN, "--out", tmp_path / "new", data=own_data), path, "truncated")


def test_good_features_train(small_data, tmp_path):
    """Lest the refusals above refuse everything."""
    path = write_hdf5(tmp_path / "features.hdf5", features(small_data))
    out = ("--out", tmp_path / "new", "--features", path)
    result = run_script(*TRAIN, *out, "--data", small_data, cache=tmp_path / "cache")
    assert result.code == 0, result.errors


# --- checkpoints and run folders ---


@pytest.mark.parametrize("name", [BEST, "vocabulary.json"])
def test_a_truncated_run(refused, own_run, name):
    path = cut(own_run / name)
    mentions(refused("evaluate.py", own_run), path, "is truncated or")


def test_a_truncated_checkpoint_to_resume_from(refused, own_run):
    path = cut(own_run / LATEST)
    mentions(refused(*TRAIN, "--out", own_run, "--resume"), path, "is truncated or damaged")


def test_a_vocabulary_of_another_run(refused, own_run):
    edit(own_run / "vocabulary.json", lambda content: content["symbols"].append("other"))
    mentions(refused("evaluate.py", own_run), own_run / BEST, "hash field 'vocabulary' is")


def test_a_checkpoint_of_another_architecture(refused, own_run, tmp_path):
    other = ("--policy.hidden", 20)
    text = refused(*TRAIN, *other, "--out", own_run, "--resume")
    mentions(text, "--policy.hidden", "the run has 16, not 20; leave it out, or start another run")
    text = refused(*TRAIN, *other, "--out", tmp_path / "new", "--start-from", own_run / BEST)
    mentions(text, own_run / BEST, "tensor 'choose_content.weight' has shape", "another architecture; use the config")
    text = refused("train.py", "r2r-seq2seq", *SMALL, "--out", tmp_path / "new", "--start-from", own_run / BEST)
    mentions(text, own_run / BEST, "another architecture")


def test_other_data_than_the_checkpoint_saw(refused, own_run, own_data, tmp_path):
    edit(own_data / "r2r" / "R2R_train.json", first_entry("instructions", ["Zigzag. " * 5]))
    for out in (("--out", own_run, "--resume"), ("--out", tmp_path / "new", "--start-from", own_run / LATEST)):
        text = refused(*TRAIN, *out, data=own_data)
        mentions(text, own_run / LATEST, "hash field 'vocabulary' is", "use the data the checkpoint was trained on")
    views = own_data / "views"
    (views / "2azQ1b91cZZ.json.xz").write_bytes((views / "17DRP5sb8fy.json.xz").read_bytes())
    mentions(refused("evaluate.py", own_run, data=own_data), own_run / BEST, "hash field 'features' is")


def test_a_run_folder_that_is_taken_or_empty(refused, own_run, tmp_path):
    empty = tmp_path / "new"
    mentions(refused(*TRAIN, "--out", own_run), own_run, f"already holds a run ({LATEST}); pass --resume")
    mentions(refused(*TRAIN, "--out", empty, "--resume"), empty, f"there is no {LATEST} to resume from")
    mentions(refused("evaluate.py", empty), empty / BEST, "there is no checkpoint; train first")


# --- output folders ---


@pytest.mark.parametrize("script", ["train", "evaluate"])
def test_a_file_in_place_of_the_output_folder(refused, own_run, tmp_path, script):
    place = own_run / "eval" if script == "evaluate" else tmp_path / "taken"
    shutil.rmtree(own_run / "eval")
    place.write_text("mine")
    call = ("evaluate.py", own_run) if script == "evaluate" else (*TRAIN, "--out", place)
    mentions(refused(*call), place, "the output folder cannot be created (File exists); choose another")


@pytest.mark.parametrize("script", ["train", "evaluate"])
def test_an_output_folder_that_is_not_writable(refused, own_run, tmp_path, script, monkeypatch):
    (tmp_path / "locked").mkdir()
    # The tests may run as root, who may write anywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    call = (*TRAIN, "--out", tmp_path / "locked") if script == "train" else ("evaluate.py", own_run)
    place = own_run / "eval" if script == "evaluate" else tmp_path / "locked"
    mentions(refused(*call), place, "the output folder is not writable; choose another or change its permissions")


# --- flags ---


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_unknown_flag(run_folder, small_data, tmp_path, script):
    before = snapshot(tmp_path)
    result = run_script(*users(run_folder, tmp_path)[script], "--unknown", "1", cache=small_data / "cache")
    assert (result.code, result.output) == (2, "")
    assert "--unknown" in result.errors
    assert "Traceback" not in result.errors
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("flags", [("--features",), ("--policy.cell", "transformer"), ("--batch-size", "many")])
def test_a_flag_with_a_bad_value(small_data, tmp_path, flags):
    result = run_script(*TRAIN, "--out", tmp_path / "new", *flags, cache=small_data / "cache")
    assert result.code == 2
    assert flags[0] in result.errors
    assert not list(tmp_path.iterdir())


def test_an_unknown_preset(small_data):
    result = run_script("train.py", "r2r-oracle", cache=small_data / "cache")
    assert result.code == 2
    assert "train.py: 'r2r-oracle' is not known; use one of r2r-seq2seq, r2r-navigator" in result.errors


@pytest.mark.parametrize("flags", [(), ("--out", "run")], ids=str)
def test_no_preset_is_one_sentence(small_data, flags):
    result = run_script("train.py", *flags, cache=small_data / "cache")
    assert result.code == 2
    assert result.errors.startswith("train.py: no preset is given; begin with one of r2r-seq2seq, r2r-navigator")
    assert result.errors.count("\n") == 1


@pytest.mark.parametrize(
    ("script", "typo", "meant"),
    [
        ("train.py", "houses-dmo", "houses-demo"),
        ("train_speaker.py", "r2r-speker", "r2r-speaker"),
        ("compare.py", "cels", "cells"),
    ],
)
def test_a_typo_in_a_subcommand_names_the_nearest(small_data, script, typo, meant):
    result = run_script(script, typo, cache=small_data / "cache")
    assert result.code == 2
    assert f"did you mean '{meant}'?" in result.errors


def test_numbers_out_of_range(refused, tmp_path):
    for flag, value in (("--batch-size", 0), ("--imitation.learning-rate", -1.0), ("--policy.dropout", 1.0)):
        mentions(refused(*TRAIN, "--out", tmp_path / "new", flag, value), flag, f"{value} is out of range; give a")


@pytest.mark.parametrize("device", ["cuda", "abacus"])
def test_a_device_that_is_not_there(refused, run_folder, tmp_path, device):
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    for script in ("train", "evaluate"):
        text = refused(*users(run_folder, tmp_path)[script], "--device", device)
        mentions(text, "--device", f"'{device}' cannot be used here", "use cpu")
