"""Trajectories: files load as written, and errors name the bad line."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vln.configuration import as_json
from vln.errors import InputError
from vln.tasks import R2R, TASKS, find_task
from vln.trajectory import FORMAT, Pose, Step, Trajectory, read_trajectories, write_trajectories

POSE = Pose("a", (1.0, -2.5, 0.1), 0.3, -0.0)
STEP = Step(
    1, "b", Pose("b", (2.0, 0.0, 0.0), 6.2, 0.5), True, ("stop", "b"), (0.25, 0.75), (0.5, 0.5), (1.0, *[0.0] * 35)
)
TRAJECTORY = Trajectory(
    episode_id="7_0",
    task=R2R,
    split="val_seen",
    scan="s",
    scan_hash="0f",
    instruction="Go. “Stop”\u2028there.",
    words=("go", "."),
    reference=("a", "b"),
    agent="random",
    simulator="graph",
    seed=3,
    start=POSE,
    steps=(STEP, Step(0, "stop", STEP.pose)),
    versions={"vln": "0.1.0"},
)

ALL_TASKS = [find_task(name) for name in TASKS.names()]
numbers = st.floats(-1e6, 1e6)
shares = st.lists(st.floats(0, 1), max_size=3).map(tuple)
texts = st.lists(st.text(), max_size=3).map(tuple)
poses = st.builds(Pose, st.text(), st.tuples(numbers, numbers, numbers), numbers, numbers)
none = st.just(())
steps = st.builds(Step, st.integers(0, 99), st.text(), poses, st.booleans(), texts, none, shares, shares)
text = st.text()
trajectories = st.builds(
    Trajectory, text, text, text, text, text, texts, texts, text, text, st.integers(0, 2**32), poses,
    st.lists(steps, max_size=3).map(tuple), st.dictionaries(text, text, max_size=2), task=st.sampled_from(ALL_TASKS),
)  # fmt: skip


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("trajectories")


def row() -> dict:
    """The worked trajectory as its JSON object."""
    pose = {"viewpoint": "a", "position": [1, 2, 3], "heading": 0, "elevation": 0}
    names = ("episode_id", "split", "scan", "scan_hash", "instruction", "agent", "simulator")
    step = {"action": 0, "choice": "stop", "pose": pose}
    lists = {"words": [], "reference": ["a"], "steps": [step, dict(step)]}
    return dict.fromkeys(names, "x") | lists | {"seed": 0, "start": pose}


def read(folder: Path, *rows: object) -> list[Trajectory]:
    """Read rows behind the line of the task."""
    path, head = folder / "t.jsonl", {"format": FORMAT, "task": as_json(R2R)}
    path.write_text("\n".join(json.dumps(content) for content in (head, *rows)))
    return read_trajectories(path)


# --- good files ---


def test_the_poses_are_the_start_and_one_a_step():
    assert TRAJECTORY.poses == [POSE, STEP.pose, STEP.pose]


def test_a_trajectory_is_one_line_and_comes_back(tmp_path):
    write_trajectories(tmp_path / "t.jsonl", [TRAJECTORY, TRAJECTORY])
    assert (tmp_path / "t.jsonl").read_text().count("\n") == 3, "the task, and a line each"
    assert read_trajectories(tmp_path / "t.jsonl") == [TRAJECTORY, TRAJECTORY]


@given(written=st.lists(trajectories, max_size=3))
def test_any_trajectories_come_back_as_written(folder, written):
    write_trajectories(folder / "t.jsonl", iter(written))
    assert read_trajectories(folder / "t.jsonl") == written


def test_fields_with_a_default_may_be_absent(tmp_path):
    trajectory = read(tmp_path, row())[0]
    assert trajectory.versions == {}
    assert trajectory.steps[0] == Step(0, "stop", Pose("a", (1.0, 2.0, 3.0), 0.0, 0.0))


# --- bad files ---


def without(name: str, content: dict) -> dict:
    return {key: value for key, value in content.items() if key != name}


def start(**changes: object) -> dict:
    """The worked row with its start changed."""
    return row() | {"start": row()["start"] | changes}


def bad_step(change) -> dict:
    """The worked row with its second step changed."""
    content = row()
    content["steps"][1] = change(content["steps"][1])
    return content


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([1, 2], "line 2 is malformed (expected an object, got a list)"),
        ("7_0", "line 2 is malformed (expected an object, got a string)"),
        (without("start", row()), "line 2 lacks the field 'start'"),
        (without("agent", row()), "line 2 lacks the field 'agent'"),
        (row() | {"agnet": 1}, "line 2 has the unknown field 'agnet'"),
        (
            row() | {"instruction": 5},
            "field 'instruction' of line 2 is malformed (expected a string, got a whole number)",
        ),
        (row() | {"start": None}, "field 'start' of line 2 is malformed (expected an object, got null)"),
        (start(elevation=None), "field 'start.elevation' of line 2 is malformed (expected a number, got null)"),
        (row() | {"start": without("heading", row()["start"])}, "field 'start' of line 2 lacks the field 'heading'"),
        (start(heading=math.nan), "field 'start.heading' of line 2 is malformed (nan is not a finite number)"),
        (start(heading=-math.inf), "field 'start.heading' of line 2 is malformed (-inf is not a finite number)"),
        (start(heading=10**400), "field 'start.heading' of line 2 is malformed (number out of range)"),
        (start(heading=1e300), "field 'start.heading' of line 2 is malformed (expected a number <= 1000000.0)"),
        (start(position=[1, 2]), "field 'start.position' of line 2 is malformed (expected a list of length 3)"),
        (start(position=[1, 2, "z"]), "field 'start.position[2]' of line 2 is malformed (expected a number, got a str"),
        (row() | {"steps": 5}, "field 'steps' of line 2 is malformed (expected a list, got a whole number)"),
        (row() | {"distances": [1]}, "field 'distances' of line 2 has 1 numbers for 3 poses"),
        (row() | {"distances": [1, -1, 0]}, "field 'distances[1]' of line 2 is malformed (expected a number >= 0.0)"),
        (bad_step(lambda step: "stop"), "field 'steps[1]' of line 2 is malformed (expected an object, got a string)"),
        (bad_step(lambda step: without("pose", step)), "field 'steps[1]' of line 2 lacks the field 'pose'"),
        (bad_step(lambda step: step | {"reward": 1}), "field 'steps[1]' of line 2 has the unknown field 'reward'"),
        (
            bad_step(lambda step: step | {"choices": ["stop"], "probabilities": ["a"]}),
            "field 'steps[1].probabilities[0]' of line 2 is malformed (expected a number, got a string)",
        ),
        (
            bad_step(lambda step: step | {"choices": ["stop"], "probabilities": [0.5, 0.5]}),
            "field 'steps[1].probabilities' of line 2 has 2 numbers for 1 choices",
        ),
    ],
)
def test_a_bad_line_is_named_with_its_field(tmp_path, content, problem):
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 't.jsonl'}: {problem}")
    assert message.endswith("; write the file again with scripts/evaluate.py.")


def test_where_there_is_no_way_the_distance_is_null_in_the_file(tmp_path):
    far = replace(TRAJECTORY, distances=(3.5, math.inf, math.inf))
    write_trajectories(tmp_path / "t.jsonl", [far])
    _, line = (tmp_path / "t.jsonl").read_text().splitlines()
    assert json.loads(line)["distances"] == [3.5, None, None]
    assert read_trajectories(tmp_path / "t.jsonl") == [far]


def test_a_task_is_written_once_for_the_trajectories_after_it(tmp_path):
    path, other = tmp_path / "t.jsonl", replace(TRAJECTORY, task=find_task("rxr-ce"))
    write_trajectories(path, [TRAJECTORY, TRAJECTORY, other, TRAJECTORY])
    assert path.read_text().count(FORMAT) == 3
    assert read_trajectories(path) == [TRAJECTORY, TRAJECTORY, other, TRAJECTORY]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda head: head | {"format": "vln-trajectories-9"}, "field 'format' is 'vln-trajectories-9', not"),
        (lambda head: head | {"task": without("body", head["task"])}, "configuration field 'task.body' is missing"),
        (
            lambda head: head | {"task": head["task"] | {"success": {"kind": "within-radios", "metres": 3}}},
            "success rule: 'within-radios' is not known; use one of within-radius, .*mean 'within-radius'",
        ),
        (
            lambda head: head | {"task": head["task"] | {"max_steps": "ten"}},
            "configuration field 'task.max_steps' is malformed",
        ),
        (lambda head: head | {"tusk": 1}, "line 1 has the unknown field 'tusk'"),
    ],
)
def test_a_bad_task_is_named_with_its_field(tmp_path, change, problem):
    path = tmp_path / "t.jsonl"
    write_trajectories(path, [TRAJECTORY])
    head, line = path.read_text().splitlines()
    path.write_text(json.dumps(change(json.loads(head))) + "\n" + line)
    with pytest.raises(InputError, match=problem):
        read_trajectories(path)


def test_files_of_the_version_before_have_the_task_of_their_data_set(tmp_path):
    path = tmp_path / "t.jsonl"
    write_trajectories(path, [TRAJECTORY])
    old = json.loads(path.read_text().splitlines()[1]) | {"dataset": "r4r"}
    path.write_text(json.dumps(old))
    assert read_trajectories(path) == [replace(TRAJECTORY, task=find_task("r4r"))]
    path.write_text(json.dumps(old | {"dataset": "play"}))
    with pytest.raises(InputError, match="is of an older version, and data set 'play' has no task; write the file"):
        read_trajectories(path)


def test_a_truncated_file_is_an_error_that_names_the_line(tmp_path):
    path = tmp_path / "t.jsonl"
    write_trajectories(path, [TRAJECTORY] * 3)
    path.write_text(path.read_text()[:-20])
    with pytest.raises(InputError, match=r"t\.jsonl: line 4 is truncated or not JSON"):
        read_trajectories(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"t\.jsonl: the file does not exist"):
        read_trajectories(tmp_path / "t.jsonl")


def test_an_interrupted_evaluation_leaves_the_old_file(tmp_path):
    def interrupted():
        yield TRAJECTORY
        raise KeyboardInterrupt

    path = tmp_path / "t.jsonl"
    write_trajectories(path, [TRAJECTORY] * 2)
    with pytest.raises(KeyboardInterrupt):
        write_trajectories(path, interrupted())
    assert len(read_trajectories(path)) == 2
    assert list(tmp_path.iterdir()) == [path]
