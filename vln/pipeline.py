"""Commands run one after another, as a demonstration does: in the foreground, and in the background with a log."""

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vln.console import Console
from vln.data import CHECKOUT
from vln.signals import Stopped

WAIT = 60  # seconds that an interrupted command may take to end


@dataclass(frozen=True)
class Step:
    """A command: what it does and about how many minutes it takes, for people, and its script and arguments."""

    what: str
    minutes: str
    line: tuple[str, ...]


def run_step(console: Console, step: Step, number: int, count: int) -> None:
    """Run a step in the foreground, which draws its own progress; exit with its code if it fails: it has said why."""
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
    """Return the command line of a script of this checkout."""
    return [sys.executable, str(CHECKOUT / "scripts" / line[0]), *line[1:]]


class Background(threading.Thread):
    """Commands that run one after the other in the background; their output goes to a file."""

    def __init__(self, lines: Sequence[Sequence[str]], log: Path) -> None:
        """Prepare commands; `start` runs them."""
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
        """Terminate the running command, which then writes a checkpoint, and start no other.

        By SIGTERM: a terminal has sent Ctrl-C to it already, and a second one would end it without a checkpoint.
        """
        with self._lock:
            self._stopped = True
            if self._process and self._process.poll() is None:
                self._process.terminate()
        self.join(WAIT)
