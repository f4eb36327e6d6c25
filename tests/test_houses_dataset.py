"""The splits of generated houses: the same bytes everywhere, held-out parts, rejected requests."""

import gzip
import itertools
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from envs.houses import dataset, tasks
from envs.houses.categories import CATEGORIES, COLOURS, LANDMARKS
from envs.houses.dataset import SPLITS, VERSION, file_name, house_rows, houses_for, houses_split
from envs.houses.house import make_house
from envs.houses.tasks import LEVELS, TaskMaker, held_out
from envs.houses.verify import possible_goals
from envs.make import make_env
from envs.navigation import build_ground
from vln.errors import InputError
from vln.instructions.clauses import Pass, Stop, Thing
from vln.instructions.styles import HELD_OUT
from vln.language import split_words

HOUSES = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a few houses of each split of `houses`."""
    folder = tmp_path_factory.mktemp("houses")
    for split in SPLITS:
        houses_split(split, "houses", folder, HOUSES, workers=1)
    return folder


def makers(level="houses", unseen=True, count=4, seed=5):
    for house in range(count):
        yield TaskMaker(make_house(house), LEVELS[level], unseen, (seed, house))


# --- splits ---


@pytest.mark.parametrize("split", SPLITS)
def test_splits_have_episodes_in_their_own_houses(folder, split):
    episodes = houses_split(split, "houses", folder, HOUSES)
    first = SPLITS[split].first
    assert {episode.scan for episode in episodes} == {f"house-{first + place:06d}" for place in range(HOUSES)}
    assert len(episodes) >= 0.8 * HOUSES * SPLITS[split].paths
    assert all(episode.split == split and episode.path == () and episode.positions for episode in episodes)


def test_splits_are_disjoint(folder):
    ids = [episode.episode_id for split in SPLITS for episode in houses_split(split, "houses", folder, HOUSES)]
    assert len(set(ids)) == len(ids)
    ranges = sorted((split.first, split.first + split.room) for name, split in SPLITS.items() if name != "val_seen")
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(ranges))
    assert ranges[-1][1] <= 1_000_000
    ways = [{episode.positions for episode in houses_split(name, "houses", folder, HOUSES)} for name in SPLITS]
    assert not ways[0] & ways[1]


def test_goals_of_the_test_split_are_withheld(folder):
    test = houses_split("test", "houses", folder, HOUSES)
    assert all(episode.withheld and len(episode.positions) == 1 and episode.target == "" for episode in test)
    unseen = houses_split("val_unseen", "houses", folder, HOUSES)
    assert not any(episode.withheld or episode.target == "" for episode in unseen)


@pytest.mark.parametrize("level", LEVELS)
def test_ways_are_as_long_as_the_level_says(level):
    for maker in makers(level, count=2):
        for task in maker.tasks(5):
            length = maker.ground.field(task.positions[-1]).distance(task.positions[0])
            assert LEVELS[level].shortest - 0.05 < length < LEVELS[level].longest + 0.05
            walked = np.linalg.norm(np.diff(task.positions, axis=0), axis=1).sum()
            # Corners are joined by straight lines, also where stairs begin or end between them.
            stairs = np.ptp(task.positions[:, 1]) > 0.5
            assert walked == pytest.approx(length, rel=0.07 if stairs else 0.02, abs=0.05)


def test_ways_stay_on_walkable_ground(folder):
    for episode in houses_split("train", "houses", folder, 1):
        ground = build_ground(make_house(0), tasks.BODY)
        assert ground.snap(np.array(episode.positions))[1].max() < 0.02
        break


def test_the_body_is_the_simulators():
    scenes = pytest.importorskip("envs.continuous.scenes")
    assert scenes.BODY == tasks.BODY


# --- the same everywhere ---


def test_more_houses_begin_with_fewer(folder, tmp_path):
    two = houses_split("train", "houses", tmp_path, 2, workers=1)
    assert two == houses_split("train", "houses", folder, 2)
    grown = houses_split("train", "houses", tmp_path, HOUSES, workers=1)
    assert grown == houses_split("train", "houses", folder, HOUSES)
    name = file_name("houses", "train")
    assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize("split", ["val_seen", "val_unseen", "test"])
def test_more_houses_of_training_change_no_other_split(tmp_path, monkeypatch, split):
    monkeypatch.setitem(SPLITS, split, replace(SPLITS[split], houses=2))
    made = houses_split(split, "houses-short", tmp_path, workers=1)
    (file,) = tmp_path.iterdir()
    content, written = file.read_bytes(), file.stat().st_mtime_ns
    for training in (100, 3, 2):
        assert houses_split(split, "houses-short", tmp_path, houses_for(split, training), workers=1) == made
        assert houses_split(split, "houses-short", tmp_path, training, workers=1) == made
    assert (file.read_bytes(), file.stat().st_mtime_ns) == (content, written)
    fewer = {each.scan for each in houses_split(split, "houses-short", tmp_path, houses_for(split, 1))}
    assert len(fewer) == (1 if split == "val_seen" else 2)
    assert file.read_bytes() == content


def test_a_registered_id_has_the_same_unseen_houses_whatever_it_trains_on(tmp_path, monkeypatch):
    for split in ("train", "val_unseen"):
        monkeypatch.setitem(SPLITS, split, replace(SPLITS[split], houses=2))
        houses_split(split, "houses-short", tmp_path / "houses", 3, workers=1)
    env = make_env("houses-short", "val_unseen", cache=tmp_path, scenes=1, blind=True)
    assert list(env.episodes) == houses_split("val_unseen", "houses-short", tmp_path / "houses")


def test_other_processes_make_the_same_bytes(folder, tmp_path):
    code = (
        "from pathlib import Path; from envs.houses.dataset import houses_split\n"
        f"if __name__ == '__main__': houses_split('train', 'houses', Path({str(tmp_path)!r}), {HOUSES}, workers=2)"
    )
    script = tmp_path / "make.py"
    script.write_text(code)
    root = Path(__file__).resolve().parents[1]
    environment = os.environ | {"NUMBA_NUM_THREADS": "1", "PYTHONHASHSEED": "7", "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, script], check=True, env=environment, cwd=tmp_path)
    name = file_name("houses", "train")
    assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_another_seed_gives_other_ways():
    assert house_rows("houses", "train", 0, 0) != house_rows("houses", "train", 1, 0)


# --- what is held out ---


def test_training_never_shows_the_held_out_style_or_pairs():
    for maker in makers(unseen=False):
        for task in maker.tasks(15):
            for told in task.instructions:
                assert told.style != HELD_OUT
                for clause in told.route:
                    for thing in (getattr(clause, "thing", None), getattr(clause, "near", None)):
                        assert thing is None or thing.colour == "" or not held_out(thing.category, thing.colour)
            target = possible_goals(
                task.instructions[0].route, maker.layout, int(maker.layout.rooms_at(task.positions[:1])[0])
            )
            if task.instructions[0].route[-1].thing:
                thing = maker.layout.scene.objects[target.pop()]
                assert not held_out(thing.category, thing.colour)


def test_no_training_sentence_names_a_held_out_pair(folder):
    pairs = [f"{colour} {category}" for category in LANDMARKS for colour in COLOURS if held_out(category, colour)]
    pattern = re.compile(rf"\b({'|'.join(pairs)})\b(?! stand)")  # a "tv stand" is no "tv"
    for split in ("train", "val_seen"):
        assert not any(pattern.search(episode.instruction) for episode in houses_split(split, "houses", folder, HOUSES))


def test_unseen_houses_show_what_is_held_out():
    told = [told for maker in makers(count=6) for task in maker.tasks(15) for told in task.instructions]
    share = np.mean([each.style == HELD_OUT for each in told])
    assert 0.15 < share < 0.35
    goal_things = [each.route[-1].thing for each in told if each.route[-1].thing]
    assert any(held_out(thing.category, thing.colour) for thing in goal_things if thing.colour)


def test_about_one_pair_in_ten_is_held_out():
    pairs = [(category, colour) for category in LANDMARKS for colour in COLOURS]
    assert 0.06 < np.mean([held_out(*pair) for pair in pairs]) < 0.15


# --- what is said is true and enough ---


@pytest.mark.parametrize("level", LEVELS)
def test_every_instruction_has_one_goal(level):
    for maker in makers(level, count=3):
        for task in maker.tasks(8):
            start = int(maker.layout.rooms_at(task.positions[:1])[0])
            for told in task.instructions:
                found = possible_goals(told.route, maker.layout, start)
                assert len(found) == 1
                stop = told.route[-1]
                if stop.thing:
                    thing = maker.layout.scene.objects[found.pop()]
                    assert Thing(thing.category, thing.colour) == Thing(
                        stop.thing.category, stop.thing.colour or thing.colour
                    )
                    assert tasks.box_distance(thing, task.positions[-1:, [0, 2]])[0] < tasks.STOP_DISTANCE


@pytest.mark.parametrize("level", LEVELS)
def test_short_ways_stay_in_one_room(level):
    across = []
    for maker in makers(level, count=3):
        for task in maker.tasks(8):
            start, end = maker.layout.rooms_at(task.positions[[0, -1]])
            across.append(start != end)
    assert any(across) == (level != "houses-short")


def test_others_of_the_same_name_in_reach_of_the_goal_are_told_apart():
    for maker in makers("houses-short", count=4):
        for task in maker.tasks(10):
            stop = task.instructions[0].route[-1]
            if not stop.thing or not stop.thing.colour:
                continue
            alike = [thing for thing in maker.layout.scene.objects if tasks_fits(stop, thing)]
            in_room = [thing for thing in alike if maker.layout.category(thing.room) == stop.room]
            assert len(alike) == 1 or len(in_room) == 1 or stop.near or len(told_doors(task)) > 0


def tasks_fits(stop: Stop, thing) -> bool:
    return (thing.category, thing.colour) == (stop.thing.category, stop.thing.colour)


def told_doors(task):
    return [clause for clause in task.instructions[0].route if type(clause).__name__ in ("Enter", "Leave", "Climb")]


def test_landmarks_are_there():
    for maker in makers(count=3):
        for task in maker.tasks(8):
            for told in task.instructions:
                for clause in told.route:
                    if isinstance(clause, Pass):
                        named = clause.thing
                        alike = [
                            thing
                            for thing in maker.layout.scene.objects
                            if thing.category == named.category and named.colour in ("", thing.colour)
                        ]
                        away = min(tasks.box_distance(thing, sampled(task.positions)).min() for thing in alike)
                        assert len(alike) >= named.count
                        assert away < 2


def sampled(positions):
    return np.concatenate([np.linspace(one, two, 20) for one, two in itertools.pairwise(positions)])[:, [0, 2]]


@pytest.mark.parametrize("split", SPLITS)
def test_sentences_are_of_a_length_to_be_read(folder, split):
    for episode in houses_split(split, "houses", folder, HOUSES):
        assert 6 <= len(split_words(episode.instruction)) <= 40


def test_names_of_things_are_known():
    assert set(LANDMARKS) <= set(CATEGORIES)


# --- bad input ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "dev"}, "split 'dev'|'dev' of 'houses' is not known"),
        ({"dataset": "flats"}, "'flats' is not known"),
        ({"houses": 0}, "0 is out of range"),
        ({"houses": 10**9}, "out of range"),
        ({"seed": -1}, "-1 is negative"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        houses_split(**{"split": "train", "folder": tmp_path, **arguments})
    assert not list(tmp_path.iterdir())


def stored(folder, **changes):
    """A file of the split with some of its fields changed."""
    content = {
        "format": "vln-houses",
        "version": VERSION,
        "dataset": "houses",
        "split": "train",
        "seed": 0,
        "houses": [],
    }
    path = folder / file_name("houses", "train")
    path.write_bytes(gzip.compress(json.dumps(content | changes).encode()))
    return path


TASK = {"heading": 0.0, "positions": [[0, 0, 0], [1, 0, 1]], "target": "bed", "instructions": ["Go to the bed."]}


def test_a_stored_file_is_read(tmp_path):
    stored(tmp_path, houses=[[TASK]])
    (episode,) = houses_split("train", "houses", tmp_path, 1)
    assert episode.episode_id == "0-0_0"
    assert episode.positions == ((0.0, 0.0, 0.0), (1.0, 0.0, 1.0))
    assert (episode.target, episode.instruction) == ("bed", "Go to the bed.")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "0.9"}, "version 0.9 of the houses, not"),
        ({"format": "r2r"}, "not a split of houses"),
        ({"split": "test"}, "does not hold 'train'"),
        ({"houses": 3}, "'houses' is not a list"),
        ({"houses": [3]}, "house 0 is malformed"),
        ({"houses": [[{**TASK, "positions": []}]]}, "field 'positions' of entry 0 of house 0 is malformed"),
        ({"houses": [[{**TASK, "positions": [[0, 1]]}]]}, r"field 'positions\[0\]' of entry 0 of house 0 is malformed"),
        ({"houses": [[{**TASK, "heading": "north"}]]}, "field 'heading' of entry 0 of house 0 is malformed"),
        ({"houses": [[{**TASK, "instructions": [3]}]]}, r"field 'instructions\[0\]' of entry 0 of house 0 is malfor"),
        ({"houses": [[{"heading": 0.0}]]}, "entry 0 of house 0 lacks the field 'positions'"),
    ],
)
def test_files_of_another_kind(tmp_path, changes, message):
    stored(tmp_path, **changes)
    with pytest.raises(InputError, match=message):
        houses_split("train", "houses", tmp_path, 1)


@pytest.mark.parametrize("content", [b"", b"junk", gzip.compress(b"{", mtime=0)])
def test_damaged_files(tmp_path, content):
    (tmp_path / file_name("houses", "train")).write_bytes(content)
    with pytest.raises(InputError, match="is truncated or"):
        houses_split("train", "houses", tmp_path, 1)


def test_a_truncated_file(tmp_path):
    path = stored(tmp_path, houses=[[TASK] * 50])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="is truncated or"):
        houses_split("train", "houses", tmp_path, 1)


def test_nothing_is_written_when_making_fails(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("no house")

    monkeypatch.setattr(dataset, "house_rows", fail)
    with pytest.raises(RuntimeError, match="no house"):
        houses_split("train", "houses", tmp_path, 1, workers=1)
    assert not list(tmp_path.iterdir())
