"""The output of scripts/score.py and scripts/benchmark.py metrics, and their errors for bad input."""

import json
import sys
from pathlib import Path

import pytest
from command_line import entry_point
from small_world import write_data

from vln.cli import command, commands
from vln.metrics import METRICS
from vln.submission import Prediction, Visit, write_submission
from vln.tasks import R2R
from vln.trajectory import Pose, Step, Trajectory, write_trajectories

PATHS = {"1_0": "abcde", "1_1": "abc", "2_0": "adc"}


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_data(tmp_path)


def submit(path: Path, paths: dict[str, str]) -> str:
    write_submission(path, [Prediction(name, tuple(Visit(v, 0, 0) for v in walk)) for name, walk in paths.items()])
    return str(path)


def run(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["score.py", *arguments])
    command(entry_point("score").main)


def scored(monkeypatch, capsys, folder: Path, *arguments: str) -> dict[str, dict[str, float]]:
    run(monkeypatch, *arguments, "--data", str(folder), "--split", "made", "--json")
    return json.loads(capsys.readouterr().out)


def failed(monkeypatch, capsys, folder: Path, *arguments: str, split: str = "made") -> str:
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, *arguments, "--data", str(folder), "--split", split)
    output = capsys.readouterr()
    assert (caught.value.code, output.out) == (2, "")
    return output.err


def test_json_has_every_metric_of_every_file(monkeypatch, capsys, folder):
    perfect = submit(folder / "perfect.json", {"1_0": "abcde", "1_1": "abcde", "2_0": "abcf"})
    other = submit(folder / "other.json", PATHS)
    rows = scored(monkeypatch, capsys, folder, perfect, other)
    assert list(rows) == [perfect, other]
    assert rows[perfect] == {
        "TL": pytest.approx((8 + 8 + 10) / 3),
        "NE": 0,
        **dict.fromkeys(METRICS[2:], 1),
        "n": 3,
        "missing": 0,
    }
    assert rows[other]["NE"] == pytest.approx((0 + 4 + 3) / 3)
    assert rows[other]["SR"] == pytest.approx(1 / 3)  # the last ends at 3 m, which is not below 3 m


@pytest.mark.parametrize(("typed", "meant"), [("r2r_ce", "r2r-ce"), ("house-long", "houses-long"), ("r4", "r4r")])
def test_a_typo_in_the_data_set_names_the_nearest_of_all(monkeypatch, capsys, folder, typed, meant):
    told = failed(monkeypatch, capsys, folder, "walks.json", "--task", typed)
    assert f"(did you mean '{meant}'?)" in told


def test_the_official_spl_of_loops(monkeypatch, capsys, folder):
    entry = {"path_id": 1, "scan": "corridor", "path": list("abcba"), "heading": 0.0, "instructions": ["Go."]}
    (folder / "r2r" / "R2R_made.json").write_text(json.dumps([entry, entry | {"path_id": 2, "path": list("abc")}]))
    file = submit(folder / "stays.json", {"1_0": "a", "2_0": "abc"})
    assert scored(monkeypatch, capsys, folder, file)[file]["SPL"] == 1
    assert scored(monkeypatch, capsys, folder, file, "--spl", "official")[file]["SPL"] == 0.5
    error = failed(monkeypatch, capsys, folder, file, "--spl", "official", "--task", "r2r-ce")
    assert "--spl: official is of R2R's evaluators" in error


def test_missing_predictions_are_counted_where_allowed(monkeypatch, capsys, folder):
    partial = submit(folder / "partial.json", {"1_1": "abcde"})
    row = scored(monkeypatch, capsys, folder, partial, "--allow-missing")[partial]
    assert (row["n"], row["missing"], row["TL"], row["SR"]) == (1, 2, 8, 1)


def test_trajectories_score_like_their_submission(monkeypatch, capsys, folder):
    trajectories = []
    for name, path in PATHS.items():
        start, *poses = [Pose(viewpoint, (0, 0, 0), 0, 0) for viewpoint in path]
        steps = (*(Step(1, pose.viewpoint, pose) for pose in poses), Step(0, "stop", poses[-1]))
        scan = "corridor" if name[0] == "1" else "block"
        trajectories.append(
            Trajectory(name, "made", scan, "", "Go.", (), tuple(path), "made", "graph", 0, start, steps, task=R2R)
        )
    write_trajectories(folder / "run.jsonl", trajectories)
    submission = submit(folder / "run.json", PATHS)
    rows = scored(monkeypatch, capsys, folder, str(folder / "run.jsonl"), submission)
    assert rows[str(folder / "run.jsonl")] == rows[submission]


def test_the_table_shows_intervals_and_comparisons(monkeypatch, capsys, folder):
    monkeypatch.setenv("COLUMNS", "120")
    files = [submit(folder / "first.json", PATHS), submit(folder / "second.json", PATHS)]
    run(monkeypatch, *files, "--data", str(folder), "--split", "made")
    table = capsys.readouterr().out
    for text in ("first", "second", ".3333", ".000-.500", "minus first", "+0.0000 to +0.0000", "1.0000"):
        assert text in table


def test_files_of_one_name_are_told_apart(monkeypatch, capsys, folder):
    monkeypatch.setenv("COLUMNS", "250")
    (folder / "a").mkdir()
    files = [submit(folder / "run.json", PATHS), submit(folder / "a" / "run.json", PATHS)]
    run(monkeypatch, *files, "--data", str(folder), "--split", "made")
    table = capsys.readouterr().out
    assert all(file in table for file in files)


def test_files_without_a_common_episode_are_not_compared(monkeypatch, capsys, folder):
    files = [submit(folder / "first.json", {"1_0": "a"}), submit(folder / "second.json", {"1_1": "a"})]
    run(monkeypatch, *files, "--data", str(folder), "--split", "made", "--allow-missing")
    assert "none in common" in capsys.readouterr().out


def test_bad_input_ends_in_one_sentence(monkeypatch, capsys, folder):
    good = submit(folder / "good.json", PATHS)
    missing = submit(folder / "missing.json", {"1_0": "a"})
    jumping = submit(folder / "jumping.json", {**PATHS, "2_0": "ac"})
    (folder / "cut.json").write_text('[{"instr_id"')
    for arguments, split, problem in (
        ([missing], "made", f"{missing}: 2 of 3 predictions are missing, the first for instr_id '1_1'; "),
        ([good, jumping], "made", f"{jumping}: the trajectory of instr_id '2_0' breaks at step 1: viewpoints 'a' and "),
        ([str(folder / "cut.json")], "made", f"{folder / 'cut.json'}: is truncated or not JSON at line 1, "),
        ([str(folder / "none.json")], "made", f"{folder / 'none.json'}: the file does not exist; "),
        ([good], "test", f"{folder}/r2r/R2R_test.json: the goals of split 'test' are withheld; "),
        ([good], "dev", f"{folder}/r2r/R2R_dev.json: split 'dev' of 'r2r' is missing; use one of the splits made, "),
        ([], "made", "score.py: no prediction file was given; "),
    ):
        error = failed(monkeypatch, capsys, folder, *arguments, split=split)
        assert error.startswith(problem)
        assert error.count("\n") == 1


def test_the_benchmark_finds_the_implementations_equal(monkeypatch, capsys, folder):
    predictions = submit(folder / "good.json", PATHS)
    arguments = ["--predictions", predictions, "--data", str(folder), "--split", "made", "--repeats", "1", "--json"]
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "metrics", *arguments])
    commands({"metrics": entry_point("benchmark").metrics})
    result = json.loads(capsys.readouterr().out)
    assert result["episodes"] == 3
    assert len(result["implementations"]) == 3
    for row in result["implementations"]:
        assert row["seconds"] > 0
        assert row["largest_difference"] < 1e-9


def test_the_recorded_files_make_the_published_table(monkeypatch, capsys, data):
    files = [
        str(data / "predictions" / name)
        for name in ("seq2seq_student_forcing_val_unseen.json", "val_unseen_random_agent.json")
    ]
    run(monkeypatch, *files, "--data", str(data), "--split", "val_unseen", "--json")
    rows = json.loads(capsys.readouterr().out)
    published = [
        (8.2302, 7.9976, 0.2103, 0.2822, 0.1826, 0.4017, 0.1706, 0.4118, 2349, 0),
        (9.7371, 9.2193, 0.1601, 0.2150, 0.1401, 0.3371, 0.1266, 0.3611, 2349, 0),
    ]
    for file, expected in zip(files, published, strict=True):
        assert list(rows[file]) == [*METRICS, "n", "missing"]
        assert tuple(round(value, 4) for value in rows[file].values()) == expected
