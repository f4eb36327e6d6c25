"""R2R and RxR in continuous environments (VLN-CE, Krantz et al. 2020): episodes and their ground truth.

A file `<split>.json.gz` holds episodes. `<split>_gt.json.gz` holds for each of them the positions and actions of an
expert that followed the reference path in habitat-sim. Positions are in habitat's frame, which is ours too: metres, y
up.
"""

import gzip
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Raw, Struct

from vln.continuous_metrics import resample
from vln.data import FETCH, find_folder
from vln.data_folder import find_data_folder, is_path
from vln.episodes import Episode
from vln.errors import InputError, unknown_name
from vln.files import read_json, replacing
from vln.schema import Distance, NonBlank, Place, Radians, Whole, convert_value, parse
from vln.vlnce_datasets import VLNCE, VlnceDataset

REFETCH = "correct the entry or fetch the file again"
PUBLISHED = (
    f"`{FETCH.format('r2r-ce rxr-ce')}` brings R2R_VLNCE_v1-3_preprocessed.zip and RxR_VLNCE_v0.zip, which are linked "
    "from https://github.com/jacobkrantz/VLN-CE, into vlnce/ of the data folder"
)
LEVEL = 1e-3  # tolerance for the part of a start rotation that is not about the vertical
SCENE = r"^(?:[^\x00-\x1f\\]*/)?[^/\\\x00-\x1f.][^/\\\x00-\x1f]{0,199}$"  # the name of a file, after its folder


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The walk of an expert that followed an episode's reference path."""

    places: np.ndarray  # (n, 3) metres, from the start; positions during turns in place may be left out
    actions: tuple[int, ...]  # 0 stop, 1 forward, 2 left, 3 right


@dataclass(frozen=True, eq=False)
class ContinuousSplit:
    """A split of a data set in a continuous world."""

    source: Path
    episodes: Sequence[Episode]  # episodes in file order
    # Map from episode id to geodesic metres from start to goal; episodes without that field are left out
    shortest: Mapping[str, float]
    ground_truth: Mapping[str, GroundTruth]  # map from episode id to ground truth; empty if there is no such file

    def references(self, episodes: Sequence[Episode]) -> list[np.ndarray] | None:
        """Return for each episode the positions that nDTW compares with, (n, 3).

        Without published ground truth these lie along the reference path. Returns None if an episode of the split has a
        goal but no reference path.
        """
        if not all(each.has_demonstration for each in self.episodes):
            return None
        return [
            self.ground_truth[each.episode_id].places
            if each.episode_id in self.ground_truth
            else resample(np.array(each.positions))
            for each in episodes
        ]


def find_vlnce(folder: Path | None = None, dataset: str = "") -> Path:
    """Return the data folder, which has `vlnce/` in it; that of the data set itself if `dataset` is its path."""
    own = find_data_folder(dataset, folder)
    return own.path if own else find_folder(folder, "vlnce", f"a folder with vlnce/; {PUBLISHED}")


def split_files(data: Path, dataset: str, split: str, role: str | None = None) -> tuple[Path, Path]:
    """Return the file of a split and that of its ground truth, which may not exist.

    In RxR each role has files of its own; the default is the guide's.
    """
    described = _described(dataset)
    whose = described.role(role)
    own = find_data_folder(dataset, data)
    if own:
        episodes = own.file(split)
        return episodes, episodes.with_name(episodes.name.replace(".json.gz", "_gt.json.gz"))
    found = [folder for pattern in described.folders for folder in sorted((Path(data) / "vlnce").glob(pattern))]
    if not found:
        raise InputError(Path(data) / "vlnce", f"'{dataset}' is missing", PUBLISHED)
    folder = max(found, key=lambda each: (each.name.removesuffix("_preprocessed"), each.name))  # the newest
    ending = f"_{whose}" if whose else ""
    stem = folder / split / f"{split}{ending}"
    episodes = Path(f"{stem}.json.gz")
    if not episodes.is_file():
        there = sorted(each.name for each in folder.iterdir() if (each / f"{each.name}{ending}.json.gz").is_file())
        of = f"'{dataset}'" + (f" by its {whose}s" if whose else "")
        fix = f"use one of the splits {', '.join(there)}" if there else PUBLISHED
        raise InputError(episodes, f"split '{split}' of {of} is missing", fix)
    return episodes, Path(f"{stem}_gt.json.gz")


def _described(dataset: str) -> VlnceDataset:
    if is_path(dataset):
        return VlnceDataset(Path(dataset).name, ())
    if dataset not in VLNCE:
        raise unknown_name("dataset", dataset, VLNCE)
    return VLNCE[dataset]


def load_continuous_split(
    data: Path,
    dataset: str,
    split: str,
    *,
    ground_truth: bool = True,
    role: str | None = None,
    languages: tuple[str, ...] = (),
) -> ContinuousSplit:
    """Load a split of "r2r-ce", "rxr-ce" or the path of a folder; the data folder has `vlnce/` in it.

    The published ground truth, which is larger than the episodes, is read unless `ground_truth` is false. `role`
    ("guide", the default, or "follower") and `languages` (all if empty) choose among RxR's; both roles have the same
    instructions.
    """
    described = _described(dataset)
    described.check_languages(languages)
    source, truth = split_files(data, dataset, split, role)
    listed = enumerate(_in_languages(source, _entries(source), languages))
    entries = [_parsed(source, number, entry) for number, entry in listed]
    episodes = _with_goals(source, [_episode(split, entry) for entry in entries], entries)
    _check_unique(source, episodes)
    shortest = {
        each.episode_id: entry.info.geodesic_distance
        for each, entry in zip(episodes, entries, strict=True)
        if entry.info and entry.info.geodesic_distance is not None
    }
    truths = load_ground_truth(truth, episodes) if ground_truth and truth.is_file() else {}
    return ContinuousSplit(source, episodes, shortest, truths)


def _in_languages(source: Path, entries: list[dict[str, Any]], languages: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the entries whose instructions are in the given languages; all if none are given."""
    if not languages:
        return entries
    kept = [
        entry
        for entry in entries
        if isinstance(entry.get("instruction"), dict) and entry["instruction"].get("language") in languages
    ]
    if not kept:
        raise InputError(source, f"has no instruction in {', '.join(languages)}", "choose other --languages")
    return kept


def load_ground_truth(path: Path, episodes: Sequence[Episode]) -> dict[str, GroundTruth]:
    """Load the expert's walks, by episode id."""
    content = read_json(path, dict[str, Raw], "fetch it again")
    return {each.episode_id: _ground_truth(path, each.episode_id, content) for each in episodes}


class _Truth(Struct):
    """An entry of the ground-truth file."""

    locations: Annotated[tuple[Place, ...], Meta(min_length=1)]
    actions: tuple[Annotated[int, Meta(ge=0, le=99)], ...]


def _ground_truth(path: Path, episode_id: str, content: Mapping[str, Raw]) -> GroundTruth:
    fix = "fetch the file that belongs to the episodes"
    entry = content.get(published_id(episode_id))
    if entry is None:
        raise InputError(path, f"episode '{episode_id}' is missing", fix)
    truth = parse(entry, _Truth, path, fix, f"episode '{episode_id}'")
    return GroundTruth(np.array(truth.locations), truth.actions)


def published_id(episode_id: str) -> str:
    """Return the id of an episode in VLN-CE's files. In RxR ours appends an underscore and the instruction's number."""
    return episode_id.split("_")[0]


def instruction_number(episode_id: str) -> int:
    """Return the number of an episode's instruction in RxR."""
    parts = episode_id.split("_")
    if len(parts) != 2 or not parts[1].isdigit():
        raise InputError(f"episode '{episode_id}'", "is not of RxR", "use a split of rxr-ce")
    return int(parts[1])


def write_continuous_split(path: Path, episodes: Sequence[Episode], scene: Callable[[str], str], radius: float) -> None:
    """Write episodes of a continuous world as `<split>.json.gz` of VLN-CE, atomically and reproducibly to the byte.

    `scene` maps a scan to its `scene_id`; `radius` is the success radius in metres. Withheld goals are left out.
    """
    vocabulary = sorted({word for each in episodes for word in each.instruction.split()})
    entries = [_entry(number, each, scene(each.scan), radius) for number, each in enumerate(episodes, start=1)]
    content = {"episodes": entries, "instruction_vocab": {"word_list": vocabulary}}
    with replacing(path) as temporary:
        temporary.write_bytes(gzip.compress(json.dumps(content).encode(), mtime=0))


def _entry(number: int, episode: Episode, scene: str, radius: float) -> dict[str, Any]:
    entry = {
        "episode_id": number,
        "trajectory_id": episode.episode_id,
        "scene_id": scene,
        "start_position": list(episode.positions[0]),
        "start_rotation": rotation_of(episode.heading),
        "instruction": {"instruction_text": episode.instruction, "instruction_tokens": []},
    }
    if episode.withheld:
        return entry
    length = float(np.linalg.norm(np.diff(episode.positions, axis=0), axis=1).sum())
    goal = {"position": list(episode.positions[-1]), "radius": radius}
    path = {"reference_path": [list(place) for place in episode.positions], "goals": [goal]}
    return entry | path | {"info": {"geodesic_distance": length}}


def heading_of(rotation: Sequence[float]) -> float:
    """Return the heading of a rotation about the vertical (quaternion xyzw), in radians counter-clockwise from -z."""
    _, y, _, w = rotation
    return 2 * math.atan2(y, w) % math.tau


def rotation_of(heading: float) -> list[float]:
    """Return the quaternion of a heading, the inverse of `heading_of`."""
    return [0.0, math.sin(heading / 2), 0.0, math.cos(heading / 2)]


def _entries(source: Path) -> list[dict[str, Any]]:
    content = read_json(source)
    entries = content.get("episodes") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(source, "field 'episodes' is not a list of objects", "use a file in VLN-CE's format")
    return entries


def _with_goals(source: Path, episodes: list[Episode], entries: Sequence["_Entry"]) -> list[Episode]:
    """Mark the goals of a split as published if any is; a reference path of one place then ends at its start."""
    if all(each.withheld for each in episodes):
        return episodes
    for entry in entries:
        if not entry.goals and not entry.reference_path:
            problem = f"episode {entry.episode_id} has no goal, though others have one"
            raise InputError(source, problem, "give it fields 'goals' and 'reference_path', or take it out")
    return [replace(each, known="way") if each.withheld else each for each in episodes]


class _Instruction(Struct):
    """The instruction of an entry."""

    instruction_text: NonBlank
    instruction_id: Whole | str | None = None


class _Goal(Struct):
    """The goal of an entry."""

    position: Place


class _Info(Struct):
    """Further fields of an entry."""

    geodesic_distance: Distance | None = None


class _Entry(Struct):
    """An entry of a file of episodes."""

    episode_id: Whole | NonBlank
    scene_id: Annotated[str, Meta(pattern=SCENE)]
    instruction: _Instruction
    start_position: Place
    start_rotation: tuple[Radians, Radians, Radians, Radians]
    reference_path: tuple[Place, ...] | None = None
    goals: tuple[_Goal, ...] | None = None
    info: _Info | None = None


def _parsed(source: Path, number: int, entry: dict[str, Any]) -> _Entry:
    where = f"episode {entry.get('episode_id', f'number {number}')}"
    parsed = convert_value(entry, _Entry, source, REFETCH, where)
    if not _is_level(parsed.start_rotation):
        problem = f"field 'start_rotation' of {where} is not x, y, z, w of a rotation about the vertical"
        raise InputError(source, problem, REFETCH)
    return parsed


def _episode(split: str, entry: _Entry) -> Episode:
    """Build the episode of an entry; with neither goal nor reference path its goal is withheld."""
    path, goals = entry.reference_path or (), entry.goals or ()
    places = (*path[1:-1], goals[0].position) if goals else path[1:]  # the start has its own field
    return Episode(
        episode_id=_id(entry.episode_id, entry.instruction.instruction_id),
        scan=Path(entry.scene_id).name.split(".")[0],
        split=split,
        instruction=entry.instruction.instruction_text,
        path=(),
        heading=heading_of(entry.start_rotation),
        positions=(entry.start_position, *places),
        known="goal" if goals and not path else None,
    )


def _id(number: object, instruction: object) -> str:
    """Return our id of an episode. In RxR it includes the instruction's number, which submissions need."""
    return f"{number}" if instruction is None else f"{number}_{instruction}"


def _is_level(rotation: Sequence[float]) -> bool:
    return max(abs(rotation[0]), abs(rotation[2])) < LEVEL and abs(math.hypot(*rotation) - 1) < LEVEL


def _check_unique(source: Path, episodes: Sequence[Episode]) -> None:
    seen: set[str] = set()
    for episode in episodes:
        if episode.episode_id in seen:
            raise InputError(source, f"episode_id '{episode.episode_id}' occurs twice", "give every episode its own")
        seen.add(episode.episode_id)
