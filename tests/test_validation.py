"""Errors that would stop a run at its first evaluation are found before its first update."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import SMALL, run_script
from learners import small_config, small_world

from agents.training.data import add_episodes, check_splits
from vln.errors import InputError


@pytest.fixture(scope="module")
def world(small_data):
    return small_world(small_data)


def hidden(world, split: str):
    return world.only(split, [each.without_goal() for each in world.splits[split]])


def test_there_are_goals_to_learn_from_and_to_select_by(world):
    check_splits(world.config, world.data)
    check_splits(world.config, hidden(world, "val_seen").data)
    with pytest.raises(InputError, match="'train': the goals of split 'train' are withheld"):
        check_splits(world.config, hidden(world, "train").data)
    unseen = hidden(world, "val_unseen")
    with pytest.raises(InputError, match="--select: the goals of split 'val_unseen' are withheld"):
        check_splits(unseen.config, unseen.data)
    check_splits(small_config(select="latest"), unseen.data)


def test_instructions_of_unknown_words_are_told_of(world, capsys):
    first, *rest = world.splits["val_seen"]
    strange = [replace(first, instruction="Onwards."), *rest]
    check_splits(world.config, world.data.only("val_seen", strange))
    told = f"the agent knows no word of 1 of {len(strange)} instructions, and acts all the same: episodes "
    assert capsys.readouterr().err == f"{told}{first.episode_id}\n"


def test_episodes_to_learn_from_besides_have_goals(world, small_data, tmp_path):
    entry = json.loads((small_data / "r2r" / "R2R_train.json").read_text())[0] | {"path_id": 9999}
    file = tmp_path / "more.json"
    file.write_text(json.dumps([entry | {"path": entry["path"][:1]}]))
    with pytest.raises(InputError, match="more.json: the goals of its episodes are withheld"):
        add_episodes(world.data, [file])


@pytest.mark.parametrize("split", ["train", "val_seen", "val_unseen"])
def test_a_split_of_which_some_goals_are_withheld_stops_no_run_halfway(small_data, tmp_path: Path, split):
    shutil.copytree(small_data / "r2r", tmp_path / "data" / "r2r")
    for name in ("connectivity", "views", "glove"):
        (tmp_path / "data" / name).symlink_to(small_data / name)
    file = tmp_path / "data" / "r2r" / f"R2R_{split}.json"
    entries = json.loads(file.read_text())
    entries[3]["path"] = entries[3]["path"][:1]
    del entries[3]["distance"]
    file.write_text(json.dumps(entries))
    flags = ("--data", tmp_path / "data", "--out", tmp_path / "run")
    result = run_script("train.py", "r2r-navigator", *flags, *SMALL, cache=small_data / "cache")
    assert (result.code, result.output) == (2, "")
    assert f"{file}: entry 3 (path_id {entries[3]['path_id']}) has no goal, though others have one; " in result.errors
    assert not (tmp_path / "run").exists()
