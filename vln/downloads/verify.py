"""Checks of the data folder: checksums, as published or noted by the first download, and our own readers."""

from collections.abc import Callable
from pathlib import Path

from vln.downloads.parts import File, Part
from vln.episodes import load_episodes
from vln.errors import InputError
from vln.files import read_content, read_json, sha256, write_json
from vln.graph import load_graphs
from vln.language import load_word_vectors
from vln.schema import parse
from vln.vlnce import load_continuous_split
from vln.vlnce_datasets import VLNCE

CHECKSUMS = "checksums.json"  # in the data folder: the SHA-256 of each file that was fetched, by its path there
FIX = "delete it and fetch it again"


def read_checksums(data: Path) -> dict[str, str]:
    """Return the checksums noted in a data folder, by paths in it."""
    path = data / CHECKSUMS
    return read_json(path, dict[str, str], "delete it") if path.exists() else {}


def add_checksums(data: Path, path: str) -> None:
    """Note the checksums of a file, or of all files of a folder, in the data folder."""
    place = data / path
    files = sorted(each for each in place.rglob("*") if each.is_file()) if place.is_dir() else [place]
    found = {each.relative_to(data).as_posix(): sha256(each) for each in files}
    write_json(data / CHECKSUMS, dict(sorted({**read_checksums(data), **found}.items())))


def verify_part(part: Part, data: Path) -> tuple[int, int]:
    """Check the files of a part against their checksums, and read them; an InputError names the first that is bad.

    Returns how many files there are, and of how many the checksum is known.
    """
    files = part.found(data)
    known = {**read_checksums(data), **published(part.files)}
    held = {path: known[name] for path in files if (name := path.relative_to(data).as_posix()) in known}
    for path, expected in held.items():
        if sha256(path) != expected:
            raise InputError(path, "has another checksum than when it was published or fetched", FIX)
    if files:
        READERS.get(part.name, _read_all)(part, data)
    return len(files), len(held)


def published(files: tuple[File, ...]) -> dict[str, str]:
    """Return the published checksums of files that are kept as they are fetched, by their paths."""
    return {file.path: file.sha256 for file in files if file.sha256 and not file.unpack}


def _read_all(part: Part, data: Path) -> None:
    """Read each file as JSON, or as JSON in lines."""
    for path in part.found(data):
        if ".jsonl" in path.suffixes:
            for line in read_content(path).splitlines():
                parse(line, dict, path, FIX)
        elif ".json" in path.suffixes:
            read_json(path)


def _read_episodes(part: Part, data: Path) -> None:
    for path in part.found(data):
        load_episodes(path, path.stem.split("_", 1)[1])


def _read_graphs(part: Part, data: Path) -> None:
    """Read all graphs, which must be those of scans.txt."""
    folder = data / "connectivity"
    graphs = load_graphs(folder)
    for path in part.found(data):
        scan = path.name.removesuffix("_connectivity.json")
        if scan != path.name and scan not in graphs:
            raise InputError(folder / "scans.txt", f"has no scan '{scan}', whose graph is beside it", FIX)


def _read_vectors(_: Part, data: Path) -> None:
    load_word_vectors(data / "glove", [])


def _read_continuous(part: Part, data: Path) -> None:
    roles = VLNCE[part.name].roles or ("",)
    for folder in {path.parent for path in part.found(data)}:
        for role in roles:
            ending = f"_{role}" if role else ""
            if (folder / f"{folder.name}{ending}.json.gz").is_file():
                load_continuous_split(data, part.name, folder.name, role=role or None)


READERS: dict[str, Callable[[Part, Path], None]] = {
    **dict.fromkeys(("r2r", "r4r", "fgr2r"), _read_episodes),
    **dict.fromkeys(("r2r-ce", "rxr-ce"), _read_continuous),
    "connectivity": _read_graphs,
    "glove": _read_vectors,
}
