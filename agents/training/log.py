"""What a run shows and writes down: a progress bar, and the lines that its sinks take."""

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from agents.registry import LOG_SINKS
from agents.training.sinks import LogSink
from vln.console import Console

EVERY = 20  # updates whose numbers are averaged into one line of the log
JSON_LINES = "json-lines"  # the sink that all runs have: studies read it
SINKS = ("tensorboard",)  # besides, if nothing is said
Scores = dict[str, dict[str, float]]


class Run(Protocol):
    """What a log shows of a run."""

    iteration: int  # Updates done
    steps: int  # What they have learnt from, e.g. steps of episodes
    seconds: float  # Time they took

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
    """Numbers of a run, on the screen and in its sinks: `metrics.jsonl`, and those that are chosen."""

    def __init__(
        self,
        folder: Path,
        sinks: Iterable[str] = SINKS,
        config: Mapping[str, Any] | None = None,
        console: Console | None = None,
    ) -> None:
        """A log of the run in a folder, with its configuration as JSON has it."""
        names = dict.fromkeys((JSON_LINES, *sinks))
        self._sinks: list[LogSink] = [LOG_SINKS.find(name)(folder, config or {}) for name in names]
        self._console = console or Console(stderr=True)
        # Numbers of updates that are no line yet; checkpoints keep them.
        self.waiting: list[dict[str, float]] = []
        self._lined = (0, 0.0)  # steps and seconds of the run at the last line
        self._bar: Progress | None = None
        self._clock = StageClock()

    def rewind(self, iteration: int) -> None:
        """Forget what was logged after `iteration`: a resumed run writes the same log as an uninterrupted one."""
        for sink in self._sinks:
            sink.start(iteration)

    @contextmanager
    def progress(self, trainer: Run) -> Iterator[None]:
        """A progress bar over the updates, with rate and time left; after it the sinks are closed."""
        self._lined = trainer.steps, trainer.seconds
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
        )
        with _quiet_write_errors(), ExitStack() as closing, Progress(*columns, console=self._console) as self._bar:
            for sink in self._sinks:
                closing.callback(sink.close)
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
        self._write(trainer, group, {"text": text})
        self.say(f"{group} after iteration {trainer.iteration}: {text}")

    def say(self, text: str) -> None:
        """Show a line to whoever watches."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def _write(self, trainer: Run, group: str, values: Mapping[str, float | str]) -> None:
        # JSON has no NaN; a number that is none (the explained variance of nothing) is left out.
        known = {name: each for name, each in values.items() if isinstance(each, str) or math.isfinite(each)}
        metrics = {"seconds": trainer.seconds, **{f"{group}/{name}": each for name, each in known.items()}}
        for sink in self._sinks:
            sink.log(trainer.iteration, metrics)


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


class Silence(Log):
    """A log that says and writes nothing, of workers whose first has a log of its own."""

    def __init__(self) -> None:
        super().__init__(Path(), (), console=Console(quiet=True))

    def rewind(self, iteration: int) -> None:
        """There is nothing to forget."""

    @contextmanager
    def progress(self, trainer: Run) -> Iterator[None]:
        """Nobody watches."""
        yield

    def _write(self, trainer: Run, group: str, values: Mapping[str, float | str]) -> None:
        pass


def _mean(values: list[float]) -> float:
    """Mean of the numbers that are finite; NaN of nothing."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan
