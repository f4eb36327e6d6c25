"""The `houses` data sets: splits of episodes in generated houses, made on demand and kept in a folder.

A house's episodes follow from the data set, the split, the seed and the house alone. So the bytes of a file do not
depend on how many processes made it, and fewer houses are the first of more.
"""

import gzip
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from envs.houses.house import VERSION as HOUSES_VERSION
from envs.houses.house import house_name, make_house
from envs.houses.making import make_in_processes
from envs.houses.tasks import LEVELS, TaskMaker
from vln.console import Console
from vln.data import cache_folder
from vln.episodes import Episode
from vln.errors import InputError, unknown_name
from vln.files import read_json, replacing
from vln.schema import NonBlank, Place, Radians, convert_value

FORMAT = "vln-houses"
VERSION = f"{HOUSES_VERSION}.4"  # of everything that decides what is in the files: houses, then tasks
AGAIN = "delete it, and it will be made again"
WORKERS = 8  # most processes, each of which holds compiled code


@dataclass(frozen=True)
class Split:
    """Which houses a split has."""

    first: int  # seed of its first house
    houses: int  # how many there are; of training fewer or more, where told so
    room: int  # seeds that are kept for it
    paths: int  # through each house
    number: int = 0  # of its first path; where splits share houses, their paths have different numbers
    unseen: bool = False  # whether the held-out style and pairs are in it
    withheld: bool = False  # whether its goals are not told


SPLITS = {
    "train": Split(0, 300, 800_000, 20),
    "val_seen": Split(0, 40, 800_000, 12, number=500),
    "val_unseen": Split(800_000, 40, 100_000, 12, unseen=True),
    "test": Split(900_000, 40, 100_000, 12, unseen=True, withheld=True),
}


def houses_folder(cache: Path | None = None) -> Path:
    """Where data sets are kept in a folder of caches; see `vln.data.cache_folder`."""
    return cache_folder(cache) / "houses"


def houses_for(split: str, training: int | None) -> int | None:
    """How many houses of a split go with so many of training; None stands for the split's own number.

    `val_seen` is in the first houses of training, fewer only where there are fewer. The others do not depend on it.
    """
    return training if split in ("train", "val_seen") else None


def houses_split(
    split: str,
    dataset: str = "houses",
    folder: Path | None = None,
    houses: int | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> list[Episode]:
    """The episodes of the first houses of a split, made and kept in `cache/houses` or a folder where they are not yet.

    Only of training there may be more houses than the split's own number. Another seed gives other episodes in the
    same houses. What is missing is made by a process a core, if the number of workers is not told.

    Raises:
        InputError: If an argument is out of range, or the file in the folder is damaged or of another version.
    """
    if dataset not in LEVELS:
        raise unknown_name("dataset", dataset, LEVELS)
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS, f"'{{}}' of '{dataset}' is not known")
    kind, most = SPLITS[split], SPLITS["train"].room
    if houses is not None and not 1 <= houses <= most:
        raise InputError("houses", f"{houses} is out of range", f"use 1 to {most}")
    if seed < 0:
        raise InputError("seed", f"{seed} is negative", "use 0 or more")
    houses = kind.houses if houses is None else houses if split == "train" else min(houses, kind.houses)
    path = (Path(folder) if folder else houses_folder()) / file_name(dataset, split, seed)
    rows = _read(path, dataset, split, seed) if path.exists() else []
    if len(rows) < houses:
        rows += _make(range(len(rows), houses), split, dataset, seed, workers)
        _write(path, dataset, split, seed, rows)
    wanted = enumerate(rows[:houses])
    return [episode for place, row in wanted for episode in _episodes(path, place, row, kind, split)]


def file_name(dataset: str, split: str, seed: int = 0) -> str:
    """Where a split is kept in its folder."""
    return f"{dataset}-{split}{f'-seed{seed}' if seed else ''}.json.gz"


def house_rows(dataset: str, split: str, seed: int, place: int) -> list[dict[str, Any]]:
    """The tasks of house number `place` of a split as they are stored: numbers, names and sentences."""
    kind = SPLITS[split]
    house = kind.first + place
    numbers = (seed, list(LEVELS).index(dataset), list(SPLITS).index(split), house)
    maker = TaskMaker(make_house(house), LEVELS[dataset], kind.unseen, numbers)
    return [
        {
            "heading": task.heading,
            "positions": (task.positions[:1] if kind.withheld else task.positions).tolist(),
            "target": "" if kind.withheld else task.target,
            "instructions": [each.text for each in task.instructions],
        }
        for task in maker.tasks(kind.paths)
    ]


def _make(
    places: Sequence[int], split: str, dataset: str, seed: int, workers: int | None
) -> list[list[dict[str, Any]]]:
    """The rows of houses, in order."""
    workers = min(workers or os.cpu_count() or 1, WORKERS, len(places))
    jobs = [(dataset, split, seed, place) for place in places]
    with _progress(f"Making {dataset} {split}", len(jobs)) as advance:
        if workers == 1:
            return list(advance(house_rows(*job) for job in jobs))
        return list(advance(make_in_processes(workers, jobs)))


@contextmanager
def _progress(title: str, total: int) -> Iterator[Any]:
    """A bar on standard error; gives a function that counts what an iterator yields."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    rest = TextColumn("houses"), TimeRemainingColumn()
    with Progress(*columns, *rest, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)

        def advance(rows: Iterable[Any]) -> Iterator[Any]:
            for row in rows:
                yield row
                bar.advance(task)

        yield advance


def _write(path: Path, dataset: str, split: str, seed: int, rows: list[list[dict[str, Any]]]) -> None:
    """Write a file whole or not at all, the same bytes for the same content."""
    header = {"format": FORMAT, "version": VERSION, "dataset": dataset, "split": split, "seed": seed}
    content = json.dumps(header | {"houses": rows}, separators=(",", ":")).encode()
    with replacing(path) as temporary:
        temporary.write_bytes(gzip.compress(content, compresslevel=6, mtime=0))


def _read(path: Path, dataset: str, split: str, seed: int) -> list[list[dict[str, Any]]]:
    """The rows of a file, house by house; an InputError if it is damaged, of another version, or of something else."""
    content = read_json(path, dict[str, Any], AGAIN)
    if content.get("format") != FORMAT:
        raise InputError(path, "is not a split of houses", AGAIN)
    if content.get("version") != VERSION:
        raise InputError(path, f"has version {str(content.get('version'))[:20]} of the houses, not {VERSION}", AGAIN)
    expected = {"dataset": dataset, "split": split, "seed": seed}
    if any(content.get(key) != value for key, value in expected.items()):
        raise InputError(path, f"does not hold '{split}' of '{dataset}' with seed {seed}", AGAIN)
    if not isinstance(content.get("houses"), list):
        raise InputError(path, "field 'houses' is not a list", AGAIN)
    return content["houses"]


def _episodes(path: Path, place: int, row: Any, kind: Split, split: str) -> Iterator[Episode]:
    """The episodes of one house; an InputError if a field is missing or has a wrong type."""
    house = kind.first + place
    tasks = convert_value(row, tuple[_Task, ...], path, AGAIN, f"house {house}")
    for number, task in enumerate(tasks, start=kind.number):
        for index, text in enumerate(task.instructions):
            name = f"{house}-{number}_{index}"
            yield Episode(name, house_name(house), split, text, (), task.heading, (), task.positions, task.target)


class _Task(Struct):
    """A way through a house as it is in the file."""

    heading: Radians
    positions: Annotated[tuple[Place, ...], Meta(min_length=1)]
    target: str
    instructions: tuple[NonBlank, ...]
