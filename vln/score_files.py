"""Prediction files, trajectories or submissions, and their scores."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vln.data import split_file
from vln.episodes import Episode, check_episodes, load_split
from vln.errors import InputError
from vln.replay.submitted import to_trajectories
from vln.submission import Walk, check_submission, read_submission
from vln.tasks import Task
from vln.tasks.scoring import Sources, score_task
from vln.trajectory import Trajectory, read_trajectories
from vln.vlnce import ContinuousSplit
from vln.vlnce_scores import check_goals, score_file
from vln.vlnce_submission import check_continuous_submission
from vln.vlnce_submission import predictions as predictions_of


@dataclass(frozen=True)
class Scored:
    """The scores of a prediction file."""

    episodes: list[Episode]  # the N episodes that it predicts, in the order of the split
    scores: dict[str, np.ndarray]  # (N,) values of each metric
    missing: int  # number of episodes that it does not predict


@dataclass(frozen=True)
class PredictionFile:
    """A file of trajectories, or of a submission, which has none."""

    path: Path
    task: Task
    trajectories: list[Trajectory] | None = None


def load_trajectories(path: Path, asked: Task | None) -> PredictionFile:
    """Read a file of trajectories."""
    trajectories = read_trajectories(path)
    if not trajectories:
        raise InputError(path, "holds no trajectory", "write the file again")
    found = trajectories[0].task
    for each in trajectories:
        if each.task != found:
            problem = f"is of task '{each.task.name}' in episode '{each.episode_id}', and of '{found.name}' before"
            raise InputError(path, problem, "score one task at a time")
    if asked is not None and asked.dataset != found.dataset:
        raise InputError(path, f"is of task '{found.name}', not '{asked.name}'", "leave --task out")
    return PredictionFile(path, found, trajectories)


def load_graph_split(data: Path, dataset: str, split: str) -> tuple[list[Episode], Sources]:
    """Load the episodes of a split and the graphs of their buildings."""
    source, episodes = split_file(data, dataset, split), load_split(data, split, dataset)
    if any(episode.withheld for episode in episodes):
        raise InputError(source, f"the goals of split '{split}' are withheld", "score a validation split instead")
    sources = Sources(data)
    check_episodes(source, episodes, sources.graphs({episode.scan for episode in episodes}))
    return episodes, sources


def score_on_graphs(file: PredictionFile, episodes: Sequence[Episode], sources: Sources, allow_missing: bool) -> Scored:
    """Score the predictions of a file on graphs."""
    graphs = sources.graphs({episode.scan for episode in episodes})
    walks: Sequence[Walk] = read_submission(file.path) if file.trajectories is None else file.trajectories
    check_submission(file.path, walks, episodes, graphs, allow_missing=allow_missing)
    if file.trajectories is None:
        walked = to_trajectories(read_submission(file.path), episodes, graphs, "", file.task)
    else:
        walked = file.trajectories
    predicted, ordered = in_order(episodes, walked)
    return Scored(predicted, score_task(file.task, ordered, sources), len(episodes) - len(predicted))


def in_order(episodes: Sequence[Episode], trajectories: Sequence[Trajectory]) -> tuple[list[Episode], list[Trajectory]]:
    """Return the predicted episodes, and the trajectory of each with the references of the split."""
    walked = {each.episode_id: each for each in trajectories}
    predicted = [each for each in episodes if each.episode_id in walked]
    return predicted, [
        replace(walked[each.episode_id], reference=each.path, reference_positions=each.positions, known=each.known)
        for each in predicted
    ]


def score_continuous(file: PredictionFile, split: ContinuousSplit, sources: Sources, allow_missing: bool) -> Scored:
    """Score the predictions of a file in continuous worlds."""
    if file.trajectories is None:
        known, scores = score_file(split, file.path, file.task.success.metres, allow_missing)
        return Scored([split.episodes[row] for row in known], scores, len(split.episodes) - len(known))
    check_goals(split)
    entries = predictions_of(file.trajectories)
    check_continuous_submission(file.path, entries, split.episodes, allow_missing=allow_missing)
    predicted, ordered = in_order(split.episodes, file.trajectories)
    counted = {
        "steps": np.array([len(each.steps) for each in ordered], float),
        "collisions": np.array([sum(step.collided for step in each.steps) for each in ordered], float),
    }
    scores = score_task(file.task, ordered, sources) | counted
    return Scored(predicted, scores, len(split.episodes) - len(predicted))
