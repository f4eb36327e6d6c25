"""Episodes: the published files, and an error with file, field and fix for every bad entry."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from vln.episodes import Episode, SubInstruction, check_episodes, load_episodes, load_split
from vln.errors import InputError
from vln.graph import NavigationGraph

# a - b - c in a row, d apart
HALL = NavigationGraph(
    "hall",
    ("a", "b", "c", "d"),
    np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [9, 9, 0]], dtype=float),
    np.array([[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=bool),
)
ENTRY = {
    "distance": 2.0,
    "scan": "hall",
    "path_id": 7,
    "path": ["a", "b", "c"],
    "heading": 1,
    "instructions": ["Walk to the end.", "Go straight. Stop."],
}
CLAUSES = {
    "new_instructions": "[[['walk', 'to', 'the', 'end']], [['go', 'straight'], ['stop']]]",
    "chunk_view": [[[1, 3]], [[1, 3], [3, 3]]],
}


def write(folder: Path, content: object) -> Path:
    path = folder / "R2R_made.json"
    path.write_text(json.dumps(content))
    return path


def load(folder: Path, **changes: object) -> list[Episode]:
    return load_episodes(write(folder, [ENTRY | changes]), "made")


# --- good files ---


def test_an_entry_becomes_an_episode_per_instruction(tmp_path):
    assert load(tmp_path) == [
        Episode("7_0", "hall", "made", "Walk to the end.", ("a", "b", "c"), 1.0),
        Episode("7_1", "hall", "made", "Go straight. Stop.", ("a", "b", "c"), 1.0),
    ]


def test_start_and_goal_and_a_withheld_goal(tmp_path):
    shown, withheld = load(tmp_path)[0], load(tmp_path, path=["b"])[0]
    assert (shown.start, shown.goal) == ("a", "c")
    assert (withheld.start, withheld.goal) == ("b", None)


def test_a_path_of_one_viewpoint_has_its_goal_where_others_tell_theirs(tmp_path):
    episodes = load_episodes(write(tmp_path, [ENTRY, ENTRY | {"path_id": 8, "path": ["b"]}]), "made")
    assert [(each.start, each.goal, each.withheld) for each in episodes] == [("a", "c", False)] * 2 + [
        ("b", "b", False)
    ] * 2
    bare = [{"scan": "hall", "path": path, "heading": 0, "instructions": ["Go."]} for path in (["a", "b"], ["b"])]
    assert [each.goal for each in load_episodes(write(tmp_path, bare), "made")] == ["b", "b"]
    assert episodes[-1].without_goal().withheld


def test_a_split_that_tells_some_goals_alone_is_refused_by_entry(tmp_path):
    hidden = {name: value for name, value in ENTRY.items() if name != "distance"} | {"path_id": 8, "path": ["b"]}
    with pytest.raises(
        InputError, match=r"entry 1 \(path_id 8\) has no goal, though others have one; take it out, or give"
    ):
        load_episodes(write(tmp_path, [ENTRY, hidden]), "made")
    assert all(each.withheld for each in load_episodes(write(tmp_path, [hidden]), "made"))


def test_an_entry_without_a_path_id_is_known_by_its_place(tmp_path):
    entry = {name: value for name, value in ENTRY.items() if name != "path_id"}
    episodes = load_episodes(write(tmp_path, [entry, entry]), "made")
    assert [episode.episode_id for episode in episodes] == ["0_0", "0_1", "1_0", "1_1"]


@pytest.mark.parametrize("as_text", [True, False])
def test_sub_instructions_count_viewpoints_from_zero(tmp_path, as_text):
    clauses = CLAUSES if as_text else CLAUSES | {"new_instructions": [[["walk"]], [["go", "straight"], ["stop"]]]}
    second = load(tmp_path, **clauses)[1]
    assert second.sub_instructions == (SubInstruction(("go", "straight"), 0, 2), SubInstruction(("stop",), 2, 2))


def test_an_instruction_that_was_never_annotated_has_no_sub_instructions(tmp_path):
    one = {"new_instructions": "[[['walk']]]", "chunk_view": [[[1, 2]]]}
    assert [len(episode.sub_instructions) for episode in load(tmp_path, **one)] == [1, 0]


def test_paths_along_edges_and_in_place_pass_the_check(tmp_path):
    for path in (["a", "b", "c"], ["a"], ["b", "b", "a", "b"]):
        check_episodes(tmp_path, load(tmp_path, path=path), {"hall": HALL})


# --- bad files ---


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        *(("scan", value, "expected a string") for value in (None, 5, ["hall"])),
        *(("scan", value, "without slashes and control characters") for value in ("../hall", "a/b", "a\0", "\x1b[0m")),
        ("scan", "", "a string of length >= 1"),
        ("scan", "x" * 201, "a string of length <= 200"),
        *(("path_id", value, "expected a whole number or a string") for value in (None, 1.5, [7])),
        ("path_id", 10**400, "a whole number <= 9223372036854775807"),
        *(("path", value, "expected a list") for value in (None, [], "abc")),
        *(("instructions", value, "expected a list") for value in (None, [], "Walk.", {"0": "Walk."})),
        *(("heading", value, "expected a number") for value in (None, "1.0", True, 1e300)),
        *(("heading", value, "is not a finite number") for value in (float("nan"), float("inf"), -float("inf"))),
        ("heading", 10**400, "number out of range"),
        *(("environment", value, "a whole number") for value in (None, -2, 2**31, 0.5)),
    ],
)
def test_a_bad_field_is_named_with_its_entry_and_the_fix(tmp_path, field, value, expected):
    path = write(tmp_path, [ENTRY | {"path_id": 6}, ENTRY | {field: value}])
    with pytest.raises(InputError) as caught:
        load_episodes(path, "made")
    assert str(caught.value).startswith(f"{path}: field '{field}' of entry 1 is malformed (")
    assert expected in str(caught.value)
    assert str(caught.value).endswith("; correct the entry or fetch the file again.")


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("path", [1], 0),
        ("path", ["a", ""], 1),
        ("instructions", [5], 0),
        ("instructions", ["Walk.", None], 1),
        ("instructions", [""], 0),
        ("instructions", ["Walk.", " \n"], 1),
    ],
)
def test_a_bad_item_is_named_with_its_place(tmp_path, field, value, place):
    with pytest.raises(InputError, match=rf"field '{field}\[{place}\]' of entry 0 is malformed \(expected a string"):
        load(tmp_path, **{field: value})


@pytest.mark.parametrize("field", ["scan", "path", "instructions", "heading"])
def test_a_missing_field_is_named(tmp_path, field):
    entry = copy.deepcopy(ENTRY)
    del entry[field]
    with pytest.raises(InputError, match=f"R2R_made.json: entry 0 lacks the field '{field}'"):
        load_episodes(write(tmp_path, [entry]), "made")


@pytest.mark.parametrize("content", [{"paths": [ENTRY]}, "text", 5, None])
def test_a_file_that_is_no_list_is_an_error(tmp_path, content):
    with pytest.raises(InputError, match=r"R2R_made.json: is malformed \(expected a list, got .*\); correct the entry"):
        load_episodes(write(tmp_path, content), "made")


@pytest.mark.parametrize("entry", ["text", 5, None, [ENTRY]])
def test_an_entry_that_is_no_object_is_an_error(tmp_path, entry):
    with pytest.raises(InputError, match=r"entry 1 is malformed \(expected an object, got .*\); correct the entry"):
        load_episodes(write(tmp_path, [ENTRY, entry]), "made")


def test_what_is_nested_too_deeply_or_has_thousands_of_digits_is_an_error(tmp_path):
    path = tmp_path / "R2R_made.json"
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match="is malformed"):  # where an entry should be
        load_episodes(path, "made")
    entry = json.dumps(ENTRY | {"new": "here"})
    path.write_text("[" + entry.replace('"here"', "[" * 100_000 + "]" * 100_000) + "]")
    with pytest.raises(InputError, match="is nested too deeply; correct the entry"):
        load_episodes(path, "made")
    path.write_text("[" + entry.replace('"heading": 1', '"heading": ' + "1" * 5000) + "]")
    with pytest.raises(InputError, match=r"field 'heading' of entry 0 is malformed \(number out of range\)"):
        load_episodes(path, "made")


@pytest.mark.parametrize("text", ["", '[{"scan": "hall", "path"', "scan,path\n", "\x1f\x8b"])
def test_a_truncated_or_foreign_file_is_an_error(tmp_path, text):
    (tmp_path / "R2R_made.json").write_text(text)
    with pytest.raises(InputError, match="R2R_made.json: is truncated or not JSON at line 1"):
        load_episodes(tmp_path / "R2R_made.json", "made")


@pytest.mark.parametrize("second", [7, "7"])
def test_an_id_given_twice_is_an_error(tmp_path, second):
    with pytest.raises(InputError, match="instr_id '7_0' occurs twice; give every path its own path_id"):
        load_episodes(write(tmp_path, [ENTRY, ENTRY | {"path_id": second}]), "made")


@pytest.mark.parametrize(
    "change",
    [
        {"chunk_view": [[[1, 3]], [[1, 3]]]},  # fewer spans than clauses
        {"chunk_view": [[[1, 3]]]},  # fewer instructions
        {"chunk_view": [[[1, 3]], [[1, 3], [3, 4]]]},  # beyond the path
        {"chunk_view": [[[0, 3]], [[1, 3], [3, 3]]]},  # before the path
        {"chunk_view": [[[3, 1]], [[1, 3], [3, 3]]]},  # backwards
        {"new_instructions": "[[['walk'"},
        {"new_instructions": "__import__('os')"},
        {"instructions": ["Only one."]},  # more clauses than instructions
    ],
)
def test_sub_instructions_that_do_not_fit_the_path_are_an_error(tmp_path, change):
    with pytest.raises(InputError, match="'new_instructions' and 'chunk_view' of entry 0 do not align with its path"):
        load(tmp_path, **CLAUSES | change)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"chunk_view": [[[1, 2.5]], [[1, 3], [3, 3]]]}, r"chunk_view\[0\]\[0\]\[1\]"),  # between viewpoints
        ({"chunk_view": [[[1]], [[1, 3], [3, 3]]]}, r"chunk_view\[0\]\[0\]"),
        ({"chunk_view": None}, "chunk_view"),
        ({"new_instructions": [["walk"], ["go", "stop"]]}, r"new_instructions\[0\]\[0\]"),  # no lists of words
        ({"new_instructions": [[[]], [["go"], ["stop"]]]}, r"new_instructions\[0\]\[0\]"),
        ({"new_instructions": None}, "new_instructions"),
    ],
)
def test_sub_instructions_of_a_wrong_type_are_named(tmp_path, change, field):
    with pytest.raises(InputError, match=f"field '{field}' of entry 0 is malformed"):
        load(tmp_path, **CLAUSES | change)


def test_a_missing_chunk_view_is_an_error(tmp_path):
    with pytest.raises(InputError, match="'chunk_view' of entry 0"):
        load(tmp_path, new_instructions=CLAUSES["new_instructions"])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"scan": "castle"}, "field 'scan' of episode '7_0' is the unknown scan 'castle'"),
        (
            {"path": ["a", "b", "x"]},
            "field 'path' of episode '7_0' breaks at step 2: viewpoint 'x' is not in the graph of scan 'hall'",
        ),
        (
            {"path": ["x", "b"]},
            "field 'path' of episode '7_0' breaks at step 0: viewpoint 'x' is not in the graph of scan 'hall'",
        ),
        (
            {"path": ["a", "b", "d"]},
            "field 'path' of episode '7_0' breaks at step 2: viewpoints 'b' and 'd' are not connected in scan 'hall'",
        ),
    ],
)
def test_paths_off_the_graph_are_errors_that_name_episode_and_step(tmp_path, change, problem):
    path = tmp_path / "R2R_made.json"
    with pytest.raises(InputError) as caught:
        check_episodes(path, load(tmp_path, **change), {"hall": HALL})
    assert str(caught.value) == f"{path}: {problem}; correct the entry or fetch the file again."


# --- published files ---


@pytest.mark.parametrize(
    ("dataset", "split", "paths", "instructions"),
    [
        ("r2r", "train", 4675, 14039),
        ("r2r", "val_seen", 340, 1021),
        ("r2r", "val_unseen", 783, 2349),
        ("r2r", "test", 1391, 4173),
        ("r4r", "val_seen", 115, 1035),
        ("fgr2r", "val_seen", 340, 1021),
        ("fgr2r", "val_unseen", 783, 2349),
    ],
)
def test_published_splits_are_whole_and_run_along_the_graphs(data, graphs, dataset, split, paths, instructions):
    episodes = load_split(data, split, dataset)
    assert len(episodes) == instructions
    assert len({episode.episode_id.rsplit("_", 1)[0] for episode in episodes}) == paths
    assert all((episode.goal is None) == (split == "test") for episode in episodes)
    check_episodes(data, episodes, graphs)


def test_fine_grained_paths_are_those_of_room_to_room_with_clauses(data):
    plain = {episode.episode_id: episode for episode in load_split(data, "val_seen")}
    fine = load_split(data, "val_seen", "fgr2r")
    assert all(plain[episode.episode_id].path == episode.path for episode in fine)
    assert sum(not episode.sub_instructions for episode in fine) == 1  # the fourth instruction of one path


def test_seen_buildings_are_those_of_training_and_unseen_are_new(data):
    train, seen, unseen = ({e.scan for e in load_split(data, split)} for split in ("train", "val_seen", "val_unseen"))
    assert seen <= train
    assert not unseen & train
