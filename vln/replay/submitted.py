"""Conversion of submission files to trajectories, so that any agent with a submission can be replayed."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from vln.data import find_data
from vln.episodes import Episode, load_split
from vln.errors import InputError
from vln.graph import NavigationGraph, load_graphs
from vln.replay.moves import turn_between
from vln.submission import Prediction, Visit, check_submission, read_submission
from vln.tasks import Task, find_task
from vln.trajectory import Pose, Step, Trajectory, read_trajectories

SIMULATOR = "submission"
UNKNOWN_ACTION = -1  # a submission holds poses, not actions


def to_trajectories(
    predictions: Sequence[Prediction],
    episodes: Sequence[Episode],
    graphs: Mapping[str, NavigationGraph],
    agent: str,
    task: Task,
) -> list[Trajectory]:
    """Convert each prediction to a trajectory that ends with a stop, without probabilities and attention.

    The predictions must have passed `vln.submission.check_submission`.
    """
    by_id = {episode.episode_id: episode for episode in episodes}
    return [
        _trajectory(prediction, by_id[prediction.episode_id], graphs[by_id[prediction.episode_id].scan], agent, task)
        for prediction in predictions
    ]


def _trajectory(prediction: Prediction, episode: Episode, graph: NavigationGraph, agent: str, task: Task) -> Trajectory:
    visits = prediction.poses
    poses = [_pose(visit, graph) for visit in visits]
    choices = [_choice(before, after) for before, after in pairwise(visits)]
    steps = [Step(UNKNOWN_ACTION, choice, pose) for choice, pose in zip(choices, poses[1:], strict=True)]
    return Trajectory(
        episode_id=episode.episode_id,
        split=episode.split,
        scan=episode.scan,
        scan_hash=graph.content_hash,
        instruction=episode.instruction,
        words=(),
        reference=episode.path,
        agent=agent,
        simulator=SIMULATOR,
        seed=0,
        start=poses[0],
        steps=(*steps, Step(UNKNOWN_ACTION, "stop", poses[-1])),
        known=episode.known,
        task=task,
    )


def _pose(visit: Visit, graph: NavigationGraph) -> Pose:
    x, y, z = graph.positions[graph.index[visit.viewpoint]].tolist()
    return Pose(visit.viewpoint, (x, y, z), visit.heading, visit.elevation)


def _choice(before: Visit, after: Visit) -> str:
    if before.viewpoint != after.viewpoint:
        return after.viewpoint
    turn, tilt = turn_between(before.heading, after.heading), after.elevation - before.elevation
    if abs(turn) >= abs(tilt):
        return "right" if turn > 0 else "left"
    return "up" if tilt > 0 else "down"


def load_walks(file: Path, folder: Path | None, split: str | None, task: str) -> list[Trajectory]:
    """Load the trajectories of a file, or of a submission."""
    if file.suffix != ".json":
        return read_trajectories(file)
    if split is None:
        raise InputError(file, "a submission does not tell its split", "add --split, e.g. --split val_unseen")
    of = find_task(task)
    data = find_data(folder, of.dataset)
    episodes, predictions = load_split(data, split, of.dataset), read_submission(file)
    graphs = load_graphs(data / "connectivity", sorted({episode.scan for episode in episodes}))
    check_submission(file, predictions, episodes, graphs, allow_missing=True)
    agent = file.stem.replace(split, "").strip("_") or file.stem
    return to_trajectories(predictions, episodes, graphs, agent, of)
