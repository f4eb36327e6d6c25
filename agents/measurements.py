"""Measurements: the commands behind the tables of the documentation, and which of their scores are recorded."""

import datetime
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from agents.studies.trainings import minutes
from agents.training.checkpoint import LATEST
from vln.configuration import as_json, from_json
from vln.files import read_json, write_json
from vln.metrics import METRICS
from vln.pipeline import Step
from vln.records import Machine, Record, RecordRow, this_commit

Line = tuple[str, ...]
INTERVAL = " interval"


@dataclass(frozen=True)
class RowSource:
    """Where a row comes from."""

    what: str
    runs: tuple[str, ...]  # folders whose minutes of learning add up; none for agents that do not learn
    entry: str  # name in the scores


@dataclass(frozen=True)
class Measurement:
    """A measurement: `lines` gives the commands of a seed in a folder, short ones to try them if asked."""

    what: str
    hours: float  # a seed, on two cores
    split: str
    scored: str  # the folder with the scores of all rows
    rows: dict[str, RowSource]
    lines: Callable[[Path, int, bool], list[Line]]


def demo_lines(out: Path, seed: int, quick: bool) -> list[Line]:
    """The demonstration, as `make demo` runs it."""
    return [("demo.py", "--out", str(out), "--seed", str(seed), *(("--quick",) if quick else ()))]


def r2r_lines(select: str, checkpoint: str, out: Path, seed: int, quick: bool) -> list[Line]:
    """Imitation, critic, RCM and SIL on Room-to-Room."""

    def train(script: str, preset: str, name: str, iterations: str, *more: str) -> Line:
        short = (f"--{iterations}", "2") if quick else ()
        return (script, preset, "--out", str(out / name), "--seed", str(seed), "--threads", "1", *more, *short)

    def after(name: str) -> Line:
        return ("--critic", str(out / "speaker"), "--start-from", str(out / name / LATEST))

    chosen, imitation = ("--select", select), "imitation.iterations"
    few = ("--self-imitation.rounds", "1", "--self-imitation.episodes", "64") if quick else ()
    runs = [str(out / name) for name in ("imitation", "rcm", "sil")]
    return [
        train("train.py", "r2r-navigator", "imitation", imitation, *chosen, "--reinforcement.iterations", "0"),
        train("train_speaker.py", "r2r-speaker", "speaker", "iterations"),
        train("train.py", "r2r-rcm", "rcm", "reinforcement.iterations", *after("imitation"), *chosen),
        train("train.py", "r2r-sil", "sil", "self-imitation.iterations", *after("rcm"), *few),
        ("evaluate.py", *runs, "--checkpoint", checkpoint, "--split", "val_unseen"),
    ]


def houses_lines(out: Path, seed: int, quick: bool) -> list[Line]:
    """The preset `houses`, by two workers."""
    phases = ("label-pretraining", "imitation", "reinforcement")
    short = [flag for phase in phases for flag in (f"--{phase}.iterations", "2")] if quick else []
    few = ("--scenes", "4", "--imitation.rounds", "1", "--imitation.episodes", "64") if quick else ()
    run = str(out / "houses")
    return [
        ("train.py", "houses", "--out", run, "--seed", str(seed), "--workers", "2", *few, *short),
        ("evaluate.py", run, "--checkpoint", "latest", "--split", "val_unseen"),
    ]


BASELINES = {
    "shortest-path": RowSource("shortest path (knows the goal)", (), "shortest path"),
    "random": RowSource("random", (), "random"),
}
R2R_ROWS = {
    "imitation": RowSource("imitation", ("imitation",), "imitation"),
    "rcm": RowSource("+ RCM, with its critic", ("imitation", "speaker", "rcm"), "rcm"),
    "sil": RowSource("+ SIL, which explores these buildings", ("imitation", "speaker", "rcm", "sil"), "sil"),
    **BASELINES,
}
MEASUREMENTS = {
    "demo": Measurement(
        "The demonstration: one room, houses never seen",
        0.25,
        "val_unseen",
        "full",
        {
            "full": RowSource("**full**", ("full",), "full"),
            "blind": RowSource("blind: sees nothing, imitates as long", ("blind",), "blind"),
            "deaf": RowSource("deaf: reads nothing, imitates as long", ("deaf",), "deaf"),
            **BASELINES,
        },
        demo_lines,
    ),
    "r2r": Measurement(
        "Room-to-Room: imitation, RCM, SIL; the last checkpoints",
        1.0,
        "val_unseen",
        "sil",
        R2R_ROWS,
        partial(r2r_lines, "val_unseen", "latest"),
    ),
    "r2r-dev": Measurement(
        "The same; `dev`, training buildings held out, selects the checkpoints",
        1.0,
        "val_unseen",
        "sil",
        R2R_ROWS,
        partial(r2r_lines, "dev", "best"),
    ),
    "houses": Measurement(
        "The preset `houses`: paths through several rooms",
        2.0,
        "val_unseen",
        "houses",
        {"houses": RowSource("`houses`", ("houses",), "houses"), **BASELINES},
        houses_lines,
    ),
}


def steps_left(lines: Sequence[Line], out: Path) -> list[Step]:
    """The commands that have not ended well yet; a training that has begun is resumed."""
    done = [tuple(each["line"]) for each in finished(out)]
    return [Step(" ".join(resumed(line)), "", line) for line in lines if line not in done]


def resumed(line: Line) -> Line:
    """A training as a command that goes on, if it has begun; any other line as it is."""
    folder = Path(line[line.index("--out") + 1]) if "--out" in line else None
    if folder is None or not line[0].startswith("train") or not (folder / LATEST).exists():
        return line
    return (line[0], "--out", str(folder), "--resume")


def finished(out: Path) -> list[dict[str, Any]]:
    """What has ended well: `line` and `commit` of each command, and the `machine` as it was then."""
    file = out / "finished.json"
    return read_json(file) if file.exists() else []


def note_finished(line: Line, out: Path, machine: Machine) -> None:
    """Note that a command has ended well."""
    entry = {"line": list(line), "commit": this_commit(), "machine": as_json(machine)}
    write_json(out / "finished.json", [*finished(out), entry])


def make_record(measurement: Measurement, out: Path, seeds: Sequence[int]) -> Record:
    """Make the record of a measurement from the folders of its seeds, `out / "seed-0"` and so on."""
    folders = [out / f"seed-{seed}" for seed in seeds]
    done = [each for folder in folders for each in finished(folder)]
    return Record(
        measurement.what,
        measurement.split,
        sorted({each["commit"] for each in done}),
        datetime.datetime.now(datetime.UTC).date().isoformat(),
        from_json(Machine, done[0]["machine"], out),
        list(seeds),
        [command_of(each["line"], out) for each in finished(folders[0])],
        {name: recorded(measurement, row, folders) for name, row in measurement.rows.items()},
    )


def command_of(line: Sequence[str], out: Path) -> str:
    """A command as a reader types it."""
    script, *flags = line
    name = script.removesuffix(".py").replace("_", "-")
    return shlex.join(["vln", name, *(flag.replace(str(out / "seed-0"), "runs") for flag in flags)])


def recorded(measurement: Measurement, row: RowSource, folders: Sequence[Path]) -> RecordRow:
    """Read minutes and scores of a row from the folders of its seeds."""
    files = [folder / measurement.scored / "eval" / f"{measurement.split}.scores.json" for folder in folders]
    found = [read_json(file)[row.entry] for file in files]
    spent = [sum(minutes(folder / run) for run in row.runs) for folder in folders] if row.runs else []
    return RecordRow(
        row.what,
        spent,
        {name: [each[name] for each in found] for name in METRICS if name in found[0]},
        {name: [each[name + INTERVAL] for each in found] for name in METRICS if name + INTERVAL in found[0]},
    )
