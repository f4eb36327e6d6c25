"""Scores in continuous worlds: of submissions to the leaderboards of VLN-CE, and of trajectories.

A submission holds positions, but not the distances to the goal. Trajectories (.jsonl, as evaluate.py writes) hold the
geodesic distances that the simulator measured. For submissions NE, SR and OSR use the straight line, which is never
longer, so they are optimistic bounds: the leaderboard may report worse scores. SPL divides by the published shortest
path either way, if there is one.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vln.continuous_metrics import Walks, score_walks, walks_of
from vln.errors import InputError
from vln.files import read_json_lines
from vln.trajectory import Trajectory, read_trajectories
from vln.vlnce import ContinuousSplit
from vln.vlnce_submission import (
    ContinuousPrediction,
    check_continuous_submission,
    predictions,
    read_continuous_submission,
)

CONTINUOUS = ("TL", "NE", "OSR", "SR", "SPL", "nDTW", "sDTW", "steps", "collisions")  # the metrics of VLN-CE


def score_file(
    task: ContinuousSplit, path: Path, allow_missing: bool = False
) -> tuple[list[int], dict[str, np.ndarray]]:
    """Score a file of walks.

    Args:
        task: The split of the walks.
        path: A submission or a file of trajectories.
        allow_missing: Accept episodes without a walk.

    Returns:
        The indices of the n episodes that have a walk, and (n,) values of each metric.

    Raises:
        InputError: If the goals are withheld, or the file does not fit the split.
    """
    if any(each.withheld for each in task.episodes):
        raise InputError(task.source, "the goals of the split are withheld", "submit the file to the leaderboard")
    if is_trajectories(path):
        return _score_trajectory_file(task, read_trajectories(path), path, allow_missing)
    entries = read_continuous_submission(path, task.episodes, allow_missing=allow_missing)
    rows = _rows(task, entries)
    ordered = sorted(zip(rows, entries, strict=True), key=lambda pair: pair[0])
    places = [np.array(entry.places) for _, entry in ordered]
    goals = [np.array(task.episodes[row].positions[-1]) for row, _ in ordered]
    straight = [np.linalg.norm(walk - goal, axis=1) for walk, goal in zip(places, goals, strict=True)]
    stopped = np.array([entry.stopped for _, entry in ordered])
    taken = [len(entry.headings) - 1 if entry.headings else np.nan for _, entry in ordered]
    walked = [row for row, _ in ordered]
    return walked, _scores(task, walked, Walks(places, straight, (), stopped)) | {"steps": np.array(taken, float)}


def _score_trajectory_file(
    task: ContinuousSplit, trajectories: Sequence[Trajectory], source: Path, allow_missing: bool = False
) -> tuple[list[int], dict[str, np.ndarray]]:
    """Check that trajectories fit a split and score them, with steps and collisions; see `score_file`."""
    entries = predictions(trajectories)
    check_continuous_submission(source, entries, task.episodes, allow_missing=allow_missing)
    rows = _rows(task, entries)
    order = np.argsort(rows)
    ordered = [trajectories[place] for place in order]
    counted = {
        "steps": np.array([len(each.steps) for each in ordered], float),
        "collisions": np.array([sum(step.collided for step in each.steps) for each in ordered], float),
    }
    return [rows[place] for place in order], score_vlnce_trajectories(task, ordered) | counted


def score_vlnce_trajectories(task: ContinuousSplit, trajectories: Sequence[Trajectory]) -> dict[str, np.ndarray]:
    """Compute the metrics of trajectories of a split, in their order.

    Raises:
        InputError: If a goal is withheld.
    """
    number = {each.episode_id: row for row, each in enumerate(task.episodes)}
    return _scores(task, [number[each.episode_id] for each in trajectories], walks_of(trajectories))


def _rows(task: ContinuousSplit, entries: Sequence[ContinuousPrediction]) -> list[int]:
    number = {each.episode_id: row for row, each in enumerate(task.episodes)}
    return [number[each.episode_id] for each in entries]


def _scores(task: ContinuousSplit, rows: Sequence[int], walks: Walks) -> dict[str, np.ndarray]:
    """Compute the metrics of walks against the ground truth; SPL uses the published shortest path."""
    episodes = [task.episodes[row] for row in rows]
    walks = Walks(walks.places, walks.to_goal, task.references(episodes), walks.stopped)
    shortest = [task.shortest.get(each.episode_id, walk[0]) for each, walk in zip(episodes, walks.to_goal, strict=True)]
    return score_walks(walks, task.dataset.success, np.array(shortest))


def is_trajectories(path: Path) -> bool:
    """Whether a file holds trajectories rather than a submission; RxR's submissions end in .jsonl too."""
    if path.suffix != ".jsonl":
        return False
    _, first = next(iter(read_json_lines(path)), (0, None))
    return not isinstance(first, dict) or "instruction_id" not in first
