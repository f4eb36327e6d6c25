"""Feature tables on disk: memory-mapped arrays beside a manifest, in a folder named by the hash of their source."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vln.files import read_json, replacing, write_json

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """The manifest of a folder of arrays."""

    format: int  # version of the array format
    source_hash: str  # SHA-256 of the files that the arrays were made from
    viewpoints: tuple[tuple[str, str], ...]  # scan and viewpoint of each row of features
    arrays: dict[str, tuple[int, ...]]  # map from name to shape of the arrays
    vocabulary: tuple[str, ...] = ()  # words of the captions, by number
    dropped: float = 0.0  # fraction of the caption words that did not fit


def read_cache(folder: Path, names: Collection[str]) -> tuple[Manifest, dict[str, np.ndarray]] | None:
    """Return the manifest and the named, memory-mapped arrays of a folder; None if it is unfinished or damaged."""
    try:
        manifest = read_json(folder / MANIFEST, Manifest)
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
        rows = len(manifest.viewpoints)
        if any(array.shape != manifest.arrays[name] or len(array) != rows for name, array in arrays.items()):
            return None
    except (OSError, ValueError, KeyError, EOFError):
        return None
    return manifest, arrays


def write_cache(folder: Path, manifest: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays and their manifest."""
    for name, array in arrays.items():
        with replacing(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, array)
    finish_cache(folder, manifest, {name: array.shape for name, array in arrays.items()})


def finish_cache(folder: Path, manifest: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Write the manifest, without which the arrays do not count, so that an interrupted build is repeated."""
    arrays = {name: list(shape) for name, shape in shapes.items()}
    write_json(folder / MANIFEST, {**manifest, "arrays": arrays}, indent=None)
