"""The feature files of HAMT (Chen et al. 2021) and DUET (Chen et al. 2022): HDF5, one data set a viewpoint.

The key is `<scan>_<viewpoint>`; the value is (36, F) float, F = 768 of ViT-B/16, followed in some releases by the 1,000
ImageNet logits, which the methods cut off.
"""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from vln.errors import InputError
from vln.features.dense import Row, cache_place, convert, open_table
from vln.features.table import ViewTable
from vln.graph import VIEWS

FEATURE_SIZE = 768
FIX = "fetch the file again or pass its feature size"


def load_hdf5(path: Path, cache: Path | None = None, feature_size: int = FEATURE_SIZE) -> ViewTable:
    """The features of an HDF5 file; converted on the first call and memory-mapped from then on.

    Args:
        path: The file.
        cache: Folder of caches; `$VLN_CACHE` or `cache/` if not given.
        feature_size: F, how many of the first numbers of a view to keep.

    Returns:
        A dense table, (N, 36, F) float16.

    Raises:
        InputError: If the file is missing, truncated or empty, or a viewpoint has another shape, fewer numbers a view
            or numbers that are not finite.
    """
    place = cache_place(path, feature_size, cache)
    table = open_table(path, place)
    if table is not None:
        return table
    try:
        with h5py.File(path, "r") as file:
            if not len(file):
                raise InputError(path, "has no viewpoints", FIX)
            return convert(path, place, _rows(path, file, feature_size), len(file), feature_size)
    except (OSError, RuntimeError) as error:
        raise InputError(path, f"is truncated or not HDF5 ({error})", "fetch the file again") from None


def _rows(path: Path, file: h5py.File, feature_size: int) -> Iterator[Row]:
    for key in file:
        # Neither scans nor viewpoints hold an underscore in Matterport; where a scan does, viewpoints still do not.
        scan, _, viewpoint = key.rpartition("_")
        found = file[key]
        if not scan or not isinstance(found, h5py.Dataset):
            raise InputError(path, f"key '{key}' is not a data set named <scan>_<viewpoint>", FIX)
        if found.ndim != 2 or found.shape[0] != VIEWS or found.shape[1] < feature_size:
            problem = f"data set '{key}' has shape {found.shape}, not ({VIEWS}, {feature_size} or more)"
            raise InputError(path, problem, FIX)
        yield scan, viewpoint, found[:, :feature_size].astype(np.float32)
