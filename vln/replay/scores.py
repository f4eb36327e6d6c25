"""The scores of single episodes, as maps and terminals show them."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from vln import continuous_metrics
from vln.episodes import Episode
from vln.graph import NavigationGraph
from vln.metrics import score_paths
from vln.trajectory import Trajectory
from vln.vlnce import ContinuousSplit
from vln.vlnce_scores import score_vlnce_trajectories

Scores = dict[str, float]


def episode_of(trajectory: Trajectory) -> Episode:
    """The episode a trajectory was recorded in, without sub-instructions."""
    return Episode(
        trajectory.episode_id,
        trajectory.scan,
        trajectory.split,
        trajectory.instruction,
        trajectory.reference,
        trajectory.start.heading,
        known=trajectory.known,
    )


def score_trajectories(
    trajectories: Sequence[Trajectory], graphs: Mapping[str, NavigationGraph]
) -> list[Scores | None]:
    """All metrics of each trajectory, None where the goal is withheld.

    Args:
        trajectories: Of any buildings.
        graphs: Of those buildings.
    """

    def score(scored: Sequence[Trajectory]) -> Mapping[str, np.ndarray]:
        paths = [[pose.viewpoint for pose in each.poses] for each in scored]
        return score_paths(graphs, list(map(episode_of, scored)), paths)

    return _where(trajectories, [not each.withheld for each in trajectories], score)


def score_houses(trajectories: Sequence[Trajectory], radius: float) -> list[Scores | None]:
    """All metrics of each trajectory in a continuous world, None where the goal is withheld.

    Args:
        trajectories: Of any scenes.
        radius: Metres to the goal at which a stop succeeds.
    """
    return _where_known(trajectories, lambda scored: continuous_metrics.score_trajectories(scored, radius))


def score_of_split(task: ContinuousSplit, trajectories: Sequence[Trajectory]) -> list[Scores | None]:
    """All metrics of each trajectory of a published split, None where the goal is withheld."""
    return _where_known(trajectories, lambda scored: score_vlnce_trajectories(task, scored))


def _where_known(
    trajectories: Sequence[Trajectory], score: Callable[[Sequence[Trajectory]], Mapping[str, np.ndarray]]
) -> list[Scores | None]:
    """The scores of those trajectories in continuous worlds whose distances to the goal are known, None for others."""
    return _where(trajectories, [bool(each.distances) and not each.withheld for each in trajectories], score)


def _where(
    trajectories: Sequence[Trajectory],
    known: Sequence[bool],
    score: Callable[[Sequence[Trajectory]], Mapping[str, np.ndarray]],
) -> list[Scores | None]:
    """The scores of those trajectories that are known, None for others."""
    scored = [trajectory for trajectory, told in zip(trajectories, known, strict=True) if told]
    columns = score(scored) if scored else {}
    rows = iter(range(len(scored)))
    return [_row(columns, next(rows)) if told else None for told in known]


def _row(columns: Mapping[str, np.ndarray], row: int) -> Scores:
    return {name: float(values[row]) for name, values in columns.items()}
