"""Where the log of a run goes: JSON lines, TensorBoard, Weights & Biases, and what such a sink is."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from msgspec import Struct
from torch.utils.tensorboard import SummaryWriter

from vln.errors import InputError
from vln.files import append_json_lines, read_json_lines, read_text, write_json_lines, write_text, writing
from vln.packages import import_extra
from vln.schema import Count, convert_value

Metrics = Mapping[str, float | str]


class LogSink:
    """Takes what a run logs. A subclass, or a class with these methods, is registered in `LOG_SINKS`."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        """A sink of the run in a folder, with its configuration as JSON has it; nothing may be written yet."""
        self.folder, self.config = folder, config

    def start(self, step: int) -> None:
        """Begin after update `step`, 0 in a new run. Forget what was logged after it.

        A killed run goes on from its latest checkpoint, so that it comes again to what it logged after that.
        """

    def log(self, step: int, metrics: Metrics) -> None:
        """Note numbers of update `step`, all finite, by names such as "train/loss" or "val_unseen/SPL".

        They are of one group, which comes before the "/". `seconds` is the time that the run has taken so far. A
        language model also logs a string, a text that it wrote.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End: the run has ended, or was stopped, or failed. A killed process does not come to this."""


class JsonLines(LogSink):
    """`metrics.jsonl`; a resumed run leaves the same file as an uninterrupted one."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        super().__init__(folder, config)
        self._file = folder / "metrics.jsonl"

    def start(self, step: int) -> None:
        """Keep the lines up to an update."""
        if self._file.is_file():
            write_json_lines(self._file, [row for row in self._rows() if row["iteration"] <= step])

    def _rows(self) -> Iterator[dict[str, Any]]:
        """What was logged, up to a line that a crash cut off."""
        with suppress(InputError):
            yield from read_metrics(self._file)

    def log(self, step: int, metrics: Metrics) -> None:
        """Add a line."""
        row: dict[str, Any] = {"iteration": step, "seconds": round(float(metrics["seconds"]), 1)}
        for name, value in metrics.items():
            group, slash, key = name.partition("/")
            if slash:
                row |= {"group": group, key: value if isinstance(value, str) else round(value, 5)}
        append_json_lines(self._file, [row])


class TensorBoard(LogSink):
    """Event files for TensorBoard in the folder `tensorboard`."""

    _board: SummaryWriter | None = None

    def start(self, step: int) -> None:
        """Open the folder; TensorBoard does not show what is there after an update."""
        with writing(self.folder / "tensorboard"):
            self._board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=step + 1 if step else None)

    def log(self, step: int, metrics: Metrics) -> None:
        """Add scalars, or a text; the time is in the files anyway."""
        assert self._board is not None, "call start first"
        with writing(self.folder / "tensorboard"):
            for name, value in metrics.items():
                if isinstance(value, str):
                    self._board.add_text(name.removesuffix("/text"), value, step)
                elif name != "seconds":
                    self._board.add_scalar(name, value, step)
            self._board.flush()

    def close(self) -> None:
        """Close the files; all is written already."""
        if self._board is not None:
            with suppress(OSError):
                self._board.close()


class WeightsAndBiases(LogSink):
    """A run at Weights & Biases, in which a resumed run goes on: its id is in the file `wandb-id` of the run's folder.

    W&B's own environment variables say where it is, such as WANDB_PROJECT ("vln" if not set) and WANDB_MODE=offline.
    What was on its way there when the process was killed may be missing; `metrics.jsonl` has it.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        super().__init__(folder, config)
        self._wandb = import_extra("wandb", "wandb", "--log wandb")
        self._run: Any = None

    def start(self, step: int) -> None:
        """Open the run. W&B drops what it is told again of steps that it has."""
        file = self.folder / "wandb-id"
        if not file.is_file():
            write_text(file, uuid4().hex)
        given = {"project": os.environ.get("WANDB_PROJECT", "vln"), "name": self.folder.resolve().name}
        self._run = self._wandb.init(
            **given, id=read_text(file), resume="allow", dir=str(self.folder), config=dict(self.config)
        )

    def log(self, step: int, metrics: Metrics) -> None:
        """Send numbers."""
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        """Wait until all is sent."""
        self._run.finish()


class _Line(Struct):
    """What every line of `metrics.jsonl` has, besides numbers, or a text."""

    iteration: Count
    seconds: float
    group: str


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a `metrics.jsonl`, each with `iteration`, `seconds`, `group` and the numbers, or the text, of it."""
    fix = "train again, or give another run"
    for number, row in read_json_lines(path, dict[str, int | float | str], fix):
        convert_value(row, _Line, path, fix, f"line {number}")
        yield row
