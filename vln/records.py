"""Records of measurements, which a command wrote, and pages that show their numbers between markers.

A page shows a table of a record between `<!-- record: demo -->` and `<!-- end -->`, and a number between
`<!-- record: demo full SR -->` and `<!-- end -->`: record, row, and a metric or `minutes`.
"""

import os
import platform
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import mean

from vln.configuration import as_json
from vln.data import CHECKOUT
from vln.errors import InputError, unknown_name
from vln.files import read_json, read_text, write_json
from vln.score_tables import PERCENT
from vln.tables import markdown_table, percent

FOLDER = CHECKOUT / "docs" / "results" / "records"
MARKER = re.compile(r"(<!-- record: ([^>]*?) -->)(.*?)(<!-- end -->)", re.DOTALL)
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
COLUMNS = {"minutes": "minutes of learning", "SR": "SR %", "SPL": "SPL %", "NE": "NE m"}
FIX = "write it again with scripts/reproduce.py"


@dataclass(frozen=True)
class Machine:
    """What a measurement ran on."""

    processor: str
    instruction_sets: tuple[str, ...]
    cores: int
    memory: int  # GB
    python: str
    torch: str
    numba: str
    load: float  # average of the minute before the start


@dataclass(frozen=True)
class RecordRow:
    """What was measured of an agent; lists have one entry a seed."""

    what: str
    minutes: list[float]  # of learning; empty for agents that do not learn
    scores: dict[str, list[float]]  # by metric
    intervals: dict[str, list[tuple[float, float]]]  # of 95 %, by metric


@dataclass(frozen=True)
class Record:
    """A measurement."""

    what: str
    split: str
    commits: list[str]  # the code that ran; a commit ends in "+" where files differed from it
    date: str
    machine: Machine
    seeds: list[int]
    commands: list[str]
    rows: dict[str, RecordRow]


def this_machine() -> Machine:
    """Describe this machine."""
    known = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"model name\s*: (.*)", known)
    flags = set(known.partition("flags")[2].split("\n")[0].split())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Machine(
        model[1] if model else platform.processor() or platform.machine(),
        tuple(each for each in INSTRUCTION_SETS if each in flags),
        os.cpu_count() or 1,
        round(memory),
        platform.python_version(),
        version("torch"),
        version("numba"),
        round(os.getloadavg()[0], 1),
    )


def this_commit() -> str:
    """Return the commit of this checkout, with a "+" where files differ from it; "unknown" outside of git."""
    asked = ["git", "-C", str(CHECKOUT)]
    try:
        found = subprocess.run([*asked, "rev-parse", "--short=9", "HEAD"], capture_output=True, text=True, check=True)
        dirty = subprocess.run([*asked, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip() + ("+" if dirty else "")


def write_record(record: Record, file: Path) -> None:
    """Write a record as JSON."""
    write_json(file, as_json(record))


def read_record(name: str, folder: Path = FOLDER) -> Record:
    """Read a record by its name; raise an InputError if there is none, or if it is damaged."""
    file = folder / f"{name}.json"
    if not file.exists():
        raise unknown_name("record", name, sorted(each.stem for each in folder.glob("*.json")))
    return read_json(file, Record, FIX)


def record_table(record: Record) -> str:
    """Write a record as a table in Markdown, and how it was measured."""
    rows = [[row.what, *(cell(row, metric) for metric in COLUMNS)] for row in record.rows.values()]
    several = len(record.seeds) > 1
    shown = "mean of the seeds (lowest to highest)" if several else "± is half of a 95 % bootstrap interval over paths"
    machine = record.machine
    sets = f" ({', '.join(machine.instruction_sets)})" if machine.instruction_sets else ""
    how = (
        f"Split {record.split}; {'seeds' if several else 'seed'} {', '.join(map(str, record.seeds))}; {shown}. "
        f"Measured on {record.date} at commit {', '.join(record.commits)} with {machine.cores} cores of "
        f"{machine.processor}{sets}, {machine.memory} GB, torch {machine.torch}, numba {machine.numba}; "
        f"load average {machine.load:g} at the start."
    )
    commands = "\n".join(record.commands)
    return f"\n{markdown_table(['agent', *COLUMNS.values()], rows)}\n{how}\n\n```\n{commands}\n```\n"


def cell(row: RecordRow, metric: str) -> str:
    """Write a metric of a row: with its interval for one seed, else its mean and extremes."""
    found = values(row, metric)
    if not found:
        return ""
    if len(found) > 1:
        return f"{mean(found):.1f} ({min(found):.1f} to {max(found):.1f})"
    if metric not in row.intervals:
        return f"{found[0]:.1f}"
    return percent(row.scores[metric][0], *row.intervals[metric][0])


def values(row: RecordRow, metric: str) -> Sequence[float]:
    """The values of a metric, one a seed; shares in percent."""
    if metric == "minutes":
        return row.minutes
    if metric not in row.scores:
        raise unknown_name("metric", metric, ["minutes", *row.scores])
    return [value * (100 if metric in PERCENT else 1) for value in row.scores[metric]]


def show(words: Sequence[str], read: Callable[[str], Record]) -> str:
    """Write what a marker of these words shows."""
    if len(words) not in (1, 3):
        raise InputError("marker", f"'{' '.join(words)}' names nothing", "give RECORD, or RECORD ROW METRIC")
    record = read(words[0])
    if len(words) == 1:
        return record_table(record)
    _, row, metric = words
    if row not in record.rows:
        raise unknown_name("row", row, record.rows)
    return f"{mean(values(record.rows[row], metric)):.1f}"


def fill(text: str, read: Callable[[str], Record] = read_record) -> str:
    """Fill the markers of a page."""
    return MARKER.sub(lambda found: found[1] + show(found[2].split(), read) + found[4], text)


def pages(root: Path = CHECKOUT) -> list[Path]:
    """The pages that may have markers."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def changed(found: Sequence[Path]) -> Mapping[Path, str]:
    """The pages whose numbers differ from the records, with what they should be."""
    filled = {page: fill(read_text(page)) for page in found}
    return {page: text for page, text in filled.items() if text != page.read_text(encoding="utf-8")}
