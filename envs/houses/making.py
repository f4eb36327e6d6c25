"""Tasks of many houses, made in processes of their own.

They are started as commands rather than by `multiprocessing`, which would import the main module of whoever asks again
in each of them: a script without a main guard would start itself over and over.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

from vln.signals import ignoring_interrupts

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "import sys; sys.path.insert(0, sys.argv[1]); from envs.houses.making import answer; answer()"

Job = tuple[str, str, int, int]  # the arguments of `envs.houses.dataset.house_rows`


def made_by(workers: int, jobs: Sequence[Job]) -> Iterator[list[dict[str, Any]]]:
    """The rows of each job, in order, made by so many processes.

    Raises:
        RuntimeError: If a process ends before its work is done; it has said why on standard error.
    """
    command = [sys.executable, "-c", COMMAND, str(ROOT)]
    with ignoring_interrupts():  # they are ended below
        processes = [Popen(command, stdin=PIPE, stdout=PIPE, text=True) for _ in range(workers)]
    try:
        for number, process in enumerate(processes):
            _ask(process, jobs[number::workers])
        for number in range(len(jobs)):
            yield _answer(processes[number % workers])
    finally:
        for process in processes:
            _end(process)


def _ask(process: Popen[str], jobs: Sequence[Job]) -> None:
    assert process.stdin is not None
    with process.stdin:
        json.dump(jobs, process.stdin)


def _answer(process: Popen[str]) -> list[dict[str, Any]]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.endswith("\n"):
        raise RuntimeError(f"a process that makes houses ended with code {process.wait()}")
    return json.loads(line)


def _end(process: Popen[str]) -> None:
    """See that a process is gone, done or not."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def answer() -> None:
    """What each process does: a line for each job of standard input."""
    from envs.houses.dataset import house_rows

    lines = sys.stdout
    with redirect_stdout(sys.stderr):
        for job in json.load(sys.stdin):
            print(json.dumps(house_rows(*job)), file=lines, flush=True)
