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
from vln.metrics import THRESHOLD
from vln.trajectory import Trajectory
from vln.vlnce import ContinuousSplit
from vln.vlnce_submission import read_continuous_submission

CONTINUOUS = ("TL", "NE", "OSR", "SR", "SPL", "nDTW", "sDTW", "steps", "collisions")  # what VLN-CE reports


def score_file(
    split: ContinuousSplit, path: Path, metres: float = THRESHOLD, allow_missing: bool = False
) -> tuple[list[int], dict[str, np.ndarray]]:
    """Score a submission of a split; return the numbers of the episodes walked, and (n,) values of each metric.

    `metres` is the success radius, and what nDTW divides distances by.
    """
    check_goals(split)
    entries = read_continuous_submission(path, split.episodes, allow_missing=allow_missing)
    number = {each.episode_id: row for row, each in enumerate(split.episodes)}
    ordered = sorted(((number[each.episode_id], each) for each in entries), key=lambda pair: pair[0])
    places = [np.array(entry.places) for _, entry in ordered]
    goals = [np.array(split.episodes[row].positions[-1]) for row, _ in ordered]
    straight = [np.linalg.norm(walk - goal, axis=1) for walk, goal in zip(places, goals, strict=True)]
    stopped = np.array([entry.stopped for _, entry in ordered])
    taken = [len(entry.headings) - 1 if entry.headings else np.nan for _, entry in ordered]
    known = [row for row, _ in ordered]
    scores = _scores(
        split, [split.episodes[row].episode_id for row in known], Walks(places, straight, (), stopped), metres
    )
    return known, scores | {"steps": np.array(taken, float)}


def check_goals(split: ContinuousSplit) -> None:
    """Check that a split has its goals."""
    if any(each.withheld for each in split.episodes):
        raise InputError(split.source, "the goals of the split are withheld", "submit the file to the leaderboard")


def score_vlnce_trajectories(
    split: ContinuousSplit, trajectories: Sequence[Trajectory], metres: float = THRESHOLD
) -> dict[str, np.ndarray]:
    """Compute the metrics of trajectories of a split, in their order."""
    known = {each.episode_id for each in split.episodes}
    for each in trajectories:
        if each.episode_id not in known:
            problem = f"episode '{each.episode_id}' is not in the split"
            raise InputError(split.source, problem, "give trajectories of this split")
    return _scores(split, [each.episode_id for each in trajectories], walks_of(trajectories), metres)


def shortest_paths(split: ContinuousSplit, episodes: Sequence[str], starts: Sequence[float]) -> np.ndarray:
    """Return the published metres from start to goal of episodes (ids), or those measured at their starts."""
    return np.array([split.shortest.get(each, start) for each, start in zip(episodes, starts, strict=True)])


def _scores(split: ContinuousSplit, episodes: Sequence[str], walks: Walks, metres: float) -> dict[str, np.ndarray]:
    """The metrics of walks in episodes (ids), compared with the ground truth; SPL with the published shortest path."""
    by_id = {each.episode_id: each for each in split.episodes}
    references = split.references([by_id[each] for each in episodes])
    shortest = shortest_paths(split, episodes, [walk[0] for walk in walks.to_goal])
    return score_walks(Walks(walks.places, walks.to_goal, references, walks.stopped), metres, shortest)


def is_trajectories(path: Path) -> bool:
    """Whether a file holds trajectories rather than a submission: RxR's ends in .jsonl too."""
    if path.suffix != ".jsonl":
        return False
    _, first = next(iter(read_json_lines(path)), (0, None))
    return not isinstance(first, dict) or "instruction_id" not in first
