"""Submission files of the leaderboards of VLN-CE.

R2R: `{"<episode_id>": [{"position": [x, y, z], "heading": radians, "stop": bool}, ...]}`, the start first, then what
came of each action. RxR: a line `{"instruction_id": number, "path": [[x, y, z], ...]}` for each instruction, without
the poses of turns in place. Positions are metres in habitat's frame, headings counter-clockwise from -z.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vln.episodes import Episode
from vln.errors import InputError
from vln.files import read_json_lines, read_text, write_json_lines, write_text
from vln.trajectory import Trajectory
from vln.vlnce import Place, instruction_number, published_id

NEAR = 0.5  # metres that a walk may begin beside its episode's start, which lies some way above or below the floor


@dataclass(frozen=True, slots=True)
class ContinuousPrediction:
    """One entry of a submission.

    Attributes:
        episode_id: Id of the episode.
        places: Positions, the start first.
        headings: Radians at each of them; empty in RxR's format, which leaves them out.
        stopped: Whether the walk ended with a stop; every one does in RxR's format.
    """

    episode_id: str
    places: tuple[Place, ...]
    headings: tuple[float, ...]
    stopped: bool


def predictions(trajectories: Iterable[Trajectory]) -> list[ContinuousPrediction]:
    """What submissions tell of trajectories."""
    return [
        ContinuousPrediction(
            each.episode_id,
            tuple(pose.position for pose in each.poses),
            tuple(pose.heading for pose in each.poses),
            bool(each.steps) and each.steps[-1].choice == "stop",
        )
        for each in trajectories
    ]


def write_continuous_submission(path: Path, dataset: str, entries: Sequence[ContinuousPrediction]) -> None:
    """Write a submission file, whole or not at all.

    Args:
        path: The file; `.json` for R2R and `.jsonl` for RxR is what the leaderboards take.
        dataset: "r2r-ce" or "rxr-ce".
        entries: Of all episodes of the split.

    Raises:
        InputError: If an episode is not of RxR though the data set is.
    """
    if dataset == "rxr-ce":
        rows = [
            {"instruction_id": instruction_number(each.episode_id), "path": _moves(each.places)} for each in entries
        ]
        write_json_lines(path, sorted(rows, key=lambda row: row["instruction_id"]))
        return
    lines = (f"{json.dumps(published_id(each.episode_id))}: {json.dumps(_poses(each))}" for each in entries)
    write_text(path, "{" + ",\n".join(lines) + "}\n")


def _poses(entry: ContinuousPrediction) -> list[dict[str, Any]]:
    last = len(entry.places) - 1
    return [
        {
            "position": list(place),
            "heading": math.remainder(heading, math.tau),
            "stop": entry.stopped and number == last,
        }
        for number, (place, heading) in enumerate(zip(entry.places, entry.headings, strict=True))
    ]


def _moves(places: Sequence[Place]) -> list[Place]:
    return [here for before, here in zip((None, *places), places, strict=False) if here != before]


def read_continuous_submission(
    path: Path, episodes: Sequence[Episode], *, allow_missing: bool = False
) -> list[ContinuousPrediction]:
    """The entries of a submission file, in its order, checked against the episodes they should be of.

    Args:
        path: A `.json` file in R2R's format or a `.jsonl` file in RxR's.
        episodes: Of the split.
        allow_missing: Accept that episodes have no walk, though not that all have none.

    Raises:
        InputError: If the file or an entry is malformed, an id is unknown, twice there or missing, or a walk does not
            start where its episode does.
    """
    found = _read_lines(path, episodes) if path.suffix == ".jsonl" else _read_object(path)
    check_continuous_submission(path, found, episodes, allow_missing=allow_missing)
    return found


def check_continuous_submission(
    source: Path, entries: Sequence[ContinuousPrediction], episodes: Sequence[Episode], *, allow_missing: bool = False
) -> None:
    """Check that there is one possible walk for each episode.

    Raises:
        InputError: If an id is unknown, twice there or missing, or a walk does not start where its episode does.
    """
    wanted = {each.episode_id: each for each in episodes}
    counts = Counter(each.episode_id for each in entries)
    for name, count in counts.items():
        if name not in wanted:
            fix = "score the file against the split it was made for, or remove the entry"
            raise InputError(source, f"episode '{name}' is not in the split", fix)
        if count > 1:
            raise InputError(source, f"episode '{name}' occurs {count} times", "keep one walk for each")
    missing = [name for name in wanted if name not in counts]
    if missing and not (allow_missing and entries):
        problem = f"{len(missing)} of {len(wanted)} walks are missing, the first of episode '{missing[0]}'"
        raise InputError(source, problem, "walk every episode of the split")
    for each in entries:
        start = wanted[each.episode_id].positions[0]
        if math.dist(each.places[0], start) > NEAR:
            here, there = (f"({', '.join(f'{value:.2f}' for value in place)})" for place in (each.places[0], start))
            problem = f"the walk of episode '{each.episode_id}' starts at {here} instead of at {there}"
            raise InputError(source, problem, "begin it with the episode's start")


def _read_object(path: Path) -> list[ContinuousPrediction]:
    """R2R's format, in which an id that is there twice would go unnoticed if read as an object."""
    try:
        pairs = json.loads(read_text(path), object_pairs_hook=list)
    except json.JSONDecodeError as error:
        problem = f"is truncated or not JSON at line {error.lineno}, column {error.colno} ({error.msg})"
        raise InputError(path, problem, "write the file again") from None
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        raise InputError(path, "is not an object of episodes", "write {episode_id: [{position, heading, stop}, ...]}")
    return [_walk(path, name, [dict(pose) if _is_object(pose) else pose for pose in poses]) for name, poses in pairs]


def _is_object(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(pair, tuple) for pair in value)


def _walk(path: Path, name: str, poses: Any) -> ContinuousPrediction:
    fix = "write {position: [x, y, z], heading: radians, stop: true or false} for the start and after each action"
    if not isinstance(poses, list) or not poses:
        raise InputError(path, f"episode '{name}' has no poses", fix)
    for step, pose in enumerate(poses):
        if not isinstance(pose, dict) or not _are_numbers([pose.get("heading")], 1):
            raise InputError(path, f"pose {step} of episode '{name}' has no finite 'heading'", fix)
        if not _are_numbers(pose.get("position"), 3):
            raise InputError(path, f"pose {step} of episode '{name}' has no 'position' of three finite numbers", fix)
        if not isinstance(pose.get("stop"), bool) or (pose["stop"] and step < len(poses) - 1):
            raise InputError(path, f"'stop' of pose {step} of episode '{name}' is not false before the last pose", fix)
    places = tuple(_tuple(pose["position"]) for pose in poses)
    return ContinuousPrediction(name, places, tuple(float(pose["heading"]) for pose in poses), poses[-1]["stop"])


def _read_lines(path: Path, episodes: Sequence[Episode]) -> list[ContinuousPrediction]:
    """RxR's format."""
    names = {instruction_number(each.episode_id): each.episode_id for each in episodes}
    fix = "write {instruction_id: number, path: [[x, y, z], ...]}, the start first"
    found = []
    for number, row in read_json_lines(path):
        told = row.get("instruction_id") if isinstance(row, dict) else None
        if not isinstance(told, int):
            raise InputError(path, f"line {number} has no field 'instruction_id' that is a number", fix)
        places = row.get("path")
        if not isinstance(places, list) or not places or not all(_are_numbers(place, 3) for place in places):
            raise InputError(path, f"field 'path' of line {number} is not a list of three finite numbers each", fix)
        found.append(ContinuousPrediction(names.get(told, str(told)), tuple(map(_tuple, places)), (), True))
    return found


def _are_numbers(values: Any, count: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) == count
        and all(isinstance(each, int | float) and math.isfinite(each) for each in values)
    )


def _tuple(place: Sequence[float]) -> Place:
    x, y, z = map(float, place)
    return x, y, z
