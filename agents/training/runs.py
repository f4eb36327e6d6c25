"""Folders of training runs: locked while a process trains in them, new or resumed, finished or not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.training.checkpoint import LATEST
from vln.console import Console
from vln.errors import InputError
from vln.files import remove_leftovers, write_text
from vln.lock import locked

FINISHED = "done"  # file that marks a run as finished


@contextmanager
def run_folder(out: Path, resume: bool, is_main: bool = True) -> Iterator[Path]:
    """Within the block, only this process writes to the folder of a run; leftovers of killed processes are removed.

    Of several workers only the main one locks it.
    """
    check_folder(out, resume)
    if not is_main:
        yield out
        return
    with locked(out):
        check_folder(out, resume)  # another process may have been here in between
        for folder in (out, *(each for each in out.iterdir() if each.is_dir())):
            remove_leftovers(folder)
        yield out


def check_folder(out: Path, resume: bool) -> Path:
    """Return the folder of a run after checking that it holds a run to resume, or none if a new one is to start."""
    if not resume and has_checkpoint(out):
        raise InputError(out, f"the folder already holds a run ({LATEST})", "pass --resume, or another --out")
    if resume and not has_checkpoint(out):
        raise InputError(out, f"there is no {LATEST} to resume from", "train without --resume, or correct --out")
    return out


def has_checkpoint(run: Path) -> bool:
    """Return whether a run has a checkpoint to resume from."""
    return (run / LATEST).exists()


def train_once(run: Path, title: str, train: Callable[[bool], object]) -> Path:
    """Start or resume a run, unless it is finished; `train` takes whether to resume."""
    if not (run / FINISHED).exists():
        Console(stderr=True).print(title, style="bold", highlight=False)
        train(has_checkpoint(run))
        write_text(run / FINISHED, "")
    return run
