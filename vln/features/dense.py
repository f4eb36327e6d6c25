"""Conversion of files of precomputed features to a memory-mapped table in half precision."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rich.markup import escape

from vln.console import track
from vln.data import cache_folder
from vln.errors import InputError
from vln.features.cache import finish_cache, read_cache
from vln.features.table import ViewTable, check_finite
from vln.files import replacing, sha256
from vln.graph import VIEWS
from vln.text import one_line

FORMAT = 1  # raise it when the arrays change

Row = tuple[str, str, np.ndarray]


def cache_place(path: Path, width: int, cache: Path | None) -> Path:
    """Return the cache folder of a feature file, named by its path, size and time of change.

    Files of several gigabytes are not hashed at every start; their content hash is in the manifest.
    """
    if not Path(path).is_file():
        raise InputError(path, "the feature file does not exist", "check the path or fetch the features")
    state = Path(path).stat()
    identity = f"{FORMAT} {width} {Path(path).resolve()} {state.st_size} {state.st_mtime_ns}"
    return cache_folder(cache) / f"{Path(path).stem}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


def open_table(path: Path, place: Path) -> ViewTable | None:
    """Open the table of a converted feature file; None if it was never converted."""
    cached = read_cache(place, ("dense",))
    if cached is None:
        return None
    manifest, arrays = cached
    index = {(scan, viewpoint): row for row, (scan, viewpoint) in enumerate(manifest.viewpoints)}
    return ViewTable(Path(path).stem, str(path), manifest.source_hash, index, dense=arrays["dense"])


def convert(path: Path, place: Path, rows: Iterable[Row], count: int, width: int) -> ViewTable:
    """Write the features of `count` viewpoints, (36, width) each, with one viewpoint in memory at a time.

    A viewpoint that occurs twice and numbers that half precision cannot hold are errors.
    """
    viewpoints: dict[tuple[str, str], None] = {}
    with replacing(place / "dense.npy") as temporary:
        table = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=(count, VIEWS, width))
        reserve(temporary)
        title = f"Converting {escape(one_line(Path(path).name))}"
        for row, (scan, viewpoint, features) in enumerate(track(rows, title, count)):
            if (scan, viewpoint) in viewpoints:
                problem = f"viewpoint '{viewpoint}' of scan '{scan}' occurs twice"
                raise InputError(path, problem, "keep one of the two")
            viewpoints[scan, viewpoint] = None
            table[row] = _half(path, scan, viewpoint, features)
        table.flush()
    manifest = {"format": FORMAT, "source_hash": sha256(path), "viewpoints": list(viewpoints)}
    finish_cache(place, manifest, {"dense": (count, VIEWS, width)})
    converted = open_table(path, place)
    if converted is None:
        raise InputError(place, "the cache cannot be read back", "check the disk and delete the folder")
    return converted


def reserve(path: Path) -> None:
    """Reserve the disk space of a mapped file: if the disk filled up later, writing to it would kill the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _half(path: Path, scan: str, viewpoint: str, features: np.ndarray) -> np.ndarray:
    """Convert the features of a viewpoint to half precision."""
    check_finite(path, scan, viewpoint, features)
    if np.abs(features).max(initial=0) > np.finfo(np.float16).max:
        problem = f"a feature of scan '{scan}', viewpoint '{viewpoint}' exceeds {np.finfo(np.float16).max:g}"
        raise InputError(path, problem, "scale the features")
    return features.astype(np.float16)
