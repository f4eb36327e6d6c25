"""Submission files of the R2R evaluator: `[{"instr_id": ..., "trajectory": [[viewpoint, heading, elevation], ...]}]`.

The official evaluator scores any file; here an incomplete or impossible submission is an error.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from vln.episodes import Episode
from vln.errors import InputError
from vln.files import read_json, write_text
from vln.graph import NavigationGraph
from vln.schema import Radians
from vln.trajectory import Trajectory


class Visit(NamedTuple):
    """A pose of a submission: viewpoint id, heading and elevation in radians."""

    viewpoint: str
    heading: float
    elevation: float


class _Entry(Struct):
    """An entry of the file."""

    instr_id: str
    trajectory: Annotated[tuple[tuple[str, Radians, Radians], ...], Meta(min_length=1)]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One entry of a submission: its `instr_id`, and the poses from the start, in-place turns included."""

    episode_id: str
    poses: tuple[Visit, ...]


Walk = Prediction | Trajectory


def viewpoints(walk: Walk) -> list[str]:
    """Return the viewpoint ids of the poses, from the start, in-place turns included."""
    return [pose.viewpoint for pose in walk.poses]


def write_submission(path: Path, walks: Iterable[Walk]) -> None:
    """Write a submission file atomically, one entry a line."""
    rows = (
        {"instr_id": walk.episode_id, "trajectory": [[p.viewpoint, p.heading, p.elevation] for p in walk.poses]}
        for walk in walks
    )
    write_text(path, "[" + ",\n".join(json.dumps(row) for row in rows) + "]\n")


def read_submission(path: Path) -> list[Prediction]:
    """Read the entries of a submission file, in its order."""
    fix = "write a list of {instr_id, trajectory: [[viewpoint, heading, elevation], ...]} objects, the start first"
    entries = read_json(path, list[_Entry], fix)
    return [Prediction(entry.instr_id, tuple(map(Visit._make, entry.trajectory))) for entry in entries]


def check_submission(
    source: Path,
    walks: Sequence[Walk],
    episodes: Sequence[Episode],
    graphs: Mapping[str, NavigationGraph],
    *,
    allow_missing: bool = False,
) -> None:
    """Check that there is exactly one possible walk for each episode; `source` names their file in errors.

    It begins at the episode's start and goes along edges of the graph. With `allow_missing` episodes may have no walk,
    unless all lack one.
    """
    wanted = {episode.episode_id: episode for episode in episodes}
    _check_ids(source, walks, wanted, allow_missing)
    for walk in walks:
        _check_walk(source, walk, wanted[walk.episode_id], graphs)


def _check_ids(source: Path, walks: Sequence[Walk], wanted: Mapping[str, Episode], allow_missing: bool) -> None:
    counts = Counter(walk.episode_id for walk in walks)
    unknown = next((name for name in counts if name not in wanted), None)
    if unknown is not None:
        fix = "score the file against the split it was made for, or remove the entry"
        raise InputError(source, f"instr_id '{unknown}' is not in the split", fix)
    name, count = next(iter(counts.most_common(1)), ("", 0))
    if count > 1:
        raise InputError(source, f"instr_id '{name}' occurs {count} times", "keep one prediction for each")
    missing = [name for name in wanted if name not in counts]
    if missing and not (allow_missing and walks):
        problem = f"{len(missing)} of {len(wanted)} predictions are missing, the first for instr_id '{missing[0]}'"
        raise InputError(source, problem, "predict every instruction of the split")


def _check_walk(source: Path, walk: Walk, episode: Episode, graphs: Mapping[str, NavigationGraph]) -> None:
    path, where = viewpoints(walk), f"the trajectory of instr_id '{walk.episode_id}'"
    if not path or path[0] != episode.start:
        found = f"at '{path[0]}'" if path else "nowhere"
        fix = "begin it with the episode's start"
        raise InputError(source, f"{where} starts {found} instead of at viewpoint '{episode.start}'", fix)
    step = graphs[episode.scan].first_break(path)
    if step is not None:
        problem = f"{where} breaks at step {step}: {graphs[episode.scan].explain(path, step)}"
        raise InputError(source, problem, "list every viewpoint passed on the way")
