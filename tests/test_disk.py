"""Full disks, vanished folders and read-only places: one sentence each, and nothing is lost."""

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import ROOT, SMALL, Result

from agents.training.checkpoint import BEST, LATEST, load_checkpoint, save_checkpoint
from agents.training.trainer import Trainer
from vln.cli import friendly_exit
from vln.errors import WriteError
from vln.features.dense import reserve
from vln.files import TEMPORARY, remove_leftovers, replacing, write_json_lines, write_text, writing

TRAIN = ("train.py", "r2r-navigator", *SMALL)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Within the block the system refuses to write more to a file, as a full disk or a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def one_sentence(result: Result, *parts: str) -> None:
    """Check that the last line on stderr is the error's sentence; the lines before it show progress."""
    assert result.code == 2, result.errors
    assert "Traceback" not in result.errors
    last = result.errors.strip().splitlines()[-1]
    assert all(part in last for part in parts), last


# --- files ---


def save_an_array(temporary: Path) -> None:
    with temporary.open("wb") as file:
        np.save(file, np.zeros(5000))


WRITERS: dict[str, Callable[[Path], Any]] = {
    "text": lambda path: write_text(path, "x" * 5000),
    "lines": lambda path: write_json_lines(path, range(5000)),
    "checkpoint": lambda path: save_checkpoint(path, {"model": {"a": torch.zeros(5000)}}, {}),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_told_and_the_old_file_kept(tmp_path, writer):
    path = tmp_path / "file"
    path.write_text("old")
    with files_of_at_most(1000), pytest.raises(WriteError) as refused:
        WRITERS[writer](path)
    assert (
        str(refused.value) == f"{path}: cannot be written (File too large); raise the limit of file sizes (ulimit -f)."
    )
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_array_that_does_not_fit_is_told_though_numpy_tells_no_number(tmp_path):
    with (
        files_of_at_most(1000),
        pytest.raises(WriteError, match="cannot be written"),
        replacing(tmp_path / "a") as path,
    ):
        save_an_array(path)
    assert not list(tmp_path.iterdir())


def test_a_mapped_file_has_its_room_before_it_is_written(tmp_path):
    """A page for which there is none would kill the process."""
    path = tmp_path / "a.npy"
    np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(100_000,))
    assert path.stat().st_blocks * 512 < path.stat().st_size
    reserve(path)
    assert path.stat().st_blocks * 512 >= path.stat().st_size > 200_000


@pytest.mark.parametrize(
    ("number", "fix"),
    [
        (errno.ENOSPC, "make room on the disk"),
        (errno.EDQUOT, "make room on the disk"),
        (errno.ESTALE, "bring its folder back"),
        (errno.EROFS, "choose a place that is not read-only"),
        (errno.EIO, "check the disk and its free space"),
    ],
)
def test_each_refusal_has_a_cure(tmp_path, number, fix):
    with pytest.raises(WriteError) as refused, writing(tmp_path / "a"):
        raise OSError(number, os.strerror(number))
    assert str(refused.value) == f"{tmp_path / 'a'}: cannot be written ({os.strerror(number)}); {fix}."


def test_a_file_that_cannot_be_read_is_no_fault_of_what_is_written(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "out" / "a"):
        (tmp_path / "missing").read_text()


def test_a_folder_that_has_vanished_is_not_made_again_for_a_checkpoint(tmp_path):
    with pytest.raises(WriteError, match="No such file or directory.; bring its folder back"):
        save_checkpoint(tmp_path / "gone" / LATEST, {"model": {"a": torch.zeros(1)}}, {})
    assert not list(tmp_path.iterdir())


def test_what_killed_writers_have_left_is_removed_and_what_is_being_written_stays(tmp_path):
    program = """
import os, sys
from pathlib import Path
from vln.files import replacing
with replacing(Path(sys.argv[1])) as path:
    path.write_text("half")
    os._exit(9)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "killed.json")], env=environment, check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(f".killed{TEMPORARY}")
    (tmp_path / ".notes.json").touch()
    with replacing(tmp_path / "alive.json") as path:
        path.write_text("half")
        remove_leftovers(tmp_path)
        assert path.exists()
    assert {path.name for path in tmp_path.iterdir()} == {".notes.json", "alive.json"}


# --- scripts ---


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory) -> Path:
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("disk") / "whole"
    assert run(*TRAIN, "--out", folder).code == 0
    return folder


@pytest.fixture
def own(whole, tmp_path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def same_end(run: Callable[..., Result], folder: Path, whole: Path) -> None:
    """A run that is resumed ends as the uninterrupted one did."""
    assert run(*TRAIN, "--out", folder, "--resume").code == 0
    for name in (LATEST, BEST):
        one, other = load_checkpoint(folder / name), load_checkpoint(whole / name)
        assert all(torch.equal(value, other.tensors[tensor]) for tensor, value in one.tensors.items())
    assert not list(folder.glob(".*"))


def test_a_disk_that_gets_full_ends_training_and_keeps_the_last_checkpoint(run, whole, tmp_path, monkeypatch):
    folder, evaluate = tmp_path / "run", Trainer.evaluate

    def full(self: Trainer) -> object:
        with files_of_at_most(10_000 if self.iteration == 4 else resource.RLIM_INFINITY):
            return evaluate(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "evaluate", full)
        result = run(*TRAIN, "--out", folder)
    one_sentence(result, f"{folder / LATEST}: cannot be written (File too large)", "and go on with --resume.")
    assert load_checkpoint(folder / LATEST).state["iteration"] == 2
    same_end(run, folder, whole)


def test_a_run_for_which_there_is_no_room_can_start_again(run, whole, tmp_path):
    with files_of_at_most(10_000):
        result = run(*TRAIN, "--out", tmp_path / "run")
    one_sentence(result, f"{tmp_path / 'run' / LATEST}: cannot be written (File too large)", "and start again.")
    result = run(*TRAIN, "--out", tmp_path / "run", "--imitation.iterations", 0, "--reinforcement.iterations", 1)
    assert result.code == 0


@pytest.mark.parametrize("name", ["metrics.jsonl", "tensorboard"])
def test_a_log_that_does_not_fit_ends_training(run, whole, tmp_path, monkeypatch, name):
    folder, update = tmp_path / "run", Trainer.update

    def fill(self: Trainer) -> dict[str, float]:
        if self.iteration == 1:
            place = folder / name
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
            place.mkdir() if name == "metrics.jsonl" else place.touch()
        return update(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "update", fill)
        result = run(*TRAIN, "--out", folder)
    one_sentence(result, f"{folder / name}: cannot be written", "and go on with --resume.")
    place = folder / name
    place.rmdir() if place.is_dir() else place.unlink()
    same_end(run, folder, whole)


def test_a_run_whose_folder_vanishes_ends_and_goes_on_once_it_is_back(run, whole, tmp_path, monkeypatch):
    folder, away, update = tmp_path / "run", tmp_path / "away", Trainer.update

    def vanish(self: Trainer) -> dict[str, float]:
        if self.iteration == 1:
            folder.rename(away)
        return update(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "update", vanish)
        result = run(*TRAIN, "--out", folder)
    one_sentence(result, "No such file or directory", "bring its folder back, and go on with --resume.")
    assert not folder.exists()
    away.rename(folder)
    same_end(run, folder, whole)


def test_an_evaluation_that_does_not_fit_keeps_the_one_before(run, own):
    assert run("evaluate.py", own).code == 0
    before = {path.name: path.read_bytes() for path in (own / "eval").iterdir()}
    with files_of_at_most(2000):
        result = run("evaluate.py", own, "--decoding", "sample")
    one_sentence(result, f"{own / 'eval' / 'val_unseen.jsonl'}: cannot be written (File too large)")
    assert {path.name: path.read_bytes() for path in (own / "eval").iterdir()} == before


def test_a_replay_that_does_not_fit_leaves_no_half_figure(run, own, tmp_path):
    assert run("evaluate.py", own).code == 0
    for kind in ("png", "mp4"):
        with files_of_at_most(2000):
            result = run(
                "replay.py", own / "eval" / "val_unseen.jsonl", "--best", 1, "--out", tmp_path / kind, "--format", kind
            )
        one_sentence(result, f"{tmp_path / kind}", "cannot be written")
        assert not list((tmp_path / kind).iterdir())


def test_output_that_goes_nowhere_is_told(capsys):
    """As it is where the output goes to a file of a full disk."""
    program = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}]
from vln.cli import friendly_exit
with friendly_exit():
    print("a table")
"""
    with Path("/dev/full").open("w") as full:
        found = subprocess.run(
            [sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert found.returncode == 2
    assert found.stderr == "the output: cannot be written (No space left on device); make room on the disk.\n"
    with pytest.raises(SystemExit) as ended, friendly_exit():
        Path("/proc/version/none").touch()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "/proc/version/none: cannot be used (Not a directory); bring its folder back.\n"


def test_a_fault_of_the_program_is_no_fault_of_the_disk():
    with pytest.raises(ConnectionRefusedError), friendly_exit():
        raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
