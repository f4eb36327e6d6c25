"""R2R in continuous environments end to end, in small houses: train, evaluate in both simulators, score, submit."""

import json
import math
from pathlib import Path

import pytest
from command_line import SMALL, run_script
from habitat_worlds import look_alike_python
from small_house import small_episodes, small_house
from small_vlnce import told, write_vlnce

from envs.glb import save_glb

SMALLER = (
    *SMALL,
    *("--phase", "imitation=student_forcing", "--phase", "reinforcement=a2c", "--language.no-word-vectors"),
    *("--language.embedding", "8", "--policy.camera.size", "16", "--policy.camera.cells", "4"),
    *("--policy.camera.channels", "8", "--policy.camera.layers", "1", "--task.simulator", "embedded"),
    *("--task.max-steps", "60"),
    *("--imitation.truncate", "0"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Episodes in two small houses, which stand where Matterport3D's scans would."""
    data = tmp_path_factory.mktemp("vlnce")
    for name in ("one", "two"):
        save_glb(small_house(name), data / "scene_datasets" / "mp3d" / name)
    for split, name in (("train", "one"), ("val_seen", "one"), ("val_unseen", "two")):
        write_vlnce(data, [told(number, each) for number, each in enumerate(small_episodes(name, 6))], split, truth={})
    return data


@pytest.fixture(scope="module")
def run(folder) -> Path:
    out = folder / "run"
    result = run_script("train.py", "r2r-ce", *SMALLER, "--data", folder, "--out", out, cache=folder)
    assert result.code == 0, result.errors
    return out


def test_what_was_trained_is_evaluated_in_both_simulators_and_scored(folder, run):
    habitat = ("--simulator", "habitat", "--habitat-python", look_alike_python(folder))
    rows = {}
    for name, flags in (("", ()), (".habitat", habitat)):
        result = run_script("evaluate.py", run, "--data", folder, "--json", *flags, cache=folder)
        assert result.code == 0, result.errors
        rows[name] = json.loads(result.output)
        submission = json.loads((run / "eval" / f"val_unseen{name}.json").read_text())
        assert set(submission) == {str(number) for number in range(6)}
        assert (run / "eval" / f"val_unseen{name}.jsonl").is_file()
    # The look-alike walks where the embedded simulator does, and the expert is the same.
    here, there = (rows[name]["shortest path"] for name in ("", ".habitat"))
    assert here["SR"] == there["SR"] == 1
    assert here["TL"] == pytest.approx(there["TL"], abs=0.2)
    files = (run / "eval" / "val_unseen.jsonl", run / "eval" / "val_unseen.json")
    flags = ("--split", "val_unseen", "--data", folder, "--json")
    scored = json.loads(run_script("score.py", *files, *flags, cache=folder).output)
    lived, submitted = (scored[str(file)] for file in files)
    assert lived["TL"] == pytest.approx(submitted["TL"])
    assert lived["steps"] == submitted["steps"]
    assert lived["collisions"] >= 0
    assert math.isnan(submitted.get("collisions", math.nan))
    shown = (run / "eval" / "val_unseen.jsonl", run / "eval" / "val_unseen.habitat.jsonl")
    replayed = run_script("replay.py", *shown, "--data", folder, "--json", "--episode", 0, cache=folder)
    assert replayed.code == 0, replayed.errors
    assert [row["episode"] for row in json.loads(replayed.output)] == ["0", "0"]


def test_a_scene_that_is_missing(folder, tmp_path):
    data = write_vlnce(tmp_path, [told(0, small_episodes("three", 1)[0])], "train", truth={})
    for split in ("val_seen", "val_unseen"):
        write_vlnce(data, [told(0, small_episodes("three", 1)[0])], split, truth={})
    result = run_script("train.py", "r2r-ce", *SMALLER, "--data", data, "--out", tmp_path / "run", cache=tmp_path)
    assert result.code == 2
    assert f"{data}/scene_datasets/mp3d/three/three.glb: the scene is missing; ask for Matterport3D at" in result.errors
    assert not (tmp_path / "run").exists()


def test_bad_episodes_are_named_and_skipped_only_if_asked(folder, run, tmp_path):
    entries = [told(number, each) for number, each in enumerate(small_episodes("two", 3))]
    entries[1]["start_position"] = entries[1]["reference_path"][0] = [-5.0, 0.0, 1.0]
    data = write_vlnce(tmp_path, entries, "val_unseen", truth={})
    (data / "scene_datasets").symlink_to(folder / "scene_datasets")
    result = run_script("evaluate.py", run, "--data", data, cache=folder)
    assert result.code == 2
    problem = "episode '1': its start (-5.00, 0.00, 1.00) is outside the walkable area of scene 'two'"
    assert problem in result.errors
    assert "--skip-bad" in result.errors
    result = run_script("evaluate.py", run, "--data", data, "--skip-bad", "--json", cache=folder)
    assert result.code == 0, result.errors
    assert f"left out: {problem}" in result.errors
    assert json.loads(result.output)["run"]["n"] == 2


@pytest.mark.parametrize("split", ["train", "val_seen"])
def test_a_bad_episode_of_any_split_is_found_before_training(folder, tmp_path, split):
    for each, name in (("train", "one"), ("val_seen", "one"), ("val_unseen", "two")):
        entries = [told(number, episode) for number, episode in enumerate(small_episodes(name, 3))]
        if each == split:
            entries[2]["start_position"] = entries[2]["reference_path"][0] = [-5.0, 0.0, 1.0]
        write_vlnce(tmp_path, entries, each, truth={})
    (tmp_path / "scene_datasets").symlink_to(folder / "scene_datasets")
    out = tmp_path / "run"
    result = run_script("train.py", "r2r-ce", *SMALLER, "--data", tmp_path, "--out", out, cache=folder)
    assert result.code == 2
    assert "episode '2': its start (-5.00, 0.00, 1.00) is outside the walkable area of scene 'one'" in result.errors
    assert not out.exists()


def test_another_simulator_is_for_continuous_worlds(folder, tmp_path):
    result = run_script("evaluate.py", folder / "nothing", "--simulator", "habitat", cache=tmp_path)
    assert result.code == 2
