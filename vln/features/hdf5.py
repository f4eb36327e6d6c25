"""The feature files of HAMT (Chen et al. 2021) and DUET (Chen et al. 2022): HDF5, one data set for each viewpoint.

The key is `<scan>_<viewpoint>`. The value is (36, F) float with F = 768 for ViT-B/16; some releases append the 1,000
ImageNet logits, which the methods cut off.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from vln.errors import InputError
from vln.features.dense import Row, cache_place, convert, open_table
from vln.features.table import ViewTable
from vln.files import reading
from vln.graph import VIEWS

FEATURE_SIZE = 768
AGAIN = "fetch the file again"


def load_hdf5(path: Path, cache: Path | None = None, feature_size: int = FEATURE_SIZE) -> ViewTable:
    """Load the features of an HDF5 file, (N, 36, F) float16; the first call converts it, later ones memory-map that.

    F is `feature_size`, how many numbers of each view to keep, from the first.
    """
    place = cache_place(path, feature_size, cache)
    table = open_table(path, place)
    if table is not None:
        return table
    with reading(path, Exception, fix=AGAIN):
        file = h5py.File(path, "r")
        keys = [os.fsdecode(key) for key in file]  # names that are not UTF-8 come as bytes
    with file:
        if not keys:
            raise InputError(path, "has no viewpoints", AGAIN)
        return convert(path, place, _rows(path, file, keys, feature_size), len(keys), feature_size)


def _rows(path: Path, file: h5py.File, keys: Sequence[str], feature_size: int) -> Iterator[Row]:
    """Yield scan, viewpoint and (36, F) float32 features of each data set."""
    for key in keys:
        # Viewpoints are hexadecimal; a scan may hold an underscore.
        scan, _, viewpoint = key.rpartition("_")
        with reading(path, Exception, fix=AGAIN), np.errstate(over="ignore"):  # too large a number becomes infinite
            found = file[key]
            _check(path, key, found, feature_size)
            features = found[:, :feature_size].astype(np.float32)
        yield scan, viewpoint, features


def _check(path: Path, key: str, found: object, feature_size: int) -> None:
    """Check the name, kind and shape of a data set."""
    if "_" not in key or not isinstance(found, h5py.Dataset) or found.dtype.kind != "f":
        raise InputError(path, f"key '{key}' is not a data set <scan>_<viewpoint> of floats", AGAIN)
    if found.ndim != 2 or found.shape[0] != VIEWS or found.shape[1] < feature_size:
        problem = f"data set '{key}' has shape {found.shape}, not ({VIEWS}, {feature_size} or more)"
        raise InputError(path, problem, "fetch the file again or pass --feature-size")
