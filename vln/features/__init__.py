"""View features: the content of each of the 36 views of a viewpoint."""

from collections.abc import Sequence
from pathlib import Path

from vln.errors import InputError, guess
from vln.features import hdf5, resnet_tsv
from vln.features.captions import load_captions
from vln.features.hdf5 import load_hdf5
from vln.features.resnet_tsv import load_resnet_tsv
from vln.features.table import ViewTable, blind_table

__all__ = ["ViewTable", "blind_table", "load_captions", "load_hdf5", "load_resnet_tsv", "open_features"]


def open_features(
    name_or_path: str,
    data: Path,
    cache: Path | None = None,
    scans: Sequence[str] | None = None,
    feature_size: int | None = None,
) -> ViewTable:
    """Open the view features of a name or a file.

    Names are "captions" (captions of whole images, classes and captions of boxes), "captions-short" (without the
    captions of boxes) and "none" (blind); files are a ResNet `.tsv`, or `.hdf5` or `.h5`. Captions are in the data
    folder, and read of the buildings `scans`, or of all if None; files are read whole, with `feature_size` numbers per
    view, by default 2,048 (.tsv) or 768 (.hdf5, .h5). `cache` as in `vln.data.cache_folder`.
    """
    suffix = Path(name_or_path).suffix.lower()
    if name_or_path == "none":
        return blind_table()
    if name_or_path in ("captions", "captions-short"):
        return load_captions(data, cache, scans, box_captions=name_or_path == "captions")
    if suffix == ".tsv":
        return load_resnet_tsv(Path(name_or_path), cache, feature_size or resnet_tsv.FEATURE_SIZE)
    if suffix in (".hdf5", ".h5"):
        return load_hdf5(Path(name_or_path), cache, feature_size or hdf5.FEATURE_SIZE)
    near = guess(name_or_path, ("captions", "captions-short", "none"))
    fix = f"use 'captions', 'captions-short', 'none', or a file that ends in .tsv, .hdf5 or .h5{near}"
    raise InputError("features", f"'{name_or_path}' is not known", fix)
