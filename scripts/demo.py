"""Run the demonstration: make houses, train three agents, compare them, draw what they did.

    python scripts/demo.py                       # what `make demo` runs; ten to twenty minutes on two cores
    python scripts/demo.py --out runs/quick --quick    # a few minutes, to see that everything works

The full agent learns in the foreground. Two agents to compare with learn meanwhile in the background: a deaf one (it
reads nothing) and a blind one (it sees nothing), which imitate as long and are not reinforced.
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from agents.presets import PRESETS
from agents.training.trainer import LATEST
from vln.cli import command
from vln.console import Console
from vln.data import CHECKOUT
from vln.errors import InputError
from vln.files import writable_folder
from vln.signals import Stopped

PRESET, FEW_HOUSES = "houses-demo", 4
QUICK = (
    *("--scenes", str(FEW_HOUSES), "--label-pretraining.iterations", "2", "--imitation.iterations", "4"),
    *("--imitation.rounds", "1", "--imitation.episodes", "64", "--reinforcement.iterations", "1"),
)
DEAF = ("--reinforcement.iterations", "0", "--ablate", "language")
BLIND = ("--reinforcement.iterations", "0", "--ablate", "vision", "--label-pretraining.iterations", "0")
WAIT = 60  # seconds that interrupted training may take to write its checkpoint


@dataclass(frozen=True)
class Step:
    """A command of the demonstration.

    Attributes:
        what: What it does, for people.
        minutes: About how long it takes on two cores, for people.
        line: Script and arguments.
    """

    what: str
    minutes: str
    line: tuple[str, ...]


def main(out: Path = Path("runs/demo"), quick: bool = False) -> None:
    """Run the demonstration; the same command goes on where an interrupted one stopped.

    Args:
        out: Folder of its runs and figures.
        quick: Learn for a moment in a few houses, to see that everything works; the agents know nothing.
    """
    writable_folder(out)
    steps, log = plan(out, quick), out / "others.log"
    others = Background([train(out / "deaf", quick, DEAF), train(out / "blind", quick, BLIND)], log)
    console = Console(stderr=True)
    announce(console, steps, out)
    run(console, steps[0], 1, len(steps))
    others.start()
    try:
        run(console, steps[1], 2, len(steps))
        with console.status(f"waiting for the deaf and the blind agent; see {log}"):
            others.join()
    finally:
        others.stop()
    if others.code:
        raise InputError(log, "an agent to compare with failed", "read the last lines of the file, and run this again")
    for number, step in enumerate(steps[2:], 3):
        run(console, step, number, len(steps))


def plan(out: Path, quick: bool) -> list[Step]:
    """The steps of the demonstration, in order."""
    lived = str(out / "full" / "eval" / "val_unseen.jsonl")
    drawn = ("--out", str(out / "replay"), "--format", "png", "gif")
    houses = FEW_HOUSES if quick else PRESETS[PRESET]().scenes or 0
    agents = [str(out / name) for name in ("full", "blind", "deaf")]
    episodes = ("make_episodes.py", "--dataset", "houses-short", "--houses", str(houses), "--examples", "1")
    return [
        Step(f"make the episodes of {houses} houses", "1", episodes),
        Step(
            "train the full agent; beside it a deaf and a blind one",
            "1" if quick else "5 to 15",
            train(out / "full", quick),
        ),
        Step("evaluate all three in 40 houses never seen", "1", ("evaluate.py", *agents, "--split", "val_unseen")),
        Step("draw the two best episodes", "1/2", ("replay.py", lived, "--best", "2", *drawn)),
        Step("draw two episodes at random", "1/2", ("replay.py", lived, "--random", "2", *drawn)),
    ]


def train(folder: Path, quick: bool, flags: Sequence[str] = ()) -> tuple[str, ...]:
    """The command that trains an agent in a folder, or goes on training it."""
    resume = ("--resume",) if (folder / LATEST).exists() else ()
    return ("train.py", PRESET, "--out", str(folder), "--threads", "1", *(QUICK if quick else ()), *flags, *resume)


def announce(console: Console, steps: Sequence[Step], out: Path) -> None:
    """Say what is about to be done and how long it takes."""
    table = Table("step", "what", "minutes", title=f"the demonstration, in {out}", box=None)
    for number, step in enumerate(steps, 1):
        table.add_row(str(number), step.what, step.minutes)
    console.print(table)


def run(console: Console, step: Step, number: int, count: int) -> None:
    """Run a step in the foreground; it draws its own progress.

    Raises:
        SystemExit: With its exit code, if it fails; it has said why.
        KeyboardInterrupt: If it was interrupted.
    """
    console.print(f"\n{number}/{count} {step.what}", highlight=False)
    process = subprocess.Popen(command_line(step.line))
    try:
        code = process.wait()
    except KeyboardInterrupt as stop:
        console.print("stopping; the same command goes on from the last checkpoint")
        # The terminal sends Ctrl-C to the step as well, and nobody sends it other signals.
        if isinstance(stop, Stopped) and stop.number != signal.SIGINT:
            process.terminate()
        with suppress(subprocess.TimeoutExpired):  # it ends by itself
            process.wait(WAIT)
        raise
    if code:
        sys.exit(code)


def command_line(line: Sequence[str]) -> list[str]:
    """The command line of a script of this checkout."""
    return [sys.executable, str(CHECKOUT / "scripts" / line[0]), *line[1:]]


class Background(threading.Thread):
    """Commands that run one after the other beside the foreground; what they print goes to a file."""

    def __init__(self, lines: Sequence[Sequence[str]], log: Path) -> None:
        """Commands that have not been started."""
        super().__init__()
        self._lines, self._log = lines, log
        self._process: subprocess.Popen[bytes] | None = None
        self._lock, self._stopped, self.code = threading.Lock(), False, 0

    def run(self) -> None:
        """Run them until one fails."""
        with self._log.open("wb") as file:
            for line in self._lines:
                with self._lock:  # so that nothing starts once it is stopped
                    if self._stopped or self.code:
                        return
                    self._process = subprocess.Popen(command_line(line), stdout=file, stderr=file)
                self.code = self._process.wait()

    def stop(self) -> None:
        """End the command that runs, which then writes a checkpoint, and start no other.

        By SIGTERM: a terminal has sent Ctrl-C to it already, and a second one would end it without a checkpoint.
        """
        with self._lock:
            self._stopped = True
            if self._process and self._process.poll() is None:
                self._process.terminate()
        self.join(WAIT)


if __name__ == "__main__":
    command(main)
