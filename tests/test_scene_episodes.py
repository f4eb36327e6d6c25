"""make_episodes.py --scene: episodes in anybody's GLB, which agents train on, are evaluated in and replayed."""

import json
import math
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from command_line import SMALL_SPEAKER, Result, run_script
from glb_files import small_scene, write_triangles
from small_house import small_house

from envs.glb import save_glb
from envs.houses.dataset import SPLITS
from envs.make import TaskData, open_task
from envs.scene_episodes import placeholder
from vln.continuous_metrics import path_length
from vln.language import Vocabulary
from vln.tasks import find_task

RANGE = ("--shortest", 2, "--longest", 6)
CAMERA = {"size": 16, "cells": 4, "channels": 8, "layers": 1}
TRAIN = (
    *("--imitation.iterations", 2, "--imitation.rounds", 1, "--imitation.episodes", 8, "--imitation.truncate", 0),
    *("--label-pretraining.iterations", 0, "--reinforcement.iterations", 0, "--batch-size", 4, "--max-steps", 12),
    *("--language.hidden", 8, "--language.embedding", 8, "--policy.hidden", 16, "--policy.view", 12, "--threads", 1),
    *(part for name, value in CAMERA.items() for part in (f"--policy.camera.{name}", value)),
)
SPEAKER_TRAIN = (
    *(*SMALL_SPEAKER, "--scenes", 1, "--max-steps", 12, "--text.embedding", 8),
    *(part for name, value in CAMERA.items() for part in (f"--speaker.camera.{name}", value)),
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The folder that tests work in, with a scene as others export it: triangles without labels or stage_config."""
    monkeypatch.setenv("VLN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_triangles(tmp_path / "my.home.glb", corners())
    return tmp_path


def corners(name: str = "one") -> np.ndarray:
    scene = small_house(name)
    return scene.vertices[scene.triangles].reshape(-1, 3)


def make(*arguments: object, scene: str = "my.home.glb", out: str = "mine") -> Result:
    return run_script("make_episodes.py", "--scene", scene, "--out", out, *RANGE, *arguments, cache=Path("cache"))


def made(*arguments: object, out: str = "mine", **options: str) -> TaskData:
    """The data of a split "own" that is made, for the body that walks in houses."""
    result = make("--splits", "own", *arguments, out=out, **options)
    assert result.code == 0, result.errors
    task = replace(find_task("houses-short"), dataset=out)
    return open_task(task, ["own"], vocabulary=Vocabulary.build(["walk to the goal"], 1))


# --- what is made ---


def test_both_ends_are_walkable_and_paths_are_the_shortest_and_in_range():
    data = made("--count", 30)
    data.check()
    ground = data.source.cache.get("my_home").ground
    lengths = []
    for each in data.splits["own"]:
        places = np.array(each.positions)
        assert ground.contains(places[[0, -1]]).all()
        geodesic = float(ground.field(places[-1]).distance(places[0]))
        assert path_length(places) == pytest.approx(geodesic, rel=0.05)
        assert 2 - 1e-3 <= geodesic <= 6 + 1e-3
        assert abs(places[:, 1]).max() < 0.1  # on the floor, not on the roof
        lengths.append(geodesic)
    assert min(lengths) < 3
    assert max(lengths) > 5


def test_episodes_follow_from_the_seed():
    first, again, other = (
        made("--count", 5, "--seed", seed, out=out).splits["own"] for seed, out in ((3, "a"), (3, "b"), (4, "c"))
    )
    assert first == again
    assert not {each.positions for each in first} & {each.positions for each in other}
    assert Path("a/own/own.json.gz").read_bytes() == Path("b/own/own.json.gz").read_bytes()


def test_both_ends_are_on_one_island(folder):
    apart = np.concatenate([corners(), corners("two") + np.float32([20, 0, 0])])
    write_triangles(folder / "two.glb", apart)
    episodes = made("--count", 20, scene="two.glb").splits["own"]
    assert all(len({place[0] > 10 for place in each.positions}) == 1 for each in episodes)


def test_scenes_in_other_axes_and_units_are_written_upright_and_in_metres(folder):
    x, y, z = 100 * corners().T
    write_triangles(folder / "odd.glb", np.stack([x, -z, y], 1))
    data = made("--count", 5, "--up", "z", "--scale", 0.01, scene="odd.glb", out="odd")
    assert np.allclose(data.source.cache.scene("odd").bounds, small_house("one").bounds, atol=1e-4)
    upright = made("--count", 5, out="plain").splits["own"]
    for each, other in zip(data.splits["own"], upright, strict=True):
        assert np.allclose(each.positions, other.positions, atol=0.02)


@pytest.mark.parametrize(
    ("goal", "heading", "said"),
    [
        ((0, 0, -5), 0, "ahead of you"),
        ((0, 0, -5), math.pi / 2, "on your right"),
        ((-5, 0, 0), 0, "on your left"),
        ((-5, 0, 0), 3 * math.pi / 2, "behind you"),
        ((-5, 0, 0), math.pi / 2 + 0.5, "ahead of you"),
    ],
)
def test_placeholders_say_on_which_side_the_goal_is(goal, heading, said):
    path = np.array([(0, 0, 0), goal])
    assert placeholder(path, heading, 5.2) == f"Walk 5 metres to the goal, which is {said}."


# --- splits ---


def test_splits_divide_episodes_and_more_can_be_added(folder):
    assert "placeholders" in make("--count", 20).errors
    rows = make("--count", 4, "--splits", "a=0.5", "b", "c", "--json", "--examples", 0).output
    assert [(row["split"], row["episodes"]) for row in json.loads(rows)] == [("a", 2), ("b", 1), ("c", 1)]
    save_glb(small_house("two"), folder / "labelled")
    assert make("--split", "other", "--count", 3, scene="labelled/two.glb").code == 0
    splits = ["train", "val_seen", "val_unseen", "a", "b", "c", "other"]
    data = open_task("mine", splits)
    assert [len(data.splits[each]) for each in splits] == [16, 2, 2, 2, 1, 1, 3]
    assert {each.scan for each in data.splits["other"]} == {"two"}
    assert data.source.cache.scene("two").rooms == small_house("two").rooms


# --- instructions ---


@pytest.mark.parametrize("name", ["said.txt", "said.json"])
def test_given_instructions_are_used_in_order_and_once(folder, name):
    sentences = [f"Go to place {number}." for number in range(6)]
    text = json.dumps(sentences) if name.endswith("json") else "\n\n".join(sentences)
    (folder / name).write_text(text)
    result = make("--count", 5, "--instructions", name, "--splits", "train=0.6", "test")
    assert result.code == 0, result.errors
    assert "the last 1 of 6 instructions are not used" in result.errors
    data = open_task("mine", ["train", "test"])
    told = [each.instruction for split in ("train", "test") for each in data.splits[split]]
    assert told == sentences[:5]


def test_a_speaker_of_houses_says_the_instructions(folder):
    few = {name: replace(split, houses=1) for name, split in SPLITS.items()}
    with patch.dict(SPLITS, few):
        arguments = ("houses-speaker", *SPEAKER_TRAIN, "--out", "speaker")
        result = run_script("train_speaker.py", *arguments, cache=folder / "cache")
    assert result.code == 0, result.errors
    result = make("--count", 4, "--speaker", "speaker", "--splits", "own", "--json")
    assert result.code == 0, result.errors
    (row,) = json.loads(result.output)
    assert all("Walk" not in each and each.strip() for each in row["instructions"])


# --- bad input ---


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--count", 0), "--count: 0 episodes asked for; give"),
        (("--seed", -1), "--seed: -1 is negative; use"),
        (("--shortest", 7), "--shortest and --longest: 7.0 to 6.0 metres; give"),
        (("--shortest", 50, "--longest", 60), "scene 'my_home': no two places are 50 to 60 m apart; the furthest were"),
        (("--count", 3), "--splits: 'val_unseen' gets none of 3 episodes; give a larger --count, or --splits train."),
        (("--splits", "a=0.5", "b=0.2"), "--splits: 'a=0.5 b=0.2' does not divide episodes; give shares that"),
        (("--splits", "a=1", "b"), "does not divide episodes"),
        (("--splits", "a=much"), "does not divide episodes"),
        (("--splits", "a", "a"), "does not divide episodes"),
        (("--splits", "../a"), "--splits: '../a' is no name of a split; give"),
        (("--instructions", "few.txt"), "few.txt: has 1 instructions for 100 episodes; add some, or lower --count."),
        (("--instructions", "few.txt", "--speaker", "speaker"), "--instructions and --speaker: both say"),
        (("--speaker", "speaker"), "speaker/best.safetensors: there is no checkpoint"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(folder, arguments, said):
    (folder / "few.txt").write_text("One.\n")
    result = make(*arguments)
    assert (result.code, result.errors.count("\n")) == (2, 1), result.errors
    assert said in result.errors
    assert not Path("mine").exists()


def test_scenes_that_are_no_place_to_walk_in(folder):
    save_glb(small_scene(), folder)
    assert "it has no walkable floor of 1 square metre" in make(scene="small.glb").errors
    assert make(scene="nothing.glb").code == 2


def test_nothing_that_is_there_is_overwritten(folder):
    assert make("--count", 10).code == 0
    assert "mine: split 'train' is there already; give another --splits or --out." in make("--count", 10).errors
    write_triangles(folder / "my.home.glb", corners("two"))
    assert "mine: another scene 'my_home' is there already; rename" in make("--split", "more").errors
    (folder / "graphs" / "connectivity").mkdir(parents=True)
    (folder / "graphs" / "connectivity" / "a_connectivity.json").write_text("[]")
    assert "graphs: is a data set on navigation graphs; give another --out." in make(out="graphs").errors


# --- from the scene to the replay ---


def test_an_agent_trains_on_what_was_made_is_evaluated_and_replayed(folder):
    def ran(script: str, *arguments: object) -> str:
        result = run_script(script, *arguments, cache=folder / "cache")
        assert result.code == 0, result.errors
        return result.output

    assert make("--count", 20).code == 0
    ran("train.py", "houses-demo", "--task.dataset", "mine", *TRAIN, "--out", "run")
    rows = json.loads(ran("evaluate.py", "run", "--split", "val_seen", "--json"))
    assert (rows["run"]["n"], rows["shortest path"]["SR"]) == (2, 1)
    scored = json.loads(ran("score.py", "run/eval/val_seen.jsonl", "--split", "val_seen", "--json"))
    assert scored["run/eval/val_seen.jsonl"]["n"] == 2
    replayed = ran("replay.py", "run/eval/val_seen.jsonl", "--best", 1, "--out", "figures", "--format", "png")
    assert "mine val_seen, my_home" in replayed
    assert len([*Path("figures").glob("*.png")]) == 1
