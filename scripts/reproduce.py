"""Reproduce a table of the documentation: run its commands, record what they measured, fill in the pages.

    python scripts/reproduce.py --list
    python scripts/reproduce.py demo --seeds 0 1 2
    python scripts/reproduce.py demo --quick --out runs/trial    # a trial; its record stays in runs/trial
    python scripts/reproduce.py --render                         # fill in README and docs from the records

The same command goes on where it was interrupted. The record is `docs/results/records/NAME.json`.
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

from pathlib import Path
from typing import Annotated

import tyro
from rich.markdown import Markdown
from rich.table import Table

from agents.measurements import MEASUREMENTS, Measurement, make_record, note_finished, resumed, steps_left
from vln.cli import command
from vln.console import Console, tell
from vln.errors import InputError, unknown_name
from vln.files import writable_folder, write_text
from vln.pipeline import Step, run_step
from vln.records import FOLDER, changed, pages, record_table, this_machine, write_record


def main(
    name: Annotated[str | None, tyro.conf.Positional] = None,
    seeds: tuple[int, ...] = (0, 1, 2),
    quick: bool = False,
    out: Path = Path("runs/reproduce"),
    list: bool = False,
    render: bool = False,
) -> None:
    """Reproduce a table of the documentation.

    Args:
        name: The record to write.
        seeds: Seeds to run.
        quick: Try every command with a few updates; nothing of the documentation changes.
        out: Folder of the runs.
        list: Print what can be reproduced, and how long it takes.
        render: Fill in README and docs from the records.
    """
    if list:
        print_list()
    elif name is not None:
        reproduce(name, seeds, quick, out / name)
    elif not render:
        raise InputError("reproduce.py", "no record is given", "name one of those that --list prints")
    if render or (name is not None and not quick and not list):
        for page, text in changed(pages()).items():
            write_text(page, text)
            tell(f"filled in {page.name}")


def print_list() -> None:
    """Print what can be reproduced."""
    table = Table("record", "hours a seed", "recorded", "what", box=None)
    for name, each in MEASUREMENTS.items():
        table.add_row(name, f"{each.hours:g}", "yes" if (FOLDER / f"{name}.json").exists() else "no", each.what)
    Console().print(table)


def reproduce(name: str, seeds: tuple[int, ...], quick: bool, out: Path) -> None:
    """Run the commands of a record that have not ended yet, and write it."""
    if name not in MEASUREMENTS:
        raise unknown_name("record", name, MEASUREMENTS)
    if not seeds:
        raise InputError("--seeds", "none is given", "give at least one")
    for seed in seeds:
        run_seed(MEASUREMENTS[name], writable_folder(out / f"seed-{seed}"), seed, quick)
    record = make_record(MEASUREMENTS[name], out, seeds)
    file = (writable_folder(out) if quick else writable_folder(FOLDER)) / f"{name}.json"
    write_record(record, file)
    Console().print(Markdown(record_table(record)))
    tell(f"wrote {file}")


def run_seed(measurement: Measurement, out: Path, seed: int, quick: bool) -> None:
    """Run the commands of a seed that have not ended yet."""
    steps = steps_left(measurement.lines(out, seed, quick), out)
    for number, step in enumerate(steps, 1):
        machine = this_machine()
        run_step(Console(stderr=True), Step(step.what, "", resumed(step.line)), number, len(steps))
        note_finished(step.line, out, machine)


if __name__ == "__main__":
    command(main)
