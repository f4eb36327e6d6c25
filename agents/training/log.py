"""What a run shows and writes down: a progress bar, JSON lines, TensorBoard."""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from torch.utils.tensorboard import SummaryWriter

from vln.console import Console
from vln.errors import InputError
from vln.files import read_json_lines, write_json_lines, writing
from vln.schema import Count, convert_value

EVERY = 20  # updates whose numbers are averaged into one line of the log
Scores = dict[str, dict[str, float]]


class Run(Protocol):
    """What a log shows of a run.

    Attributes:
        iteration: Updates done.
        steps: What they have learnt from, e.g. steps of episodes.
        seconds: Time they took.
    """

    iteration: int
    steps: int
    seconds: float

    @property
    def iterations(self) -> int:
        """Updates of the whole run."""

    @property
    def stage(self) -> str:
        """What the next update is a part of, in a word."""

    @property
    def stage_left(self) -> int:
        """Updates of that part which are still to come."""

    def headline(self, row: Mapping[str, float]) -> str:
        """What matters of the scores of a split, in words."""


class StageClock:
    """Estimates when the current stage of a run ends; updates of other stages take other times."""

    def __init__(self) -> None:
        self._stage, self._updates, self._started = "", 0, 0.0

    def time_left(self, trainer: Run) -> str:
        """How long the rest of the stage takes at the mean rate of this stage so far, for people."""
        if trainer.stage != self._stage:
            self._stage, self._updates, self._started = trainer.stage, trainer.iteration, time.monotonic()
        done = trainer.iteration - self._updates
        if not done:
            return f"{self._stage} ends in -:--:--"
        seconds = (time.monotonic() - self._started) / done * trainer.stage_left
        return f"{self._stage} ends in {timedelta(seconds=round(seconds))}"


class Log:
    """Numbers of a run, in `metrics.jsonl` and `tensorboard/` of its folder and on the screen."""

    def __init__(self, folder: Path, console: Console | None = None) -> None:
        self._file, self._boards = folder / "metrics.jsonl", folder / "tensorboard"
        self._console = console or Console(stderr=True)
        self._board: SummaryWriter | None = None
        # Numbers of updates that are no line yet; checkpoints keep them.
        self.waiting: list[dict[str, float]] = []
        self._lined = (0, 0.0)  # steps and seconds of the run at the last line
        self._bar: Progress | None = None
        self._clock = StageClock()

    def rewind(self, iteration: int) -> None:
        """Forget what was logged after `iteration`: a resumed run writes the same log as an uninterrupted one."""
        with writing(self._boards):
            self._board = SummaryWriter(str(self._boards), purge_step=iteration + 1 if iteration else None)
        if self._file.is_file():
            write_json_lines(self._file, [row for row in self._rows() if row["iteration"] <= iteration])

    def _rows(self) -> Iterator[dict[str, Any]]:
        """What was logged, up to a line that a crash cut off."""
        with suppress(InputError):
            yield from read_metrics(self._file)

    @contextmanager
    def progress(self, trainer: Run) -> Iterator[None]:
        """A progress bar over the updates, with rate and time left."""
        self._lined = trainer.steps, trainer.seconds
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
        )
        with _quiet_write_errors(), Progress(*columns, console=self._console) as self._bar:
            left, done = self._clock.time_left(trainer), trainer.iteration
            self._task = self._bar.add_task("training", total=trainer.iterations, completed=done, rate="", left=left)
            yield

    @contextmanager
    def evaluating(self, split: str, episodes: int) -> Iterator[Callable[[int], object]]:
        """Within the block a second bar counts the episodes of an evaluation; call what is yielded as they end."""
        if self._bar is None:
            yield lambda _: None
            return
        task = self._bar.add_task(f"evaluating {split}", total=episodes, rate="", left="")
        try:
            yield partial(self._bar.advance, task)
        finally:
            self._bar.remove_task(task)

    def collected(self, trainer: Run, left: int) -> None:
        """Show that experience was added to a data set, with so many batches left before the next update."""
        if self._bar is not None:
            rate = f"{trainer.steps / trainer.seconds:.0f} steps/s, {left} batches left"
            self._bar.update(self._task, description="collecting", rate=rate, left=self._clock.time_left(trainer))

    def update(self, trainer: Run, numbers: dict[str, float]) -> None:
        """Note the numbers of an update."""
        self.waiting.append(numbers)
        if self._bar is not None:
            rate = f"{trainer.steps / trainer.seconds:.0f} steps/s loss {numbers['loss']:.2f}"
            left, done = self._clock.time_left(trainer), trainer.iteration
            self._bar.update(self._task, description=trainer.stage, completed=done, rate=rate, left=left)
        if trainer.iteration % EVERY == 0 or trainer.iteration == trainer.iterations:
            names = dict.fromkeys(name for row in self.waiting for name in row)
            means = {name: _mean([row[name] for row in self.waiting if name in row]) for name in names}
            self.waiting = []
            steps, seconds = self._lined
            self._lined = (trainer.steps, trainer.seconds)
            means["steps_per_second"] = (trainer.steps - steps) / max(trainer.seconds - seconds, 1e-9)
            self._write(trainer, "train", means)

    def scores(self, trainer: Run, scores: Scores) -> None:
        """Note an evaluation."""
        for split, row in scores.items():
            self._write(trainer, split, row)
        shown = "  ".join(f"{split} {trainer.headline(row)}" for split, row in scores.items())
        self.say(f"iteration {trainer.iteration}, {trainer.seconds / 60:.1f} min: {shown}")

    def text(self, trainer: Run, group: str, text: str) -> None:
        """Note a text that a run has made."""
        assert self._board is not None, "call rewind first"
        self._append(trainer, group, {"text": text})
        with writing(self._boards):
            self._board.add_text(group, text, trainer.iteration)
        self.say(f"{group} after iteration {trainer.iteration}: {text}")

    def say(self, text: str) -> None:
        """Show a line to whoever watches."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def _write(self, trainer: Run, group: str, numbers: dict[str, float]) -> None:
        assert self._board is not None, "call rewind first"
        # JSON has no NaN; a number that is none (the explained variance of nothing) is left out.
        numbers = {name: value for name, value in numbers.items() if math.isfinite(value)}
        self._append(trainer, group, {name: round(value, 5) for name, value in numbers.items()})
        with writing(self._boards):
            for name, value in numbers.items():
                self._board.add_scalar(f"{group}/{name}", value, trainer.iteration)
            self._board.flush()

    def _append(self, trainer: Run, group: str, values: Mapping[str, Any]) -> None:
        """Add a line to the file."""
        row = {"iteration": trainer.iteration, "seconds": round(trainer.seconds, 1), "group": group, **values}
        with writing(self._file), self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


@contextmanager
def _quiet_write_errors() -> Iterator[None]:
    """Within the block, threads that cannot write end without a word; TensorBoard raises their errors later."""
    before = threading.excepthook

    def hook(thread: Any) -> None:
        if not isinstance(thread.exc_value, OSError):
            before(thread)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


class _Line(Struct):
    """What every line of `metrics.jsonl` has, besides numbers, or a text."""

    iteration: Count
    seconds: float
    group: str


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a `metrics.jsonl`, each with `iteration`, `seconds`, `group` and the numbers, or the text, of that.

    Raises:
        InputError: If the file is missing, or a line is none.
    """
    fix = "train again, or give another run"
    for number, row in read_json_lines(path, dict[str, int | float | str], fix):
        convert_value(row, _Line, path, fix, f"line {number}")
        yield row


class Silence(Log):
    """A log that says and writes nothing, of workers whose first has a log of its own."""

    def __init__(self) -> None:
        super().__init__(Path(), Console(quiet=True))

    def rewind(self, iteration: int) -> None:
        """There is nothing to forget."""

    @contextmanager
    def progress(self, trainer: Run) -> Iterator[None]:
        """Nobody watches."""
        yield

    def _write(self, trainer: Run, group: str, numbers: dict[str, float]) -> None:
        pass


def _mean(values: list[float]) -> float:
    """Mean of the numbers that are finite; NaN of nothing."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan
