"""R2R and RxR in continuous environments: episodes, ground truth, metrics, submissions."""

import json
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
from command_line import entry_point
from hypothesis import given
from hypothesis import strategies as st
from small_vlnce import ENTRIES, entry, pack, walked, write_rxr, write_vlnce

from vln.cli import command
from vln.continuous_metrics import Walks, score_walks
from vln.errors import InputError
from vln.tasks import Body, Camera, Motion, WithinRadius, find_task
from vln.vlnce import heading_of, load_continuous_split, rotation_of
from vln.vlnce_datasets import VLNCE
from vln.vlnce_scores import CONTINUOUS, score_file
from vln.vlnce_submission import (
    ContinuousPrediction,
    read_continuous_submission,
    write_continuous_submission,
)

COUNTS = {"train": 10819, "val_seen": 778, "val_unseen": 1839}
FINITE = st.floats(-50, 50, allow_nan=False)


@pytest.fixture
def made(tmp_path):
    return load_continuous_split(write_vlnce(tmp_path), "r2r-ce", "made")


def truths(task) -> list[ContinuousPrediction]:
    """The ground truth as predictions: places of moves, looking along them."""
    found = []
    for each in task.episodes:
        places = tuple(map(tuple, task.ground_truth[each.episode_id].places.tolist()))
        found.append(ContinuousPrediction(each.episode_id, (*places, places[-1]), (0.5,) * (len(places) + 1), True))
    return found


# --- the published files ---


@pytest.fixture(scope="module", params=COUNTS)
def published(request, data):
    if not (data / "vlnce").is_dir():
        pytest.skip(f"no vlnce/ in {data}")
    return request.param, load_continuous_split(data, "r2r-ce", request.param)


def test_all_published_episodes_load(published):
    split, task = published
    assert len(task.episodes) == COUNTS[split] == len(task.shortest)
    assert all(len(each.positions) > 1 and 0 <= each.heading < math.tau for each in task.episodes)
    for each in task.episodes[:200]:
        straight = math.dist(each.positions[0], each.positions[-1])
        assert task.shortest[each.episode_id] > straight - 0.01


def test_the_published_ground_truth_is_a_success(published, tmp_path):
    split, task = published
    if split == "train":
        pytest.skip("no ground truth of train in the data folder")
    write_continuous_submission(tmp_path / "truth.json", "r2r-ce", truths(task))
    rows, scores = score_file(task, tmp_path / "truth.json")
    assert rows == list(range(COUNTS[split]))
    assert scores["SR"].min() == scores["OSR"].min() == 1
    assert scores["nDTW"].min() >= 0.9
    assert scores["NE"].max() < 0.51
    # The expert may stop half a metre before the goal, so its way may be a little shorter than the shortest.
    assert scores["SPL"].mean() > 0.95


# --- the published configurations ---


def test_bodies_cameras_and_motions_are_those_of_the_benchmarks():
    """habitat_extensions/config/vlnce_task.yaml and rxr_vlnce_english_task.yaml of VLN-CE, and habitat's defaults."""
    r2r, rxr = find_task("r2r-ce"), find_task("rxr-ce")
    assert (r2r.motion, r2r.max_steps, r2r.success) == (Motion(0.25, 15, True), 500, WithinRadius(3))
    assert (rxr.motion, rxr.max_steps, rxr.success) == (Motion(0.25, 30, False), 500, WithinRadius(3))
    assert (r2r.body, r2r.camera) == (Body(0.1, 1.5), Camera(1.25, 90, 224, 224))
    assert (rxr.body, rxr.camera) == (Body(0.18, 0.88), Camera(0.88, 79, 640, 480))
    r2r, rxr = VLNCE["r2r-ce"], VLNCE["rxr-ce"]
    assert (r2r.roles, r2r.languages) == ((), ())
    assert (rxr.role(), rxr.languages) == ("guide", ("en-US", "en-IN", "hi-IN", "te-IN"))


# --- episodes ---


def test_what_an_episode_is(made):
    first, _, last = made.episodes
    assert (first.episode_id, first.scan, first.split, first.instruction) == ("1", "hall", "made", "Walk to place 1. ")
    assert first.positions == ((0, 0.1, 0), (0, 0.1, -3), (0, 0.1, -6))
    assert first.heading == pytest.approx(0)  # along -z
    assert last.heading == pytest.approx(3 * math.pi / 2)  # along +x, a quarter turn to the right
    assert made.shortest == {"1": 6, "2": 6, "7": 7}
    assert made.ground_truth["7"].actions == (1,) * 28 + (0,)


@given(st.floats(0, math.tau - 1e-9))
def test_headings_and_rotations(heading):
    back = heading_of(rotation_of(heading))
    assert math.cos(back - heading) == pytest.approx(1)
    opposite = heading_of([-each for each in rotation_of(heading)])  # a quaternion and its opposite turn alike
    assert math.cos(opposite - heading) == pytest.approx(1)


def test_a_withheld_goal(tmp_path):
    blank = {key: value for key, value in ENTRIES[0].items() if key not in ("goals", "reference_path", "info")}
    task = load_continuous_split(write_vlnce(tmp_path, [blank], truth={}), "r2r-ce", "made")
    assert task.episodes[0].withheld
    write_continuous_submission(
        tmp_path / "mine.json", "r2r-ce", [ContinuousPrediction("1", ((0, 0, 0),), (0,), False)]
    )
    with pytest.raises(InputError, match="goals of the split are withheld; submit the file to the leaderboard"):
        score_file(task, tmp_path / "mine.json")


def test_goals_without_reference_paths_are_scored_and_not_compared(monkeypatch, capsys, tmp_path):
    bare = [each | {"reference_path": []} for each in ENTRIES]
    task = load_continuous_split(write_vlnce(tmp_path, bare), "r2r-ce", "made")
    assert not any(each.withheld or each.has_demonstration for each in task.episodes)
    assert task.episodes[2].positions == ((1, 0.1, 1), (8, 0.1, 1))
    write_continuous_submission(tmp_path / "truth.json", "r2r-ce", truths(task))
    _, scores = score_file(task, tmp_path / "truth.json")
    whole = load_continuous_split(write_vlnce(tmp_path / "whole"), "r2r-ce", "made")
    _, expected = score_file(whole, tmp_path / "truth.json")
    assert set(expected) - set(scores) == {"nDTW", "sDTW", "CLS"}
    assert all(np.array_equal(values, expected[name], equal_nan=True) for name, values in scores.items())
    run(monkeypatch, tmp_path / "truth.json", tmp_path / "truth.json", "--data", tmp_path)
    assert "SPL" in (printed := capsys.readouterr().out)
    assert "nDTW" not in printed


def test_a_reference_path_of_one_place_ends_where_it_starts(tmp_path):
    here = entry(3, (2, 2), (2, 2), reference_path=[[2, 0.1, 2]])
    for goals in (here["goals"], None):
        entries = [ENTRIES[0], here | {"goals": goals}]
        task = load_continuous_split(write_vlnce(tmp_path, entries, truth={}), "r2r-ce", "made")
        assert [each.withheld for each in task.episodes] == [False, False]
        assert task.episodes[1].positions[-1] == (2, 0.1, 2)


def test_a_split_that_tells_some_goals_alone_is_refused_by_episode(tmp_path):
    blank = {key: value for key, value in ENTRIES[1].items() if key not in ("goals", "reference_path")}
    folder = write_vlnce(tmp_path, [ENTRIES[0], blank], truth={})
    with pytest.raises(
        InputError, match="made.json.gz: episode 2 has no goal, though others have one; give it fields 'goals'"
    ):
        load_continuous_split(folder, "r2r-ce", "made")


@pytest.mark.parametrize(("role", "first"), [(None, 0), ("guide", 0), ("follower", 10)])
def test_rxr(tmp_path, role, first):
    task = load_continuous_split(write_rxr(tmp_path), "rxr-ce", "made", role=role)
    assert [each.episode_id for each in task.episodes] == [f"{first + 1}_901", f"{first + 2}_902"]
    assert task.episodes[0].instruction == "चलो "
    assert set(task.ground_truth) == {each.episode_id for each in task.episodes}
    path = tmp_path / "mine.jsonl"
    write_continuous_submission(path, "rxr-ce", truths(task))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["instruction_id"] for row in rows] == [901, 902]  # each once, though both roles have it
    assert len(rows[0]["path"]) == 25  # the stop is no place of its own
    _, scores = score_file(task, path)
    assert scores["SR"].tolist() == [1] * 2
    assert np.isnan(scores["steps"]).all()


def test_rxr_in_some_languages(tmp_path):
    folder = write_rxr(tmp_path)
    for languages, known in (((), [1, 2]), (("hi-IN",), [1]), (("en-US", "en-IN"), [2]), (("en-US", "hi-IN"), [1, 2])):
        task = load_continuous_split(folder, "rxr-ce", "made", languages=languages)
        assert [each.episode_id for each in task.episodes] == [f"{number}_{900 + number}" for number in known]
        assert len(task.ground_truth) == len(known)


@pytest.mark.parametrize(
    ("dataset", "options", "problem"),
    [
        ("rxr-ce", {"role": "leader"}, "--role: 'leader' is no role of 'rxr-ce'; use one of guide, follower."),
        ("r2r-ce", {"role": "guide"}, "--role: 'guide' is no role of 'r2r-ce'; leave it out."),
        (
            "rxr-ce",
            {"languages": ("de-DE",)},
            "--languages: 'de-DE' is no language of 'rxr-ce'; use some of en-US, en-",
        ),
        ("r2r-ce", {"languages": ("en-US",)}, "--languages: 'en-US' is no language of 'r2r-ce'; leave it out."),
        (
            "rxr-ce",
            {"languages": ("te-IN",)},
            "made_guide.json.gz: has no instruction in te-IN; choose other --languages",
        ),
        ("rxr-ce", {"split": "val"}, "split 'val' of 'rxr-ce' by its guides is missing; use one of the splits made."),
    ],
)
def test_roles_languages_and_splits_that_are_not_there(tmp_path, dataset, options, problem):
    write_vlnce(tmp_path)
    with pytest.raises(InputError) as caught:
        load_continuous_split(write_rxr(tmp_path), **{"dataset": dataset, "split": "made", **options})
    assert problem in str(caught.value)


def test_without_ground_truth_ways_are_compared_as_closely(tmp_path):
    """A reference path has a place at each corner: it counts as if it had one a step, as published ground truth."""
    with_truth = load_continuous_split(write_vlnce(tmp_path / "with"), "r2r-ce", "made")
    without = load_continuous_split(write_vlnce(tmp_path / "without", truth={}), "r2r-ce", "made")
    write_continuous_submission(tmp_path / "mine.json", "r2r-ce", truths(with_truth))
    _, scores = score_file(without, tmp_path / "mine.json")
    assert scores["nDTW"].tolist() == [1, 1, 1]


def test_the_newest_version_counts(tmp_path):
    write_vlnce(tmp_path, name="v1-2")
    write_vlnce(tmp_path, ENTRIES[:1], name="v1-3")
    assert len(load_continuous_split(tmp_path, "r2r-ce", "made").episodes) == 1


# --- scores ---


def test_what_vlnce_reports(made, tmp_path):
    first = made.episodes[0]
    back_and_forth = [(0, 0.1, 0), (0, 0.1, -6), (0, 0.1, -6), (0, 0.1, -2)]
    entries = [*truths(made)[1:], ContinuousPrediction("1", tuple(back_and_forth), (0.0,) * 4, True)]
    write_continuous_submission(tmp_path / "mine.json", "r2r-ce", entries)
    rows, scores = score_file(made, tmp_path / "mine.json")
    assert rows == [0, 1, 2]
    assert (scores["TL"][0], scores["NE"][0], scores["steps"][0]) == (pytest.approx(10), pytest.approx(4), 3)
    assert (scores["SR"][0], scores["OSR"][0], scores["SPL"][0]) == (0, 1, 0)
    truth = made.ground_truth["1"].places
    # Everything before the middle of the way there fits the start, everything behind it the far end.
    costs = [min(math.dist(place, each) for each in back_and_forth) for place in truth]
    assert 0 < scores["nDTW"][0] <= math.exp(-sum(costs) / (3 * len(truth)))
    assert scores["nDTW"][1:].tolist() == [1, 1]
    assert first.positions[0] == back_and_forth[0]


def test_a_walk_that_does_not_stop_fails(made, tmp_path):
    entries = [replace(each, stopped=False) for each in truths(made)]
    write_continuous_submission(tmp_path / "mine.json", "r2r-ce", entries)
    _, scores = score_file(made, tmp_path / "mine.json")
    assert scores["SR"].tolist() == scores["sDTW"].tolist() == [0, 0, 0]
    assert scores["OSR"].tolist() == [1, 1, 1]


@given(st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=8), st.floats(0.5, 20))
def test_spl_divides_by_what_is_published(places, shortest):
    walk = np.array([(x, 0.0, z) for x, z in places])
    to_goal = np.linalg.norm(walk - walk[-1], axis=1)
    walks = Walks([walk], [to_goal], [walk], np.array([True]))
    found = score_walks(walks, 3.0, np.array([shortest]))
    assert found["SPL"] == pytest.approx(shortest / max(shortest, found["TL"][0]))


# --- submissions ---


@given(st.lists(st.tuples(FINITE, FINITE, FINITE, st.floats(-10, 10)), min_size=1, max_size=6), st.booleans())
def test_a_submission_comes_back_as_written(tmp_path_factory, poses, stopped):
    folder = tmp_path_factory.mktemp("submission")
    task = load_continuous_split(write_vlnce(folder, ENTRIES[:1]), "r2r-ce", "made")
    places = (task.episodes[0].positions[0], *((x, y, z) for x, y, z, _ in poses))
    written = ContinuousPrediction("1", places, (0.0, *(heading for *_, heading in poses)), stopped)
    write_continuous_submission(folder / "mine.json", "r2r-ce", [written])
    (back,) = read_continuous_submission(folder / "mine.json", task.episodes)
    assert (back.places, back.stopped) == (written.places, written.stopped)
    np.testing.assert_allclose(np.cos(np.subtract(back.headings, written.headings)), 1)
    raw = json.loads((folder / "mine.json").read_text())["1"]
    assert all(set(pose) == {"position", "heading", "stop"} for pose in raw)
    assert all(-math.pi <= pose["heading"] <= math.pi for pose in raw)
    assert not any(pose["stop"] for pose in raw[:-1])


POSE = {"position": [0, 0.1, 0], "heading": 0.0, "stop": False}
END = POSE | {"stop": True}
GOOD = {"1": [POSE, END], "2": [POSE, END], "7": [POSE | {"position": [1, 0, 1]}]}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([GOOD], r"is malformed \(expected an object, got a list\); write {episode_id"),
        ({"1": None}, r"episode '1' is malformed \(expected a list, got null\)"),
        (GOOD | {"1": []}, r"episode '1' is malformed \(expected a list of length >= 1\)"),
        (GOOD | {"1": {"path": []}}, r"episode '1' is malformed \(expected a list, got an object\)"),
        (GOOD | {"1": [[0, 0, 0]]}, r"entry 0 of episode '1' is malformed \(expected an object, got a list\)"),
        (GOOD | {"1": [POSE | {"heading": None}]}, "field 'heading' of entry 0 of episode '1' is malformed"),
        (GOOD | {"1": [POSE, POSE | {"position": [0, 1]}]}, "field 'position' of entry 1 of episode '1' is malformed"),
        (GOOD | {"1": [POSE, POSE | {"position": [0, 1, math.nan]}]}, r"'1\[1\].position\[2\]' is malformed \(nan"),
        (GOOD | {"1": [POSE, POSE | {"position": [0, 1, 10**400]}]}, r"'position\[2\]' of entry 1 of episode '1'"),
        (GOOD | {"1": [END, POSE]}, "'stop' of pose 0 of episode '1' is not false before the last pose"),
        (GOOD | {"1": [POSE | {"stop": 1}]}, "field 'stop' of entry 0 of episode '1' is malformed"),
        (GOOD | {"8": [POSE]}, "episode '8' is not in the split"),
        ({"1": [POSE, END]}, "2 of 3 walks are missing, the first of episode '2'"),
        (GOOD | {"1": [POSE | {"position": [5, 0, 5]}]}, r"starts at \(5.00, 0.00, 5.00\) instead of at \(0.00, 0.10"),
    ],
)
def test_a_bad_submission_is_named(made, tmp_path, content, problem):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=problem):
        read_continuous_submission(path, made.episodes)


def test_an_episode_that_is_there_twice(made, tmp_path):
    path = tmp_path / "mine.json"
    one = json.dumps([POSE, END])
    path.write_text(f'{{"1": {one}, "1": {one}}}')
    with pytest.raises(InputError, match="episode '1' occurs 2 times"):
        read_continuous_submission(path, made.episodes)
    path.write_text('{"1": [')
    with pytest.raises(InputError, match="is truncated or not JSON at line 1"):
        read_continuous_submission(path, made.episodes)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"path": [[0, 0, 0]]}, "line 1 lacks the field 'instruction_id'"),
        ({"instruction_id": 901, "path": []}, "field 'path' of line 1"),
        ({"instruction_id": 901, "path": [[0, 0]]}, r"field 'path\[0\]' of line 1"),
        ({"instruction_id": 4, "path": [[0, 0, 0]]}, "episode '4' is not in the split"),
    ],
)
def test_a_bad_submission_of_rxr_is_named(tmp_path, row, problem):
    task = load_continuous_split(write_rxr(tmp_path), "rxr-ce", "made")
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError, match=problem):
        read_continuous_submission(path, task.episodes)


# --- bad data ---


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"episode_id": None}, "field 'episode_id' of episode None is malformed"),
        ({"scene_id": 5}, "field 'scene_id' of episode 3 is malformed"),
        ({"start_position": [0, 1]}, "field 'start_position' of episode 3 is malformed"),
        ({"start_position": [0, 1, math.inf]}, r"field 'episodes\[1\].start_position\[2\]' is malformed"),
        ({"start_rotation": [0.7, 0, 0, 0.7]}, "field 'start_rotation' of episode 3 is not x, y, z, w"),
        ({"start_rotation": [0, 0, 0, 0]}, "field 'start_rotation' of episode 3"),
        ({"instruction": "Go."}, "field 'instruction' of episode 3 is malformed"),
        ({"instruction": {"instruction_text": " "}}, "field 'instruction.instruction_text' of episode 3"),
        ({"reference_path": [[0, 0, 0], "there"]}, r"field 'reference_path\[1\]' of episode 3"),
        ({"goals": ["there"]}, r"field 'goals\[0\]' of episode 3"),
        ({"start_position": [0, 1, 10**400]}, r"field 'start_position\[2\]' of episode 3"),
        ({"info": {"geodesic_distance": -5}}, "field 'info.geodesic_distance' of episode 3 is malformed"),
        ({"info": {"geodesic_distance": 10**400}}, "field 'info.geodesic_distance' of episode 3 is malformed"),
        ({"scene_id": "mp3d/.."}, "field 'scene_id' of episode 3 is malformed"),
        ({"episode_id": 1}, "episode_id '1' occurs twice"),
    ],
)
def test_a_bad_episode_is_named(tmp_path, changes, problem):
    folder = write_vlnce(tmp_path, [ENTRIES[0], entry(3, (0, 0), (0, 5)) | changes], truth={})
    with pytest.raises(InputError, match=problem):
        load_continuous_split(folder, "r2r-ce", "made")


def test_ground_truth_of_other_episodes(tmp_path):
    folder = write_vlnce(tmp_path, truth={"1": walked(ENTRIES[0]), "2": {"locations": [[0, 0]], "actions": [0]}})
    with pytest.raises(InputError, match="field 'locations\\[0\\]' of episode '2' is malformed"):
        load_continuous_split(folder, "r2r-ce", "made")
    assert not load_continuous_split(folder, "r2r-ce", "made", ground_truth=False).ground_truth


def test_files_that_are_missing_or_damaged(tmp_path):
    with pytest.raises(InputError, match="'r2r-ce' is missing; .* brings R2R_VLNCE_v1-3"):
        load_continuous_split(tmp_path, "r2r-ce", "made")
    write_vlnce(tmp_path)
    with pytest.raises(InputError, match="split 'val' of 'r2r-ce' is missing; use one of the splits made"):
        load_continuous_split(tmp_path, "r2r-ce", "val")
    with pytest.raises(InputError, match="'reverie' is not known; use one of r2r-ce, rxr-ce"):
        load_continuous_split(tmp_path, "reverie", "made")
    (path,) = tmp_path.glob("vlnce/*/made/made.json.gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="made.json.gz: is truncated or damaged"):
        load_continuous_split(tmp_path, "r2r-ce", "made")
    pack(path, ["nothing"])
    with pytest.raises(InputError, match="field 'episodes' is not a list of objects"):
        load_continuous_split(tmp_path, "r2r-ce", "made")


# --- the script ---


def run(monkeypatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["score.py", *map(str, arguments), "--task", "r2r-ce", "--split", "made"])
    command(entry_point("score").main)


def test_the_script_scores_and_compares(monkeypatch, capsys, made, tmp_path):
    write_continuous_submission(tmp_path / "truth.json", "r2r-ce", truths(made))
    short = [replace(each, places=each.places[:3], headings=each.headings[:3]) for each in truths(made)]
    write_continuous_submission(tmp_path / "short.json", "r2r-ce", short)
    run(monkeypatch, tmp_path / "truth.json", tmp_path / "short.json", "--data", tmp_path, "--json")
    rows = json.loads(capsys.readouterr().out)
    assert rows[f"{tmp_path}/truth.json"]["SR"] == 1
    assert rows[f"{tmp_path}/short.json"]["SR"] == 0
    run(monkeypatch, tmp_path / "truth.json", tmp_path / "short.json", "--data", tmp_path)
    printed = capsys.readouterr().out
    assert all(name in printed for name in CONTINUOUS if name != "collisions")
    assert "minus truth" in printed


def test_the_script_needs_the_folder(monkeypatch, capsys, tmp_path):
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, tmp_path / "truth.json", "--data", tmp_path)
    assert caught.value.code == 2
    assert "vlnce is missing; pass --data DIR or set VLN_DATA to a folder with vlnce/" in capsys.readouterr().err
