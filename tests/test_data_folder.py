"""Data sets by their path: folders in the formats of R2R and VLN-CE, through scripts and environments."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import SMALL, run_script
from small_house import small_episodes, small_house
from small_vlnce import pack, told
from worlds import write_world

from envs.glb import save_glb
from envs.make import make_env, open_task
from vln.data_folder import find_data_folder
from vln.errors import InputError
from vln.language import Vocabulary
from vln.tasks import R2R, Task, find_task, with_data_folder
from vln.vlnce import load_continuous_split

WORDS = Vocabulary.build(["go to the sofa"], 1)


@pytest.fixture(scope="module")
def graph_files(tmp_path_factory) -> Path:
    """The small world as a folder of its own: nothing but graphs, views, word vectors and `<anything>_<split>.json`."""
    folder = write_world(tmp_path_factory.mktemp("graphs") / "tower")
    for file in (folder / "r2r").iterdir():
        file.rename(folder / file.name.replace("R2R_", "my_tower_"))
    (folder / "r2r").rmdir()
    (folder / "connectivity" / "scans.txt").unlink()
    return folder


@pytest.fixture
def tower(graph_files, tmp_path) -> Path:
    return shutil.copytree(graph_files, tmp_path / "tower")


@pytest.fixture
def homes(tmp_path) -> Path:
    """Two small houses, one with a stage_config and one without, and splits in both places that VLN-CE's may have."""
    folder = tmp_path / "homes"
    save_glb(small_house("one"), folder / "scenes")
    two = save_glb(small_house("two"), tmp_path / "two")
    (folder / "scenes" / "two").mkdir()
    shutil.copy(two, folder / "scenes" / "two" / "two.glb")
    (folder / "mine").mkdir()
    for file, name in (("train", "one"), ("mine/mine", "two")):
        entries = [told(number, each) for number, each in enumerate(small_episodes(name, 4))]
        pack(folder / f"{file}.json.gz", {"episodes": entries})
    return folder


def sentence(call, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    return str(caught.value)


# --- what a folder is ---


def test_graphs_have_the_task_of_r2r_and_scenes_that_of_vlnce(tower, homes, monkeypatch):
    monkeypatch.chdir(tower.parent)
    assert find_task("tower") == replace(R2R, name="tower", dataset=str(tower))
    expected = {"name": "homes", "dataset": str(homes), "scenes": "scans", "simulator": "embedded"}
    assert find_task("./homes") == replace(find_task("r2r-ce"), **expected)


def test_a_name_of_a_task_is_no_folder_even_if_there_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("r2r", "houses"):
        (tmp_path / name).mkdir()
        assert not Path(find_task(name).dataset).is_absolute()
    task = Task("mine", "r2r", scenes="elsewhere")
    assert with_data_folder(task) == task


def test_names_of_splits(tower):
    folder = find_data_folder(str(tower))
    assert folder.splits == ["test", "train", "val_seen", "val_unseen"]
    assert [folder.has(split) for split in ("val_seen", "seen", "my_tower_val_seen", "tower_val_seen")] == [1, 0, 1, 0]
    for name in ("own", "mine_and_yours_own_two", "night_time"):
        (tower / f"{name}.json").write_text("[]")
    found = find_data_folder(str(tower))
    assert [found.file(split).name for split in ("own", "own_two", "two", "night_time")] == [
        "own.json", "mine_and_yours_own_two.json", "mine_and_yours_own_two.json", "night_time.json",
    ]  # fmt: skip
    (tower / "other_train.json").write_text("[]")
    said = sentence(find_data_folder(str(tower)).file, "train")
    assert "my_tower_train.json and other_train.json are both split 'train'; leave one of them." in said


def test_ground_truth_beside_a_split_is_read_and_is_no_split(homes):
    truth = {str(number): {"locations": [[0, 0, number]], "actions": [0]} for number in range(4)}
    pack(homes / "mine" / "mine_gt.json.gz", truth)
    pack(homes / "train_gt.json.gz", truth)
    assert find_data_folder(str(homes)).splits == ["mine", "train"]
    split = load_continuous_split(homes, str(homes), "mine")
    assert split.ground_truth["3"].places.tolist() == [[0, 0, 3]]


# --- environments ---


def test_environments_of_a_folder(tower, homes, monkeypatch, tmp_path):
    monkeypatch.setenv("VLN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    here, _ = make_env("tower", "val_seen", 2, features="captions").reset(seed=0)
    env = make_env("homes", "mine", 2, vocabulary=WORDS, image_size=16)
    there, infos = env.reset(seed=0)
    assert (here["instruction"].any(), there["rgb"].shape) == (True, (2, 16, 16, 3))
    assert np.isfinite(infos["distance"]).all()
    assert [each.split for each in env.episodes] == ["mine"] * 4
    open_task(replace(find_task("houses-short"), dataset="homes"), ["train", "mine"]).check()


def test_a_scene_without_a_stage_config_lies_as_gltf_has_it(homes, monkeypatch, tmp_path):
    monkeypatch.setenv("VLN_CACHE", str(tmp_path / "cache"))
    before = set(homes.rglob("*"))
    data = open_task(str(homes), ["train", "mine"])
    hashes = [data.source.cache.content_hash(name) for name in ("one", "two")]
    assert hashes == [data.source.cache.scene(name).content_hash for name in ("one", "two")]
    assert np.allclose(data.source.cache.scene("two").bounds, small_house("two").bounds)
    assert before == set(homes.rglob("*"))


# --- bad input ---


def drop(path: str):
    return lambda folder: [each.unlink() for each in folder.glob(path)]


@pytest.mark.parametrize(
    ("change", "split", "said"),
    [
        (drop("connectivity/17*"), "train", "17DRP5sb8fy_connectivity.json: the connectivity graph of scan"),
        (drop("connectivity/*"), "train", "tower: is no data set without connectivity/*_connectivity.json; give it"),
        (drop("*.json"), "train", "tower: is no data set without <split>.json; give it"),
        (drop("**/*.json"), "train", "tower: is no data set without any episodes; give it"),
        (drop("*_train.json"), "val_seen", "tower: split 'train' is missing, whose instructions make the vocabulary"),
        (drop("nothing"), "vall_seen", "splits test, train, val_seen, val_unseen (did you mean 'val_seen'?)."),
        (lambda folder: pack(folder / "own.json.gz", {}), "train", "and own.json.gz as VLN-CE; keep each format in a"),
        (shutil.rmtree, "train", "tower: the folder of the data set is missing; bring it back, or say with --data"),
    ],
)
def test_what_is_wrong_with_a_folder_on_graphs(tower, change, split, said):
    change(tower)
    assert said in sentence(make_env, str(tower), split)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop("scenes/two/*"), "homes/scenes/two.glb: the scene is missing; put it there."),
        (drop("train.json.gz"), "homes: split 'train' is missing, whose instructions make the vocabulary; use one of"),
        (lambda folder: shutil.copy(folder / "scenes" / "two" / "two.glb", folder), "scene 'two' is there twice, as"),
    ],
)
def test_what_is_wrong_with_a_folder_of_scenes(homes, change, said, monkeypatch, tmp_path):
    monkeypatch.setenv("VLN_CACHE", str(tmp_path / "cache"))
    change(homes)
    assert said in sentence(make_env, str(homes), "mine")


def test_a_folder_of_the_other_kind(tower, homes):
    said = sentence(open_task, replace(R2R, dataset=str(homes)), ["train"])
    assert "homes: has episodes in scenes, and task 'r2r' is on graphs; take a task in scenes, such as r2r-ce." in said
    said = sentence(open_task, replace(find_task("houses"), dataset=str(tower)), ["train"])
    assert "take a task on graphs, such as r2r." in said


# --- through the scripts ---


def test_a_run_finds_its_data_from_elsewhere_and_after_a_move(tower, tmp_path, monkeypatch):
    def ran(script, *arguments, code=0):
        result = run_script(script, *arguments, cache=tmp_path / "cache")
        assert result.code == code, result.errors
        return result.output if code == 0 else result.errors

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VLN_DATA", raising=False)
    run, flags = tmp_path / "run", ("r2r-navigator", "--task.dataset", "tower", *SMALL)
    ran("train.py", *flags, "--out", run)
    assert json.loads((run / "config.json").read_text())["task"]["dataset"] == str(tower)
    ran("train.py", *flags, "--out", run, "--resume")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    files = [run / "eval" / f"val_unseen.{kind}" for kind in ("jsonl", "json")]

    def use(*data):
        rows = json.loads(ran("evaluate.py", run, "--json", *data))
        scored = json.loads(ran("score.py", *files, "--split", "val_unseen", "--json", *data))
        assert [row["SR"] for row in scored.values()] == pytest.approx([rows["run"]["SR"]] * 2)
        assert "r2r on tower val_unseen" in ran("evaluate.py", run, *data)
        assert "tower val_unseen" in ran("replay.py", files[0], "--worst", "1", *data)

    use()
    cells = ("cells", run, "--split", "train", "--episodes", "30", "--permutations", "2", "--threads", "1")
    ran("probe.py", *cells, "--out", tmp_path / "cells")
    tower.rename(tmp_path / "moved")
    for script in ("evaluate.py", "score.py", "replay.py"):
        given = {"evaluate.py": (run,), "score.py": (files[0], "--split", "val_unseen")}.get(script, (files[0],))
        said = ran(script, *given, code=2)
        assert re.fullmatch(r"\S+/tower: the folder of the data set is missing; bring it back, or .+\n", said)
    use("--data", tmp_path / "moved")


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("--select", "latest"), 0, ""),
        ((), 2, "tower: split 'val_unseen', which chooses the best checkpoint, is missing; add it, or choose the"),
    ],
)
def test_training_needs_no_split_but_those_that_are_there(tower, tmp_path, flags, code, said):
    for file in tower.glob("*_val_*.json"):
        file.unlink()
    arguments = ("r2r-navigator", "--task.dataset", tower, *SMALL, "--out", tmp_path / "run", *flags)
    result = run_script("train.py", *arguments, cache=tmp_path)
    assert (result.code, said in result.errors) == (code, True), result.errors
