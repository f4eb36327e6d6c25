"""Run the demonstration: make houses, train three agents, compare them, draw what they did.

    python scripts/demo.py                       # what `make demo` runs; ten to twenty minutes on two cores
    python scripts/demo.py --out runs/quick --quick    # a few minutes, to see that everything works

The full agent learns in the foreground. Two agents to compare with learn meanwhile in the background: a deaf one (it
reads nothing) and a blind one (it sees nothing), which imitate as long and are not reinforced.
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from agents.demo import BLIND, DEAF, demo_steps, training_command
from vln.cli import command
from vln.console import Console
from vln.errors import InputError
from vln.files import writable_folder
from vln.pipeline import Background, Step, run_step


def main(out: Path = Path("runs/demo"), quick: bool = False, seed: int = 0) -> None:
    """Run the demonstration; the same command goes on where an interrupted one stopped.

    Args:
        out: Folder of its runs and figures.
        quick: Learn for a moment in a few houses, to see that everything works; the agents know nothing.
        seed: Seed of the agents.
    """
    writable_folder(out)
    steps, log = demo_steps(out, quick, seed), out / "others.log"
    others = Background(
        [training_command(out / name, quick, seed, flags) for name, flags in (("deaf", DEAF), ("blind", BLIND))], log
    )
    console = Console(stderr=True)
    announce(console, steps, out)
    run_step(console, steps[0], 1, len(steps))
    others.start()
    try:
        run_step(console, steps[1], 2, len(steps))
        with console.status(f"waiting for the deaf and the blind agent; see {log}"):
            others.join()
    finally:
        others.stop()
    if others.code:
        raise InputError(log, "an agent to compare with failed", "read the last lines of the file, and run this again")
    for number, step in enumerate(steps[2:], 3):
        run_step(console, step, number, len(steps))


def announce(console: Console, steps: Sequence[Step], out: Path) -> None:
    """Say what is about to be done and how long it takes."""
    table = Table("step", "what", "minutes", title=f"the demonstration, in {out}", box=None)
    for number, step in enumerate(steps, 1):
        table.add_row(str(number), step.what, step.minutes)
    console.print(table)


if __name__ == "__main__":
    command(main)
