"""Submission files of the leaderboards of VLN-CE.

R2R: `{"<episode_id>": [{"position": [x, y, z], "heading": radians, "stop": bool}, ...]}`, the start first, then one
pose after each action. RxR: a line `{"instruction_id": number, "path": [[x, y, z], ...]}` for each instruction, without
the poses of turns in place. Positions are metres in habitat's frame, headings counter-clockwise from -z.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Raw, Struct

from vln.episodes import Episode
from vln.errors import InputError
from vln.files import read_content, read_json, read_json_lines, reading, write_json_lines, write_text
from vln.schema import Place, Radians, Whole, parse
from vln.trajectory import Trajectory
from vln.vlnce import instruction_number, published_id

NEAR = 0.5  # metres: tolerance at the start of a walk; published starts lie somewhat above or below the floor


@dataclass(frozen=True, slots=True)
class ContinuousPrediction:
    """One entry of a submission."""

    episode_id: str
    places: tuple[Place, ...]
    headings: tuple[float, ...]  # radians at each position; empty in RxR's format, which has none
    stopped: bool  # whether the walk ended with a stop; always true in RxR's format


def predictions(trajectories: Iterable[Trajectory]) -> list[ContinuousPrediction]:
    """Return the entries of a submission for trajectories."""
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
    """Write a submission file of "r2r-ce" or "rxr-ce" atomically; the leaderboards take `.json` and `.jsonl`."""
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
    """Read a submission, `.json` in R2R's format or `.jsonl` in RxR's, and check it against the episodes of the split.

    With `allow_missing` episodes may have no walk, unless all lack one.
    """
    found = _read_lines(path, episodes) if path.suffix == ".jsonl" else _read_object(path)
    check_continuous_submission(path, found, episodes, allow_missing=allow_missing)
    return found


def check_continuous_submission(
    source: Path, entries: Sequence[ContinuousPrediction], episodes: Sequence[Episode], *, allow_missing: bool = False
) -> None:
    """Check that there is exactly one possible walk for each episode; `read_continuous_submission` names the errors."""
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


class _Pose(Struct):
    """A pose of a walk in the file."""

    position: Place
    heading: Radians
    stop: bool


_Walk = Annotated[tuple[_Pose, ...], Meta(min_length=1)]


def _read_object(path: Path) -> list[ContinuousPrediction]:
    """Read R2R's format. A second pass looks for duplicate ids, which would go unnoticed in an object."""
    fix = "write {episode_id: [{position: [x, y, z], heading: radians, stop: true or false}, ...]}, the start first"
    content = read_json(path, dict[str, Raw], fix)
    found = [_walk(path, name, parse(poses, _Walk, path, fix, f"episode '{name}'")) for name, poses in content.items()]
    with reading(path, ValueError):
        pairs = json.loads(read_content(path), object_pairs_hook=_keys, parse_int=float)
    name, count = Counter(pairs).most_common(1)[0] if pairs else ("", 0)
    if count > 1:
        raise InputError(path, f"episode '{name}' occurs {count} times", "keep one walk for each")
    return found


def _keys(pairs: list[tuple[str, object]]) -> list[str]:
    """Return the keys of an object, duplicates included."""
    return [name for name, _ in pairs]


def _walk(path: Path, name: str, poses: Sequence[_Pose]) -> ContinuousPrediction:
    for step, pose in enumerate(poses[:-1]):
        if pose.stop:
            problem = f"'stop' of pose {step} of episode '{name}' is not false before the last pose"
            raise InputError(path, problem, "end the walk where it stops")
    places, headings = tuple(pose.position for pose in poses), tuple(pose.heading for pose in poses)
    return ContinuousPrediction(name, places, headings, poses[-1].stop)


class _Row(Struct):
    """A line of RxR's format."""

    instruction_id: Whole
    path: Annotated[tuple[Place, ...], Meta(min_length=1)]


def _read_lines(path: Path, episodes: Sequence[Episode]) -> list[ContinuousPrediction]:
    """Read RxR's format."""
    names = {instruction_number(each.episode_id): each.episode_id for each in episodes}
    fix = "write {instruction_id: number, path: [[x, y, z], ...]}, the start first"
    return [
        ContinuousPrediction(names.get(row.instruction_id, str(row.instruction_id)), row.path, (), True)
        for _, row in read_json_lines(path, _Row, fix)
    ]
