"""From published archives to the layout of the data folder: each function writes a new file or folder."""

import json
import lzma
import shutil
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from vln.errors import InputError

BOXES = "tasks/REVERIE/data/BBox"  # in the repository of REVERIE


def zip_folder(archive: Path, to: Path) -> None:
    """Unpack `<split>/<name>.json.gz` of a ZIP file, whatever folders they are in there."""
    with zipfile.ZipFile(archive) as packed:
        names = [name for name in packed.namelist() if name.endswith(".json.gz") and not _hidden(name)]
        _check(archive, names, "<split>/<name>.json.gz")
        for name in names:
            place = to.joinpath(*PurePosixPath(name).parts[-2:])
            place.parent.mkdir(parents=True, exist_ok=True)
            with packed.open(name) as source, place.open("wb") as target:
                shutil.copyfileobj(source, target)


def captions(archive: Path, to: Path) -> None:
    """Write `<scan>.json.xz` of LangNav's archive, which has `<scan>.json`."""
    to.mkdir()
    for name, content in _members(archive):
        if name.endswith(".json") and not _hidden(name):
            (to / f"{PurePosixPath(name).name}.xz").write_bytes(lzma.compress(content))
    _check(archive, any(to.iterdir()), "<scan>.json")


def objects(archive: Path, to: Path) -> None:
    """Write the objects of the viewpoints of all buildings as one file, from REVERIE's repository."""
    scans: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for name, content in _members(archive):
        path = PurePosixPath(name)
        if path.suffix == ".json" and str(path.parent).endswith(BOXES):
            scans[path.stem.split("_")[0]].update(json.loads(content))
    _check(archive, scans, f"{BOXES}/<scan>_<viewpoint>.json")
    whole = {scan: {each: found for each, found in sorted(scans[scan].items()) if found} for scan in sorted(scans)}
    to.write_bytes(lzma.compress(json.dumps(whole, separators=(",", ":")).encode()))


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of the files in a ZIP or TAR archive."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            yield from ((each.filename, packed.read(each)) for each in packed.infolist() if not each.is_dir())
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            source = tar.extractfile(member) if member.isfile() else None
            if source is not None:
                yield member.name, source.read()


def _hidden(name: str) -> bool:
    """Whether an archive's file is one that macOS adds, or leads out of the archive."""
    return any(each in ("__MACOSX", "..") for each in PurePosixPath(name).parts) or PurePosixPath(name).name[0] == "."


def _check(archive: Path, found: object, wanted: str) -> None:
    if not found:
        raise InputError(archive, f"has no {wanted}", "look at its page: what is published may have changed")
