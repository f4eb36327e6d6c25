"""Submission files: written and read back, and an error with instruction and step for impossible ones."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import GRAPHS, episode

from vln.episodes import load_split
from vln.errors import InputError
from vln.submission import Prediction, Visit, check_submission, read_submission, viewpoints, write_submission
from vln.tasks import R2R
from vln.trajectory import Pose, Step, Trajectory

EPISODES = [episode("abcde", episode_id="1_0"), episode("abcde", episode_id="1_1"), episode("abcf", "block", "2_0")]
SOURCE = Path("agent.json")


def prediction(episode_id: str, path: str) -> Prediction:
    return Prediction(episode_id, tuple(Visit(viewpoint, 0.5, 0.0) for viewpoint in path))


GOOD = [prediction("2_0", "aadc"), prediction("1_1", "abbcb"), prediction("1_0", "a")]


def check(predictions: list[Prediction], *, allow_missing: bool = False) -> None:
    check_submission(SOURCE, predictions, EPISODES, GRAPHS, allow_missing=allow_missing)


def write(folder: Path, content: object) -> Path:
    path = folder / "agent.json"
    path.write_text(json.dumps(content))
    return path


# --- in and out ---


def test_the_recorded_files_survive_reading_and_writing(data, graphs, tmp_path):
    for source in sorted((data / "predictions").glob("*.json")):
        predictions = read_submission(source)
        split = "val_unseen" if "val_unseen" in source.name else "val_seen"
        check_submission(source, predictions, load_split(data, split), graphs)
        write_submission(tmp_path / source.name, predictions)
        assert json.loads((tmp_path / source.name).read_text()) == json.loads(source.read_text())


angles = st.floats(-10, 10)
visits = st.builds(Visit, st.text(), angles, angles)
predictions = st.builds(Prediction, st.text(), st.lists(visits, min_size=1).map(tuple))


@given(st.lists(predictions, max_size=4))
def test_what_is_written_is_read(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("submission") / "agent.json"
    write_submission(path, written)
    assert read_submission(path) == written


def test_a_trajectory_is_submitted_by_its_poses(tmp_path):
    start, end = Pose("a", (0, 0, 0), 1.5, 0.0), Pose("b", (2, 0, 0), 2.5, -0.5)
    trajectory = Trajectory(
        episode_id="1_0",
        task=R2R,
        split="made",
        scan="corridor",
        scan_hash="",
        instruction="Go.",
        words=("go",),
        reference=("a", "b"),
        agent="made",
        simulator="graph",
        seed=0,
        start=start,
        steps=(Step(1, "b", end), Step(0, "stop", end)),
    )
    write_submission(tmp_path / "agent.json", [trajectory])
    rows = json.loads((tmp_path / "agent.json").read_text())
    assert rows == [{"instr_id": "1_0", "trajectory": [["a", 1.5, 0.0], ["b", 2.5, -0.5], ["b", 2.5, -0.5]]}]
    assert viewpoints(trajectory) == ["a", "b", "b"]
    check_submission(SOURCE, [trajectory], EPISODES[:1], GRAPHS)


def test_an_interrupted_write_keeps_the_file(tmp_path):
    path = tmp_path / "agent.json"
    write_submission(path, GOOD)
    before = path.read_bytes()

    def failing():
        yield GOOD[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_submission(path, failing())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# --- malformed entries ---


def walk(*poses: object) -> dict:
    return {"instr_id": "1_1", "trajectory": list(poses)}


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("1_0", "entry 1 is malformed (expected an object, got a string)"),
        ({"trajectory": [["a", 0, 0]]}, "entry 1 lacks the field 'instr_id'"),
        (walk(["a", 0, 0]) | {"instr_id": 1}, "field 'instr_id' of entry 1 is malformed (expected a string, got a wh"),
        ({"instr_id": "1_1"}, "entry 1 lacks the field 'trajectory'"),
        (walk(), "field 'trajectory' of entry 1 is malformed (expected a list of length >= 1)"),
        (walk("a", "b"), "field 'trajectory[0]' of entry 1 is malformed (expected a list, got a string)"),
        (
            walk(["a", 0, 0], ["b"]),
            "field 'trajectory[1]' of entry 1 is malformed (expected a list of length 3",
        ),
        (
            walk(["a", 0, 0, 0]),
            "field 'trajectory[0]' of entry 1 is malformed (expected a list of length 3",
        ),
        (walk([3, 0, 0]), "field 'trajectory[0][0]' of entry 1 is malformed (expected a string, got a whole number)"),
        (walk(["a", "0", 0]), "field 'trajectory[0][1]' of entry 1 is malformed (expected a number, got a string)"),
        (walk(["a", True, 0]), "field 'trajectory[0][1]' of entry 1 is malformed (expected a number, got true or fals"),
        (walk(["a", math.nan, 0]), "field 'trajectory[0][1]' of entry 1 is malformed (nan is not a finite number)"),
        (walk(["a", 0, math.inf]), "field 'trajectory[0][2]' of entry 1 is malformed (inf is not a finite number)"),
        (walk(["a", 0, 10**4000]), "field 'trajectory[0][2]' of entry 1 is malformed (number out of range)"),
        (walk(["a", 0, 1e300]), "field 'trajectory[0][2]' of entry 1 is malformed (expected a number <= 1000000.0)"),
    ],
)
def test_a_malformed_entry_is_named(tmp_path, entry, problem):
    path = write(tmp_path, [{"instr_id": "1_0", "trajectory": [["a", 0, 0]]}, entry])
    with pytest.raises(InputError) as caught:
        read_submission(path)
    assert str(caught.value).startswith(f"{path}: {problem}")


def test_an_object_is_no_submission(tmp_path):
    with pytest.raises(
        InputError, match=r"agent\.json: is malformed \(expected a list, got an object\); write a list of"
    ):
        read_submission(write(tmp_path, {"1_0": []}))


def test_a_truncated_file_is_named(tmp_path):
    path = write(tmp_path, [])
    path.write_text('[{"instr_id": "1_0", "traj')
    with pytest.raises(InputError, match=r"agent\.json: is truncated or not JSON"):
        read_submission(path)


# --- impossible submissions ---


def test_one_possible_walk_for_each_episode_passes():
    check(GOOD)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (GOOD[1:], "1 of 3 predictions are missing, the first for instr_id '2_0'"),
        ([], "3 of 3 predictions are missing, the first for instr_id '1_0'"),
        ([*GOOD, GOOD[1]], "instr_id '1_1' occurs 2 times"),
        ([*GOOD, prediction("9_9", "a")], "instr_id '9_9' is not in the split"),
        (
            [*GOOD[:2], prediction("1_0", "abbd")],
            "the trajectory of instr_id '1_0' breaks at step 3: "
            "viewpoints 'b' and 'd' are not connected in scan 'corridor'",
        ),
        (
            [*GOOD[:2], prediction("1_0", "aq")],
            "the trajectory of instr_id '1_0' breaks at step 1: viewpoint 'q' is not in the graph of scan 'corridor'",
        ),
        (
            [*GOOD[:2], prediction("1_0", "bcd")],
            "the trajectory of instr_id '1_0' starts at 'b' instead of at viewpoint 'a'",
        ),
        (
            [*GOOD[:2], prediction("1_0", "")],
            "the trajectory of instr_id '1_0' starts nowhere instead of at viewpoint 'a'",
        ),
    ],
)
def test_an_impossible_submission_is_named(wrong, problem):
    with pytest.raises(InputError) as caught:
        check(wrong)
    assert str(caught.value).startswith(f"agent.json: {problem}; ")


def test_missing_predictions_can_be_allowed_but_not_all_of_them():
    check(GOOD[:1], allow_missing=True)
    with pytest.raises(InputError, match="3 of 3 predictions are missing"):
        check([], allow_missing=True)
    with pytest.raises(InputError, match="'9_9' is not in the split"):
        check([replace(GOOD[0], episode_id="9_9")], allow_missing=True)
