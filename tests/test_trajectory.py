"""Trajectories: a file gives back what was written, and says which line is bad."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vln.errors import InputError
from vln.trajectory import Pose, Step, Trajectory, read_trajectories, write_trajectories

POSE = Pose("a", (1.0, -2.5, 0.1), 0.3, -0.0)
STEP = Step(
    1, "b", Pose("b", (2.0, 0.0, 0.0), 6.2, 0.5), True, ("stop", "b"), (0.25, 0.75), (0.5, 0.5), (1.0, *[0.0] * 35)
)
TRAJECTORY = Trajectory(
    episode_id="7_0",
    dataset="r2r",
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

numbers = st.floats(allow_nan=False, allow_infinity=False)
many = st.lists(numbers, max_size=3).map(tuple)
texts = st.lists(st.text(), max_size=3).map(tuple)
poses = st.builds(Pose, st.text(), st.tuples(numbers, numbers, numbers), numbers, numbers)
steps = st.builds(Step, st.integers(), st.text(), poses, st.booleans(), texts, many, many, many)
text = st.text()
trajectories = st.builds(
    Trajectory, text, text, text, text, text, text, texts, texts, text, text, st.integers(), poses,
    st.lists(steps, max_size=3).map(tuple), st.dictionaries(text, text, max_size=2),
)  # fmt: skip


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("trajectories")


def row() -> dict:
    """The worked trajectory as its JSON object."""
    pose = {"viewpoint": "a", "position": [1, 2, 3], "heading": 0, "elevation": 0}
    names = ("episode_id", "dataset", "split", "scan", "scan_hash", "instruction", "agent", "simulator")
    step = {"action": 0, "choice": "stop", "pose": pose}
    lists = {"words": [], "reference": ["a"], "steps": [step, dict(step)]}
    return dict.fromkeys(names, "x") | lists | {"seed": 0, "start": pose}


def read(folder: Path, *rows: object) -> list[Trajectory]:
    path = folder / "t.jsonl"
    path.write_text("\n".join(json.dumps(content) for content in rows))
    return read_trajectories(path)


# --- good files ---


def test_the_poses_are_the_start_and_one_a_step():
    assert TRAJECTORY.poses == [POSE, STEP.pose, STEP.pose]


def test_a_trajectory_is_one_line_and_comes_back(tmp_path):
    write_trajectories(tmp_path / "t.jsonl", [TRAJECTORY, TRAJECTORY])
    assert (tmp_path / "t.jsonl").read_text().count("\n") == 2
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


def bad_step(change) -> dict:
    """The worked row with its second step changed."""
    content = row()
    content["steps"][1] = change(content["steps"][1])
    return content


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([1, 2], "a trajectory is not an object"),
        ("7_0", "a trajectory is not an object"),
        (without("start", row()), "a trajectory lacks the field 'start'"),
        (without("agent", row()), "a trajectory lacks the field 'agent'"),
        (row() | {"agnet": 1}, "a trajectory has the unknown field 'agnet'"),
        (row() | {"start": None}, "a pose is not an object"),
        (row() | {"start": without("heading", row()["start"])}, "a pose lacks the field 'heading'"),
        (row() | {"start": row()["start"] | {"position": [1, 2]}}, "not enough values"),
        (row() | {"start": row()["start"] | {"position": [1, 2, "z"]}}, "could not convert string to float: 'z'"),
        (row() | {"steps": 5}, "'int' object is not iterable"),
        (bad_step(lambda step: "stop"), "a step is not an object"),
        (bad_step(lambda step: without("pose", step)), "a step lacks the field 'pose'"),
        (bad_step(lambda step: step | {"reward": 1}), "a step has the unknown field 'reward'"),
    ],
)
def test_a_line_that_is_no_trajectory_is_named_with_the_reason(tmp_path, content, reason):
    with pytest.raises(InputError) as caught:
        read(tmp_path, row(), content)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 't.jsonl'}: line 2 is not a trajectory ({reason}")
    assert message.endswith("; write the file again with scripts/evaluate.py.")


def test_a_truncated_file_is_an_error_that_names_the_line(tmp_path):
    path = tmp_path / "t.jsonl"
    write_trajectories(path, [TRAJECTORY] * 3)
    path.write_text(path.read_text()[:-20])
    with pytest.raises(InputError, match=r"t\.jsonl: line 3 is truncated or not JSON"):
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
