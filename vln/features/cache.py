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
    """What a folder of arrays holds.

    Attributes:
        format: Of the arrays.
        source_hash: Of the files that they were made of.
        viewpoints: Scan and viewpoint of each row of features.
        arrays: Shapes of the arrays, by name.
        vocabulary: What the words of captions are.
        dropped: Share of the words of captions that found no room.
    """

    format: int
    source_hash: str
    viewpoints: tuple[tuple[str, str], ...]
    arrays: dict[str, tuple[int, ...]]
    vocabulary: tuple[str, ...] = ()
    dropped: float = 0.0


def read_cache(folder: Path, names: Collection[str]) -> tuple[Manifest, dict[str, np.ndarray]] | None:
    """The manifest and the memory-mapped arrays of a folder, `names`; None if it was never finished or is damaged."""
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
    """Write arrays and their manifest.

    Raises:
        InputError: If the folder cannot be written.
    """
    for name, array in arrays.items():
        with replacing(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, array)
    finish_cache(folder, manifest, {name: array.shape for name, array in arrays.items()})


def finish_cache(folder: Path, manifest: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Write the manifest, without which the arrays do not count: an interrupted build is built again."""
    arrays = {name: list(shape) for name, shape in shapes.items()}
    write_json(folder / MANIFEST, {**manifest, "arrays": arrays}, indent=None)
