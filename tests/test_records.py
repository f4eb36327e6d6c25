"""Records of measurements, the commands that write them, and the pages that show them."""

import re
from pathlib import Path

import pytest
from command_line import run_script

import vln.pipeline
import vln.records
from agents.measurements import (
    MEASUREMENTS,
    Measurement,
    RowSource,
    finished,
    note_finished,
    r2r_lines,
    resumed,
    steps_left,
)
from vln.errors import InputError
from vln.records import (
    Record,
    RecordRow,
    changed,
    fill,
    pages,
    read_record,
    record_table,
    this_commit,
    this_machine,
    write_record,
)

ROOT = Path(__file__).parents[1]
UNRECORDED = ROOT / "docs" / "results" / "unrecorded.txt"
NUMBER = re.compile(r"\d+\.\d")


def record(*seeds: int) -> Record:
    count = len(seeds)
    scores = {"SR": [0.7, 0.8][:count], "SPL": [0.6, 0.7][:count], "NE": [1.5, 1.25][:count]}
    row = RecordRow("full", [4.0, 5.0][:count], scores, {"SR": [(0.66, 0.74), (0.77, 0.83)][:count]})
    how = ("a test", "val_unseen", ["abc"], "2026-12-01", this_machine())
    return Record(*how, list(seeds), ["vln demo"], {"full": row})


def one(name: str) -> Record:
    assert name == "demo"
    return record(0, 1)


def test_markers_show_means_of_the_seeds():
    page = "SR <!-- record: demo full SR -->9<!-- end -->, <!-- record: demo full minutes --><!-- end --> minutes"
    filled = fill(page, one)
    assert filled == page.replace("-->9<", "-->75.0<").replace("minutes --><", "minutes -->4.5<")
    assert fill(filled, one) == filled


def test_a_table_has_an_interval_for_one_seed_and_extremes_for_several():
    alone, both = record_table(record(0)), record_table(record(0, 1))
    assert "70.0 ± 4.0" in alone
    assert "75.0 (70.0 to 80.0)" in both
    assert "seeds 0, 1" in both
    table = "<!-- record: demo --><!-- end -->"
    assert fill(fill(table, one), one) == fill(table, one)


def test_a_record_is_read_as_it_was_written(tmp_path):
    written = record(0, 1)
    write_record(written, tmp_path / "demo.json")
    assert read_record("demo", tmp_path) == written


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("demo fulll SR", "did you mean 'full'"),
        ("demo full SRR", "did you mean 'SR'"),
        ("demo full", "names nothing; give RECORD, or RECORD ROW METRIC"),
    ],
)
def test_a_marker_that_names_nothing_is_one_sentence(marker, message):
    with pytest.raises(InputError, match=re.escape(message)):
        fill(f"<!-- record: {marker} --><!-- end -->", one)


def test_unknown_and_damaged_records_are_one_sentence(tmp_path):
    (tmp_path / "demo.json").write_text('{"what": 3}')
    with pytest.raises(InputError, match=r"demo\.json"):
        read_record("demo", tmp_path)
    with pytest.raises(InputError, match="did you mean 'demo'"):
        read_record("dem", tmp_path)


def test_the_pages_show_what_the_records_have():
    assert list(changed(pages())) == []


def test_every_page_of_results_has_a_record_or_says_why_not():
    excused = dict(line.split(": ", 1) for line in UNRECORDED.read_text().splitlines())
    for page in [ROOT / "README.md", *(ROOT / "docs" / "results").glob("*.md")]:
        name = str(page.relative_to(ROOT))
        tables = re.sub(r"<!-- record: .*?<!-- end -->", "", page.read_text(), flags=re.DOTALL)
        rows = [line for line in tables.splitlines() if line.startswith("|") and NUMBER.search(line)]
        assert bool(rows) == (name in excused), f"{name}: {rows[:2]}"


# --- commands ---


def test_finished_commands_are_not_given_again_and_begun_trainings_are_resumed(tmp_path):
    lines = r2r_lines("dev", "best", tmp_path, 3, quick=True)
    assert [each.line for each in steps_left(lines, tmp_path)] == lines
    note_finished(lines[0], tmp_path, this_machine())
    assert [each.line for each in steps_left(lines, tmp_path)] == lines[1:]
    assert finished(tmp_path)[0]["commit"] == this_commit()
    assert resumed(lines[2]) == lines[2]
    (tmp_path / "rcm").mkdir()
    (tmp_path / "rcm" / "latest.safetensors").touch()
    assert resumed(lines[2]) == ("train.py", "--out", str(tmp_path / "rcm"), "--resume")


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_commands_of_seeds_and_trials_differ(name, tmp_path):
    lines = MEASUREMENTS[name].lines
    assert lines(tmp_path, 0, False) != lines(tmp_path, 1, False)
    assert lines(tmp_path, 0, False) != lines(tmp_path, 0, True)


def trial(name: str, folder: Path, data: Path) -> Record:
    result = run_script("reproduce.py", name, "--quick", "--seeds", 0, "--out", folder, cache=data / "cache")
    assert result.code == 0, result.errors
    return read_record(name, folder / name)


def tiny_lines(out: Path, seed: int, quick: bool) -> list[tuple[str, ...]]:
    small = ("--policy.hidden", "8", "--policy.view", "8", "--imitation.iterations", "2")
    run = ("--out", str(out / "run"), "--seed", str(seed))
    evaluation = ("evaluate.py", str(out / "run"), "--checkpoint", "latest")
    return [("train.py", "r2r-demo", *run, "--threads", "1", *small), ("doctor.py",), evaluation]


def test_an_interrupted_measurement_goes_on_and_is_recorded(small_data, tmp_path, monkeypatch):
    """Commands run in this process: what they do as processes the tests of pipelines show."""
    tiny = Measurement("tiny", 0.1, "val_unseen", "run", {"run": RowSource("a run", ("run",), "run")}, tiny_lines)
    monkeypatch.setitem(MEASUREMENTS, "tiny", tiny)
    monkeypatch.setenv("VLN_DATA", str(small_data))
    monkeypatch.setattr(vln.records, "FOLDER", tmp_path / "never")
    given: list[str] = []

    def run(console, step, number, count):
        given.append(step.line[0])
        if len(given) == 2:
            raise KeyboardInterrupt
        if step.line[0] != "doctor.py":
            assert run_script(*step.line, cache=small_data / "cache").code == 0

    monkeypatch.setattr(vln.pipeline, "run_step", run)
    flags = ("tiny", "--quick", "--seeds", 0, "--out", tmp_path)
    assert run_script("reproduce.py", *flags, cache=small_data / "cache").code == 130
    found = trial("tiny", tmp_path, small_data)
    assert given == ["train.py", "doctor.py", "doctor.py", "evaluate.py"]
    assert found.commands[0].startswith("vln train r2r-demo --out runs/run --seed 0")
    row = found.rows["run"]
    assert row.minutes[0] > 0
    assert 0 <= row.scores["SPL"][0] <= row.scores["SR"][0] <= 1
    assert row.intervals["SR"][0][0] <= row.scores["SR"][0] <= row.intervals["SR"][0][1]
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("dem",), "did you mean 'demo'"),
        ((), "no record is given"),
        (("demo", "--seeds"), "--seeds"),
    ],
)
def test_bad_input_is_one_sentence(flags, message, tmp_path):
    result = run_script("reproduce.py", *flags, "--out", tmp_path, cache=tmp_path)
    assert result.code == 2
    assert message in result.errors


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASUREMENTS)
def test_every_record_is_tried(name, data, tmp_path, monkeypatch):
    monkeypatch.setenv("VLN_DATA", str(data))
    assert trial(name, tmp_path, tmp_path).rows.keys() == MEASUREMENTS[name].rows.keys()
