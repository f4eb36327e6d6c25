"""Files and data folders: reading, the errors for bad files, and interrupted writes."""

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vln.data import DATASETS, find_data, split_file
from vln.errors import InputError
from vln.files import (
    read_json,
    read_json_lines,
    read_text,
    replacing,
    sha256,
    writable_folder,
    write_json,
    write_json_lines,
    write_text,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("files")


# --- errors ---


def test_an_input_error_is_one_sentence_with_source_problem_and_fix():
    assert (
        str(InputError("a.json", "field 'scan' is missing", "fetch it")) == "a.json: field 'scan' is missing; fetch it."
    )


# --- reading ---


@given(value=VALUES)
def test_json_comes_back_as_written(folder, value):
    write_json(folder / "value.json", value)
    assert read_json(folder / "value.json") == value


@given(rows=st.lists(VALUES, max_size=5))
def test_json_lines_come_back_as_written_and_numbered(folder, rows):
    write_json_lines(folder / "rows.jsonl", rows)
    assert list(read_json_lines(folder / "rows.jsonl")) == list(enumerate(rows, start=1))


def test_blank_lines_are_skipped_and_counted(tmp_path):
    (tmp_path / "rows.jsonl").write_text('1\n\n  \n{"a":2}\n')
    assert list(read_json_lines(tmp_path / "rows.jsonl")) == [(1, 1), (4, {"a": 2})]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_only_newlines_end_a_json_line(tmp_path, separator):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(f"left{separator}right", ensure_ascii=False) + "\n", encoding="utf-8")
    assert list(read_json_lines(path)) == [(1, f"left{separator}right")]


def test_every_truncation_of_a_json_file_is_an_error_that_names_the_file(tmp_path):
    whole, path = json.dumps([{"scan": "s", "path": ["a", "b"], "heading": -1.5}]), tmp_path / "cut.json"
    for length in range(len(whole)):
        path.write_text(whole[:length])
        with pytest.raises(InputError, match=r"cut\.json: is truncated or not JSON at line 1, column \d+ .*; fetch"):
            read_json(path)


def test_a_broken_json_line_is_named_by_its_number(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a":1}\n\n{"a":')
    rows = read_json_lines(path)
    assert next(rows) == (1, {"a": 1})
    with pytest.raises(InputError, match=r"rows\.jsonl: line 3 is truncated or not JSON .*; write the file again"):
        next(rows)


def test_a_missing_file_a_folder_and_foreign_bytes_are_errors(tmp_path):
    (tmp_path / "latin.json").write_bytes(b'"caf\xe9"')
    for name, problem in [
        ("none.json", "does not exist; check the path"),
        ("", r"cannot be read \(Is a directory\)"),
        ("latin.json", "byte 4 is not UTF-8; save the file as UTF-8"),
    ]:
        with pytest.raises(InputError, match=problem) as caught:
            read_json(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)


# --- writing ---


def test_a_write_makes_its_folder_and_leaves_no_other_file(tmp_path):
    write_text(tmp_path / "deep" / "er" / "a.txt", "é\n")
    assert read_text(tmp_path / "deep" / "er" / "a.txt") == "é\n"
    assert [path.name for path in (tmp_path / "deep" / "er").iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_write_keeps_the_old_file(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), replacing(path) as temporary:
        temporary.write_text("half of the n")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_value_that_is_not_json_keeps_the_old_file(tmp_path):
    path = tmp_path / "rows.jsonl"
    write_json_lines(path, [1])
    with pytest.raises(TypeError):
        write_json_lines(path, [2, object()])
    assert path.read_text() == "1\n"


def test_written_files_have_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    write_text(tmp_path / "replaced", "")
    assert stat.S_IMODE((tmp_path / "replaced").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_output_that_cannot_be_written_is_an_error_and_changes_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("here")
    for path in (tmp_path / "file" / "run", tmp_path / "file"):
        with pytest.raises(InputError, match=r"the output folder cannot be created \(.*\); choose another"):
            writable_folder(path)
    with pytest.raises(InputError, match="is a folder, not a file to write; choose another file name"):
        write_text(tmp_path, "text")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may run as root, who may write anywhere
    with pytest.raises(InputError, match="the output folder is not writable; choose another or change its permissions"):
        write_text(tmp_path / "file", "gone")
    assert (tmp_path / "file").read_text() == "here"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_sha256_is_over_the_files_in_order(tmp_path):
    (tmp_path / "a").write_bytes(b"ab")
    (tmp_path / "b").write_bytes(b"c")
    of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert sha256(tmp_path / "a", tmp_path / "b") == of_abc
    assert sha256(tmp_path / "b", tmp_path / "a") != of_abc


# --- where the data is ---


def data_folder(path: Path) -> Path:
    (path / "connectivity").mkdir(parents=True)
    (path / "connectivity" / "scans.txt").write_text("")
    return path


def test_the_folder_named_comes_before_the_environment(tmp_path, monkeypatch):
    named, other = data_folder(tmp_path / "named"), data_folder(tmp_path / "other")
    monkeypatch.setenv("VLN_DATA", str(other))
    assert find_data(named) == named
    assert find_data() == other


@pytest.mark.parametrize("by_environment", [True, False])
def test_missing_data_is_one_sentence_with_where_to_get_it(tmp_path, monkeypatch, by_environment):
    data_folder(tmp_path / "elsewhere")
    empty = tmp_path / "empty"
    if by_environment:
        monkeypatch.setenv("VLN_DATA", str(empty))
    with pytest.raises(InputError) as caught:
        find_data(None if by_environment else empty)
    for part in (str(empty), "connectivity/ is missing", "--data", "VLN_DATA", "Matterport3DSimulator"):
        assert part in str(caught.value)


def test_split_files_by_data_set(tmp_path):
    for pattern in DATASETS.values():
        path = tmp_path / pattern.format(split="val_seen")
        path.parent.mkdir()
        path.touch()
    found = {name: split_file(tmp_path, name, "val_seen").relative_to(tmp_path).as_posix() for name in DATASETS}
    assert found == {
        "r2r": "r2r/R2R_val_seen.json",
        "r4r": "r4r/R4R_val_seen.json",
        "fgr2r": "fgr2r/FGR2R_val_seen.json",
    }


def test_an_unknown_data_set_or_split_is_an_error_that_lists_the_known_ones(tmp_path):
    with pytest.raises(InputError, match="split 'train' of 'r2r' is missing; run `python scripts/data.py fetch r2r`"):
        split_file(tmp_path, "r2r", "train")
    (tmp_path / "r2r").mkdir()
    for split in ("val_unseen", "train"):
        (tmp_path / "r2r" / f"R2R_{split}.json").touch()
    with pytest.raises(InputError, match="split 'val' of 'r2r' is missing; use one of the splits train, val_unseen"):
        split_file(tmp_path, "r2r", "val")
    with pytest.raises(InputError, match="'reverie' is not known; use one of r2r, r4r, fgr2r"):
        split_file(tmp_path, "reverie", "train")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc, where nobody can write a file")
def test_a_folder_where_not_even_root_can_write_is_told_of():
    with pytest.raises(InputError, match=r"^/proc: the output folder is not writable; "):
        writable_folder(Path("/proc"))
