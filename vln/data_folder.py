"""Data sets by their path: a folder with episodes and what they happen in, in R2R's format or in VLN-CE's.

R2R: `<split>.json` or `<anything>_<split>.json`, and `connectivity/<scan>_connectivity.json`. VLN-CE:
`<split>.json.gz` or `<split>/<split>.json.gz`, and scenes (`<scan>.glb`) anywhere in the folder.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from vln.errors import InputError, unknown_name

CONNECTIVITY = "connectivity/*_connectivity.json"
FORMATS = "give it <split>.json and connectivity/ as R2R has them, or <split>.json.gz and scenes as VLN-CE has them"
STANDARD = ("train", "val_seen", "val_unseen", "test")  # splits that a file's name may end in, after anything


@dataclass(frozen=True)
class DataFolder:
    """A folder that is a data set."""

    path: Path
    continuous: bool  # whether it has episodes in scenes (VLN-CE), not on navigation graphs (R2R)
    files: tuple[Path, ...]

    @property
    def splits(self) -> list[str]:
        """Names of the splits; what precedes the first underscore is no part of a name of one's own."""
        return sorted({_standard(stem) or stem.split("_", 1)[-1] for stem in map(_stem, self.files)})

    def has(self, split: str) -> bool:
        """Return whether a split is there."""
        return bool(self._named(split))

    def file(self, split: str) -> Path:
        """Return the file of a split."""
        found = self._named(split)
        if not found:
            problem = "split '{}' is missing"
            if split == "train":
                problem += ", whose instructions make the vocabulary"
            raise unknown_name(self.path, split, self.splits, problem, "the splits")
        if len(found) > 1:
            names = " and ".join(each.name for each in found)
            raise InputError(self.path, f"{names} are both split '{split}'", "leave one of them")
        return found[0]

    def _named(self, split: str) -> list[Path]:
        exact = [each for each in self.files if _stem(each) == split]
        return exact or [each for each in self.files if _ends_in(_stem(each), split)]


def _stem(file: Path) -> str:
    return file.name.split(".json")[0]


def _standard(stem: str) -> str | None:
    return next((each for each in STANDARD if f"_{stem}".endswith(f"_{each}")), None)


def _ends_in(stem: str, split: str) -> bool:
    return split == (_standard(stem) or split) and stem.endswith(f"_{split}")


def is_path(dataset: str) -> bool:
    """Return whether a task's data set is a folder: those are stored as absolute paths, others by name."""
    return Path(dataset).is_absolute()


def absolute_path(dataset: str, names: Collection[str]) -> str:
    """Return the absolute path of a data set that is a folder; that of a name, which is in `names`, as it is."""
    folder = dataset not in names and (os.sep in dataset or Path(dataset).is_dir())
    return os.path.abspath(dataset) if folder else dataset  # noqa: PTH100 (without following links)


def find_data_folder(dataset: str, data: Path | None = None) -> DataFolder | None:
    """Return the folder of a data set, which may have moved to the folder `data`; None if the data set is a name."""
    if not is_path(dataset):
        return None
    path = Path(dataset)
    if not path.is_dir() and data is not None:
        path = Path(data)
    if not path.is_dir():
        raise InputError(path, "the folder of the data set is missing", "bring it back, or say with --data where it is")
    graphs = any(path.glob(CONNECTIVITY))
    packed = [*path.glob("*.json.gz"), *(path / each.name / f"{each.name}.json.gz" for each in path.iterdir())]
    scenes = tuple(sorted(each for each in packed if each.is_file() and not _stem(each).endswith("_gt")))
    if graphs and scenes:
        problem = f"has navigation graphs as R2R and {scenes[0].name} as VLN-CE"
        raise InputError(path, problem, "keep each format in a folder of its own")
    plain = tuple(sorted(path.glob("*.json")))
    if not scenes and not (plain and graphs):
        missing = CONNECTIVITY if plain else "<split>.json" if graphs else "any episodes"
        raise InputError(path, f"is no data set without {missing}", FORMATS)
    return DataFolder(path, bool(scenes), scenes or plain)
