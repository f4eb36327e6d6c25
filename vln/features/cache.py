"""Feature tables on disk: memory-mapped arrays beside a manifest, in a folder named by the hash of their source."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vln.files import read_json, replacing, write_json

MANIFEST = "manifest.json"


def read_cache(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """The manifest and the memory-mapped arrays of a folder; None if it was never finished or is damaged."""
    try:
        manifest = read_json(folder / MANIFEST)
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in manifest["arrays"]}
        if any(list(array.shape) != manifest["arrays"][name] for name, array in arrays.items()):
            return None
    except (OSError, ValueError, KeyError, TypeError, EOFError):
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
