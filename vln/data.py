"""Folders of data (`--data`, then `$VLN_DATA`, then `../shared/data`) and of caches."""

import os
from pathlib import Path

from vln.data_folder import find_data_folder
from vln.errors import InputError, unknown_name

FETCH = "python scripts/data.py fetch {}"
PUBLISHED = (
    f"`{FETCH.format('r2r connectivity')}` brings Room-to-Room and the connectivity graphs, which are published with "
    "the Matterport3D Simulator (https://github.com/peteanderson80/Matterport3DSimulator: "
    "tasks/R2R/data and connectivity)"
)
CHECKOUT = Path(__file__).resolve().parents[1]
DATASETS = {"r2r": "r2r/R2R_{split}.json", "r4r": "r4r/R4R_{split}.json", "fgr2r": "fgr2r/FGR2R_{split}.json"}


def cache_folder(cache: Path | None = None) -> Path:
    """Return the folder of everything that can be made again: data sets of houses, feature tables, navmeshes.

    It is the folder given, else `$VLN_CACHE`, else `cache/` of this checkout, whatever the working directory. Without a
    checkout (an installed package) it is `vln` in the user's cache folder (`$XDG_CACHE_HOME`, `~/.cache`).
    """
    if cache or os.environ.get("VLN_CACHE"):
        return Path(cache or os.environ["VLN_CACHE"])
    if (CHECKOUT / "pyproject.toml").is_file():
        return CHECKOUT / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vln"


def find_data(folder: Path | None = None, dataset: str = "") -> Path:
    """Return the data folder, which has `connectivity/` in it; that of the data set itself if `dataset` is its path."""
    own = find_data_folder(dataset, folder)
    if own:
        return own.path
    return find_folder(folder, "connectivity/", f"a folder with r2r/ and connectivity/; {PUBLISHED}")


def find_folder(folder: Path | None, holds: str, what: str) -> Path:
    """Return the data folder: the one given, else `$VLN_DATA`, else `../shared/data`.

    `holds` is a file or folder that must be in it; errors say `what` it should be and where it is published.
    """
    candidates = data_folders(folder)
    for candidate in candidates:
        if (candidate / holds).exists():
            return candidate
    raise InputError(candidates[-1], f"{holds} is missing", f"pass --data DIR or set VLN_DATA to {what}")


def data_folders(folder: Path | None = None) -> list[Path]:
    """Return where the data folder may be: the one given, else `$VLN_DATA`, else `../shared/data`."""
    if folder is not None or os.environ.get("VLN_DATA"):
        return [Path(folder or os.environ["VLN_DATA"])]
    return [CHECKOUT.parent / "shared" / "data", Path("../shared/data")]


def split_file(data: Path, dataset: str, split: str) -> Path:
    """Return the file of one split of a data set in R2R format, which may be the path of a folder."""
    own = find_data_folder(dataset, data)
    if own:
        return own.file(split)
    if dataset not in DATASETS:
        raise unknown_name("dataset", dataset, DATASETS)
    path = Path(data) / DATASETS[dataset].format(split=split)
    if not path.is_file():
        pattern = DATASETS[dataset].format(split="*")
        known = sorted(found.stem.split("_", 1)[1] for found in Path(data).glob(pattern))
        if known:
            raise unknown_name(path, split, known, f"split '{{}}' of '{dataset}' is missing", "the splits")
        fix = f"run `{FETCH.format(dataset)}`, which brings it or says where it is"
        raise InputError(path, f"split '{split}' of '{dataset}' is missing", fix)
    return path
