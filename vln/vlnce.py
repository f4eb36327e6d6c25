"""R2R and RxR in continuous environments (VLN-CE, Krantz et al. 2020): episodes and the ways their authors walked.

A file `<split>.json.gz` holds episodes, `<split>_gt.json.gz` for each of them the places and actions of an expert that
followed its reference path in habitat-sim. Positions are habitat's: metres, y up, the same frame as here.
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

from vln.continuous_datasets import VLNCE, ContinuousDataset
from vln.continuous_metrics import resample
from vln.data import find_folder
from vln.episodes import Episode
from vln.errors import InputError, unknown_name
from vln.files import read_json, replacing
from vln.schema import Distance, Place, Radians, Sentence, Whole, convert_value, parse

REFETCH = "correct the entry or fetch the file again"
PUBLISHED = (
    "R2R_VLNCE_v1-3_preprocessed.zip and RxR_VLNCE_v0.zip are linked from https://github.com/jacobkrantz/VLN-CE; "
    "unpack them into vlnce/ of the data folder"
)
LEVEL = 1e-3  # how much of a start rotation may be about other axes than the vertical
SCENE = r"^(?:[^\x00-\x1f\\]*/)?[^/\\\x00-\x1f.][^/\\\x00-\x1f]{0,199}$"  # a file, behind its folder


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """What an expert did that followed an episode's reference path.

    Attributes:
        places: (n, 3) metres, the start first; those of turns in place may be left out.
        actions: 0 stop, 1 forward, 2 left, 3 right.
    """

    places: np.ndarray
    actions: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ContinuousSplit:
    """A split of a data set in a continuous world.

    Attributes:
        source: Its file.
        dataset: What it is of.
        episodes: Its episodes, in file order.
        shortest: Geodesic metres from start to goal by id of the episode; what the file does not tell is left out.
        ground_truth: By id of the episode; empty where there is no such file.
    """

    source: Path
    dataset: ContinuousDataset
    episodes: Sequence[Episode]
    shortest: Mapping[str, float]
    ground_truth: Mapping[str, GroundTruth]

    def references(self, episodes: Sequence[Episode]) -> list[np.ndarray] | None:
        """For each of some episodes the places that nDTW compares with, (n, 3).

        Those along the reference path where no ground truth is published; None where an episode of the split has a goal
        and no reference path.
        """
        if not all(each.has_demonstration for each in self.episodes):
            return None
        return [
            self.ground_truth[each.episode_id].places
            if each.episode_id in self.ground_truth
            else resample(np.array(each.positions))
            for each in episodes
        ]


def find_vlnce(folder: Path | None = None) -> Path:
    """The data folder, with `vlnce/` in it.

    Raises:
        InputError: If no candidate folder holds it.
    """
    return find_folder(folder, "vlnce", f"a folder with vlnce/; {PUBLISHED}")


def split_files(data: Path, dataset: str, split: str, role: str | None = None) -> tuple[Path, Path]:
    """The file of a split, in RxR of one role, the guide's unless told, and that of its ground truth, if there is one.

    Raises:
        InputError: If the data set is not known, or has no such role or split.
    """
    described = _described(dataset)
    whose = described.role(role)
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


def _described(dataset: str) -> ContinuousDataset:
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
    """A split with its ground truth, where that is published.

    Args:
        data: The data folder, with `vlnce/` in it.
        dataset: "r2r-ce" or "rxr-ce".
        split: Name of the split.
        ground_truth: Whether to read the ground truth, which is larger than the episodes.
        role: In RxR, whose paths: "guide" unless told, or "follower". Both have the same instructions.
        languages: In RxR, those of the instructions; all if empty.

    Raises:
        InputError: If a file is missing or malformed, the ground truth of an episode is, one tells no goal where others
            do, or the data set has no such role or language.
    """
    described = _described(dataset)
    described.check_languages(languages)
    source, truth = split_files(data, dataset, split, role)
    entries = _in_languages(source, _entries(source), languages)
    parsed = [_episode(source, split, number, entry) for number, entry in enumerate(entries)]
    episodes = _with_goals(source, parsed, entries)
    _check_unique(source, episodes)
    told = zip(episodes, (entry.get("info") for entry in entries), strict=True)
    shortest = {
        each.episode_id: float(info["geodesic_distance"]) for each, info in told if info and _has_distance(info)
    }
    truths = load_ground_truth(truth, episodes) if ground_truth and truth.is_file() else {}
    return ContinuousSplit(source, described, episodes, shortest, truths)


def _in_languages(source: Path, entries: list[dict[str, Any]], languages: tuple[str, ...]) -> list[dict[str, Any]]:
    """The entries whose instructions are in some languages; all if none are told.

    Raises:
        InputError: If there are none.
    """
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
    """What experts did, by id of the episode.

    Raises:
        InputError: If the file is missing or malformed, or an episode is not in it.
    """
    content = read_json(path, dict[str, Raw], "fetch it again")
    return {each.episode_id: _ground_truth(path, each.episode_id, content) for each in episodes}


class _Truth(Struct):
    """What the file of the ground truth tells of an episode."""

    locations: Annotated[tuple[Place, ...], Meta(min_length=1)]
    actions: tuple[Annotated[int, Meta(ge=0, le=99)], ...]


def _ground_truth(path: Path, episode_id: str, content: Mapping[str, Raw]) -> GroundTruth:
    fix = "fetch the file that belongs to the episodes"
    entry = content.get(published_id(episode_id))
    if entry is None:
        raise InputError(path, f"episode '{episode_id}' is missing", fix)
    told = parse(entry, _Truth, path, fix, f"episode '{episode_id}'")
    return GroundTruth(np.array(told.locations), told.actions)


def published_id(episode_id: str) -> str:
    """The id that the files of VLN-CE have for an episode; RxR's instruction is behind a line in ours."""
    return episode_id.split("_")[0]


def instruction_number(episode_id: str) -> int:
    """The number of an episode's instruction in RxR.

    Raises:
        InputError: If the episode is not of RxR.
    """
    parts = episode_id.split("_")
    if len(parts) != 2 or not parts[1].isdigit():
        raise InputError(f"episode '{episode_id}'", "is not of RxR", "use a split of rxr-ce")
    return int(parts[1])


def write_continuous_split(path: Path, episodes: Sequence[Episode], scene: Callable[[str], str], radius: float) -> None:
    """Write episodes of a continuous world in VLN-CE's format, whole or not at all; the same bytes for the same ones.

    Args:
        path: The file, `<split>.json.gz`.
        episodes: With positions; where goals are withheld, so they are in the file.
        scene: The `scene_id` of a scan.
        radius: Metres to the goal at which a stop succeeds.
    """
    vocabulary = sorted({word for each in episodes for word in each.instruction.split()})
    told = [_entry(number, each, scene(each.scan), radius) for number, each in enumerate(episodes, start=1)]
    content = {"episodes": told, "instruction_vocab": {"word_list": vocabulary}}
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
    """Radians counter-clockwise from -z of a rotation about the vertical; x, y, z, w as habitat's files have it."""
    _, y, _, w = rotation
    return 2 * math.atan2(y, w) % math.tau


def rotation_of(heading: float) -> list[float]:
    """The inverse of `heading_of`."""
    return [0.0, math.sin(heading / 2), 0.0, math.cos(heading / 2)]


def _entries(source: Path) -> list[dict[str, Any]]:
    content = read_json(source)
    entries = content.get("episodes") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(source, "field 'episodes' is not a list of objects", "use a file in VLN-CE's format")
    return entries


def _with_goals(source: Path, episodes: list[Episode], entries: Sequence[dict[str, Any]]) -> list[Episode]:
    """The episodes of a split, in which all goals are told or none is.

    Where they are, a reference path of one place ends where it starts.

    Raises:
        InputError: If an entry has neither goal nor reference path, and others have.
    """
    if all(each.withheld for each in episodes):
        return episodes
    for entry in entries:
        if not entry.get("goals") and not entry.get("reference_path"):
            problem = f"episode {entry['episode_id']} tells no goal, and others do"
            raise InputError(source, problem, "give it fields 'goals' and 'reference_path', or take it out")
    return [replace(each, known="way") if each.withheld else each for each in episodes]


class _Instruction(Struct):
    """What an entry tells its instruction by."""

    instruction_text: Sentence
    instruction_id: Whole | str | None = None


class _Goal(Struct):
    """Where an entry ends."""

    position: Place


class _Info(Struct):
    """What else is known of an entry."""

    geodesic_distance: Distance | None = None


class _Entry(Struct):
    """An entry of a file of episodes as it is there."""

    episode_id: Whole | Sentence
    scene_id: Annotated[str, Meta(pattern=SCENE)]
    instruction: _Instruction
    start_position: Place
    start_rotation: tuple[Radians, Radians, Radians, Radians]
    reference_path: tuple[Place, ...] | None = None
    goals: tuple[_Goal, ...] | None = None
    info: _Info | None = None


def _episode(source: Path, split: str, number: int, entry: dict[str, Any]) -> Episode:
    """One entry as an episode; with neither goal nor reference path its goal is withheld."""
    where = f"episode {entry.get('episode_id', f'number {number}')}"
    told = convert_value(entry, _Entry, source, REFETCH, where)
    if not _is_level(told.start_rotation):
        problem = f"field 'start_rotation' of {where} is not x, y, z, w of a rotation about the vertical"
        raise InputError(source, problem, REFETCH)
    path, goals = told.reference_path or (), told.goals or ()
    places = (*path[1:-1], goals[0].position) if goals else path[1:]  # the start is told apart
    return Episode(
        episode_id=_id(told.episode_id, told.instruction.instruction_id),
        scan=Path(told.scene_id).name.split(".")[0],
        split=split,
        instruction=told.instruction.instruction_text,
        path=(),
        heading=heading_of(told.start_rotation),
        positions=(told.start_position, *places),
        known="goal" if goals and not path else None,
    )


def _id(number: object, instruction: object) -> str:
    """The id of an episode, and behind a line RxR's number of its instruction, which submissions are to name."""
    return f"{number}" if instruction is None else f"{number}_{instruction}"


def _is_level(rotation: Sequence[float]) -> bool:
    return max(abs(rotation[0]), abs(rotation[2])) < LEVEL and abs(math.hypot(*rotation) - 1) < LEVEL


def _has_distance(info: Any) -> bool:
    return info.get("geodesic_distance") is not None


def _check_unique(source: Path, episodes: Sequence[Episode]) -> None:
    seen: set[str] = set()
    for episode in episodes:
        if episode.episode_id in seen:
            raise InputError(source, f"episode_id '{episode.episode_id}' occurs twice", "give every episode its own")
        seen.add(episode.episode_id)
