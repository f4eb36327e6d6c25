"""Making the tasks of many houses in subprocesses.

They are started as commands, not by `multiprocessing`, which imports the main module again in each process: a script
without a main guard would start itself recursively.
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


def make_in_processes(workers: int, jobs: Sequence[Job]) -> Iterator[list[dict[str, Any]]]:
    """Iterate over the rows of each job, in order, computed by a number of processes.

    Raises:
        RuntimeError: If a process ends before its work is done; its error message is on standard error.
    """
    command = [sys.executable, "-c", COMMAND, str(ROOT)]
    with ignoring_interrupts():  # the processes are killed below
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
    """Kill a process, finished or not, and close its pipes."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def answer() -> None:
    """Run in a subprocess: print a line of JSON for each job of standard input."""
    from envs.houses.dataset import house_rows

    lines = sys.stdout
    with redirect_stdout(sys.stderr):
        for job in json.load(sys.stdin):
            print(json.dumps(house_rows(*job)), file=lines, flush=True)
