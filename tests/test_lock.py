"""The lock of a folder: one process at a time, and released when a process dies."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import SMALL

from vln.errors import InputError
from vln.files import TEMPORARY
from vln.lock import LOCK, locked

ROOT = Path(__file__).parent.parent
HOLD = """
import sys
from pathlib import Path
from vln.lock import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that has the lock."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], env=environment, **pipes)
    assert process.stdout.readline() == "locked\n"
    return process


def told(folder: Path, other: subprocess.Popen[str]) -> str:
    return f"{folder}: process {other.pid} of {os.uname().nodename} is at work here; wait until it has ended."


def test_a_folder_has_one_process_at_a_time(tmp_path):
    with holder(tmp_path / "run") as other:
        with pytest.raises(InputError) as refused, locked(tmp_path / "run"):
            pass
        assert str(refused.value) == told(tmp_path / "run", other)
        other.stdin.close()
        assert other.wait() == 0
    assert not (tmp_path / "run").exists()
    with locked(tmp_path / "run"):
        assert (tmp_path / "run" / LOCK).read_text().startswith(f"process {os.getpid()} of ")
    assert not list(tmp_path.iterdir())


def test_a_killed_process_leaves_no_lock_behind(tmp_path):
    with holder(tmp_path) as other:
        other.send_signal(signal.SIGKILL)
    assert (tmp_path / LOCK).exists()
    with locked(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_what_was_made_for_the_lock_goes_unless_it_is_used(tmp_path):
    (tmp_path / "there").mkdir()
    for folder, used in (("there/a/b", False), ("there/c", True), ("there", False)):
        with locked(tmp_path / folder):
            if used:
                (tmp_path / folder / "mine").touch()
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == [
        "there",
        "there/c",
        "there/c/mine",
    ]


def test_a_file_system_without_locks_has_none(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    with locked(tmp_path), locked(tmp_path):
        pass


RUNS = {
    "train.py": ("train.py", "r2r-navigator", *SMALL),
    "train_speaker.py": ("train_speaker.py", "r2r-speaker", "--iterations", 1),
    "language.py": ("language.py", "train", "--text", "r2r", "--iterations", 1),
}


@pytest.mark.parametrize("script", RUNS)
def test_a_second_run_in_a_folder_is_refused_and_does_no_harm(run, tmp_path, script):
    folder = tmp_path / "run"
    with holder(folder) as other:
        result = run(*RUNS[script], "--out", folder)
        assert result.code == 2
        assert result.errors == told(folder, other) + "\n"
        assert [path.name for path in folder.iterdir()] == [LOCK]
        other.stdin.close()


def test_a_run_removes_what_killed_ones_were_writing_and_nothing_else(run, tmp_path):
    folder = tmp_path / "run"
    for name in (f".latest{TEMPORARY}x.safetensors", f"dagger/.000{TEMPORARY}y.safetensors", ".keep", "notes.tmp"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert (
        run(*RUNS["train.py"], "--out", folder, "--reinforcement.iterations", 0, "--imitation.iterations", 1).code == 0
    )
    assert not list(folder.rglob(f".*{TEMPORARY}*"))
    assert {".keep", "notes.tmp", "dagger"} <= {path.name for path in folder.iterdir()}
    assert not (folder / LOCK).exists()
