"""List, fetch and verify the data sets, each from where it is published.

python scripts/data.py list                                       # what there is, what needs it, and whether it is here
python scripts/data.py fetch r2r connectivity glove --data data   # shows licences and asks; --agree agrees beforehand
python scripts/data.py verify --data data                         # checksums, and reads each file

An interrupted download goes on when the command is run again. docs/data.md tells what each file is.
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.prompt import Confirm
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional

from agents.presets import PRESETS, SPEAKERS
from agents.requirements import needs
from vln.cli import commands, show
from vln.console import Console, tell
from vln.data import FETCH, data_folders
from vln.downloads.fetch import fetch_part
from vln.downloads.parts import PARTS, Part, find_part
from vln.downloads.verify import verify_part
from vln.errors import InputError
from vln.files import writable_folder

BAD = 1  # exit code


def list_parts(data: Path | None = None, json: bool = False) -> None:
    """List the parts of the data folder.

    Args:
        data: Data folder; default $VLN_DATA, then ../shared/data.
        json: Print JSON instead of a table.
    """
    folder = data_folder(data)
    required = {preset: needs(preset) for preset in (*PRESETS, *SPEAKERS)}
    rows = {name: describe(part, folder, required) for name, part in PARTS.items()}
    table = Table(box=SIMPLE_HEAD, padding=0, title=f"data folder {folder}")
    for head in ("here", "name", "what", "needed for", "licence, published at"):
        table.add_column(head, no_wrap=head in ("here", "name"), overflow="fold")
    for name, row in rows.items():
        mark = Text(row["here"], "green" if row["here"] == "yes" else "yellow")
        by_hand = "" if PARTS[name].files else " (by hand)"
        used = ", ".join(filter(None, (row["use"], *row["presets"])))
        table.add_row(mark, name, f"{row['folder']}: {row['what']}", used, f"{row['licence']}; {row['page']}{by_hand}")
    show(table, rows, json)


def describe(part: Part, folder: Path, required: Mapping[str, frozenset[str]]) -> dict[str, Any]:
    """Return what a part is, and whether it is in a data folder."""
    files = len(part.found(folder))
    return {
        "here": ("some" if part.missing(folder) else "yes") if files else "no",
        "files": files,
        "folder": part.folder,
        "what": part.what,
        "use": part.use,
        "presets": [preset for preset, names in required.items() if (part.need or part.name) in names],
        "licence": part.licence,
        "page": part.page,
        "fetch": FETCH.format(part.name) if part.files else part.by_hand,
    }


def fetch(names: Positional[tuple[str, ...]], data: Path | None = None, agree: bool = False) -> None:
    """Fetch parts into the data folder; what is there stays as it is.

    Args:
        names: Names of parts, as `list` has them.
        data: Data folder; default $VLN_DATA, then ../shared/data. It is made if need be.
        agree: Agree to the licences beforehand.
    """
    if not names:
        raise InputError("data.py fetch", "no part is named", f"name some of {', '.join(PARTS)}")
    parts = [find_part(name, PARTS) for name in dict.fromkeys(names)]
    for part in parts:
        part.check_fetchable()
    ask(parts, agree)
    folder = writable_folder(data_folder(data))
    for part in parts:
        fetched = fetch_part(part, folder)
        count, _ = verify_part(part, folder)
        tell(f"{part.name}: fetched {len(fetched)} of {len(part.files)}; files in {folder / part.folder}: {count}")


def ask(parts: Sequence[Part], agree: bool) -> None:
    """Show the licences of parts, and ask whether they are agreed to; an InputError if they are not."""
    for part in parts:
        tell(f"{part.name}: {part.licence}; {part.page}")
    if agree:
        return
    if not sys.stdin.isatty() or not Confirm.ask("Do you agree to these licences?", console=Console(stderr=True)):
        raise InputError("--agree", "the licences are not agreed to", "read them, and add --agree")


def verify(data: Path | None = None, json: bool = False) -> None:
    """Check the files of the data folder against their checksums, and read them; exit code 1 if one is bad.

    Args:
        data: Data folder; default $VLN_DATA, then ../shared/data.
        json: Print JSON instead of a table.
    """
    folder = data_folder(data)
    rows = {name: verdict(part, folder) for name, part in PARTS.items() if part.found(folder)}
    if not rows:
        raise InputError(folder, "has no data", f"run `{FETCH.format('r2r connectivity')}`")
    table = Table(box=SIMPLE_HEAD, padding=0, title=f"data folder {folder}")
    for head in ("", "name", "files", "checksum known", "problem"):
        table.add_column(head, no_wrap=head != "problem", overflow="fold")
    for name, row in rows.items():
        mark = Text("bad", "red") if row["problem"] else Text("good", "green")
        table.add_row(mark, name, str(row["files"]), str(row["checksums"]), str(row["problem"]))
    show(table, rows, json)
    if any(row["problem"] for row in rows.values()):
        sys.exit(BAD)


def verdict(part: Part, folder: Path) -> dict[str, Any]:
    """Return how many files of a part are there and have a known checksum, and what is wrong with the first bad one."""
    try:
        files, checksums = verify_part(part, folder)
    except InputError as error:
        return {"files": len(part.found(folder)), "checksums": "", "problem": str(error)}
    return {"files": files, "checksums": checksums, "problem": ""}


def data_folder(given: Path | None) -> Path:
    """Return the data folder that is there, else where it is to be."""
    folders = data_folders(given)
    return next((each for each in folders if each.is_dir()), folders[0])


if __name__ == "__main__":
    commands({"list": list_parts, "fetch": fetch, "verify": verify})
