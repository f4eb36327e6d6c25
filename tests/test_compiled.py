"""Compiled code on disk is discarded if and only if a source file of its folder changes."""

import pytest

from envs.compiled import STAMP, forget_stale
from envs.warm import warm_navigation, warm_renderer


def test_kept_code_goes_when_a_source_changes(tmp_path):
    (tmp_path / "one.py").write_text("a = 1")
    (tmp_path / "two.py").write_text("b = 2")
    kept = tmp_path / "__pycache__"
    forget_stale(tmp_path)
    assert [path.name for path in kept.iterdir()] == [STAMP]
    names = ("one.f-1.py311.nbi", "one.f-1.py311.1.nbc", "one.cpython-311.pyc")
    for name in names:
        (kept / name).write_text("compiled")
    forget_stale(tmp_path)
    assert {path.name for path in kept.iterdir()} == {STAMP, *names}
    (tmp_path / "two.py").write_text("b = 3")
    forget_stale(tmp_path)
    assert {path.name for path in kept.iterdir()} == {STAMP, names[-1]}


def test_a_folder_that_cannot_be_written_to_is_left_alone(tmp_path):
    (tmp_path / "one.py").write_text("a = 1")
    (tmp_path / "__pycache__").write_text("a file where the folder would be")
    forget_stale(tmp_path)
    assert (tmp_path / "__pycache__").read_text().startswith("a file")


@pytest.mark.parametrize("part", [warm_navigation, warm_renderer])
def test_what_is_compiled_beforehand_runs(part):
    part()
