"""Scoring: the metric sets that tasks name, computed from recorded trajectories.

A metric set is a function of a task, trajectories and sources that returns an array (B,) for each of its metrics, among
them SR and SPL, by which agents are chosen and compared; it is registered with `METRIC_SETS.register("name")`. Whether
an episode succeeded is the task's success rule to say.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from vln.continuous_metrics import score_trajectories
from vln.data import find_data
from vln.errors import InputError
from vln.graph import NavigationGraph, load_graphs
from vln.metrics import OFFICIAL_FLOOR, score_paths, spl
from vln.registry import Registry
from vln.tasks.success import SuccessRule
from vln.tasks.task import Task
from vln.trajectory import Pose, Trajectory
from vln.vlnce import ContinuousSplit, find_vlnce, load_continuous_split
from vln.vlnce_scores import score_vlnce_trajectories, shortest_paths

Scores = Mapping[str, np.ndarray]
NEEDED = ("SR", "SPL")  # metrics of every set


class Sources:
    """What metrics may look up besides trajectories, loaded once: navigation graphs and published splits of VLN-CE."""

    def __init__(
        self,
        data: Path | None = None,
        graphs: Mapping[str, NavigationGraph] | None = None,
        splits: Mapping[str, ContinuousSplit] | None = None,
    ) -> None:
        """Sources in a data folder, the usual one if None; graphs (by building) and splits may be loaded already."""
        self.data = data
        self._graphs, self._splits = dict(graphs or {}), dict(splits or {})

    def graphs(self, scans: Iterable[str]) -> Mapping[str, NavigationGraph]:
        """Return the navigation graphs of buildings, and maybe others."""
        missing = sorted(set(scans) - self._graphs.keys())
        if missing:
            self._graphs.update(load_graphs(find_data(self.data) / "connectivity", missing))
        return self._graphs

    def split(self, task: Task, split: str) -> ContinuousSplit:
        """Return a published split of VLN-CE."""
        if split not in self._splits:
            self._splits[split] = load_continuous_split(
                find_vlnce(self.data, task.dataset), task.dataset, split, role=task.role, languages=task.languages
            )
        return self._splits[split]


class MetricSet(Protocol):
    """How trajectories of a task are scored."""

    def __call__(self, task: Task, trajectories: Sequence[Trajectory], sources: Sources) -> Scores:
        """Return a (B,) array for each metric."""


METRIC_SETS: Registry[MetricSet] = Registry("metric set")


def score_task(task: Task, trajectories: Sequence[Trajectory], sources: Sources) -> dict[str, np.ndarray]:
    """Compute the metrics of a task for B recorded episodes of it, at least one; a (B,) array each."""
    scores = METRIC_SETS.find(task.metrics)(task, trajectories, sources)
    for name, values in scores.items():
        found = np.asarray(values, dtype=np.float64)
        where = f"metric '{name}' of task '{task.name}'"
        if found.shape != (len(trajectories),):
            problem = f"has shape {found.shape} for {len(trajectories)} episodes"
            raise InputError(where, problem, "return one number an episode")
        if np.isnan(found).any():
            episode = trajectories[int(np.isnan(found).argmax())].episode_id
            raise InputError(where, f"is not a number in episode '{episode}'", "return a finite number or infinity")
    lacking = [name for name in NEEDED if name not in scores]
    if lacking:
        problem = f"gives no {' and no '.join(lacking)}"
        raise InputError(
            f"metric set '{task.metrics}'", problem, "add its metrics to those of graph_metrics or walk_metrics"
        )
    return {name: np.asarray(values) for name, values in scores.items()}


class Recorded:
    """All poses of some trajectories, one trajectory after the other: a `vln.tasks.success.Moment`."""

    def __init__(self, trajectories: Sequence[Trajectory], to_goal: Sequence[np.ndarray]) -> None:
        """Trajectories, and of each the (T+1,) metres from its poses to the goal."""
        self._trajectories = trajectories
        self.distance = np.concatenate(to_goal)

    @property
    def episodes(self) -> list[Trajectory]:
        """The trajectory of each pose."""
        return [each for each in self._trajectories for _ in range(len(each.steps) + 1)]

    @property
    def poses(self) -> list[Pose]:
        """The poses."""
        return [pose for each in self._trajectories for pose in each.poses]

    @property
    def choices(self) -> list[str]:
        """What was done last before each pose."""
        return [choice for each in self._trajectories for choice in ("", *(step.choice for step in each.steps))]


def judged(
    rule: SuccessRule, trajectories: Sequence[Trajectory], to_goal: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Ask a success rule about B recorded episodes.

    Returns whether each ends in success, and whether it would have, had it ended anywhere on its way; (B,) 0 or 1.
    """
    lengths = np.array(list(map(len, to_goal)))
    near = np.asarray(rule.judge(Recorded(trajectories, to_goal)), dtype=bool)
    if near.shape != (lengths.sum(),):
        problem = f"judges {lengths.sum()} moments with an array of shape {near.shape}"
        raise InputError(f"success rule '{type(rule).__name__}'", problem, "return one boolean a moment")
    starts = np.cumsum(lengths) - lengths
    return near[starts + lengths - 1].astype(np.float64), np.logical_or.reduceat(near, starts).astype(np.float64)


def with_success(
    scores: Scores, success: np.ndarray, oracle: np.ndarray, shortest: np.ndarray, floor: float = 0.0
) -> dict[str, np.ndarray]:
    """Put what a success rule says, (B,) 0 or 1, into scores: SR and OSR, and SPL and sDTW, which depend on it.

    `shortest` is (B,) metres from the starts to the goals, `floor` as of `vln.metrics.spl`.
    """
    ruled = {"SR": success, "OSR": oracle, "SPL": spl(success, scores["TL"], shortest, floor)}
    weighted = {"sDTW": success * scores["nDTW"]} if "nDTW" in scores else {}
    return {name: {**ruled, **weighted}.get(name, values) for name, values in scores.items()}


def graph_metrics(
    task: Task, trajectories: Sequence[Trajectory], sources: Sources, floor: float = 0.0
) -> dict[str, np.ndarray]:
    """Compute `vln.metrics.METRICS` of trajectories on navigation graphs; a way ends where the agent was last."""
    graphs = sources.graphs({each.scan for each in trajectories})
    paths = [[pose.viewpoint for pose in each.poses] for each in trajectories]
    episodes = [each.episode for each in trajectories]
    scores = score_paths(graphs, episodes, paths, task.success.metres, floor)
    to_goal = [graph_distances(graphs[each.scan], each) for each in trajectories]
    success, oracle = judged(task.success, trajectories, to_goal)
    return with_success(scores, success, oracle, np.array([each[0] for each in to_goal]), floor)


def graph_distances(graph: NavigationGraph, trajectory: Trajectory) -> np.ndarray:
    """Return (T+1,) geodesic metres from the poses of a trajectory to its goal."""
    here = [graph.index[pose.viewpoint] for pose in trajectory.poses]
    return graph.distances[here, graph.index[trajectory.reference[-1]]]


def walk_metrics(
    task: Task,
    trajectories: Sequence[Trajectory],
    sources: Sources,  # noqa: ARG001 - trajectories tell all
) -> dict[str, np.ndarray]:
    """Compute `vln.metrics.METRICS` of trajectories in continuous worlds; success needs a stop."""
    scores = score_trajectories(trajectories, task.success.metres)
    return _walked(task, trajectories, scores, np.array([each.distances[0] for each in trajectories]))


def vlnce_metrics(task: Task, trajectories: Sequence[Trajectory], sources: Sources) -> dict[str, np.ndarray]:
    """Compute the metrics of VLN-CE: as `walk_metrics`, compared with the ground truth where there is one."""
    splits = {each.split for each in trajectories}
    if len(splits) > 1:
        raise InputError(f"task '{task.name}'", f"trajectories are of {len(splits)} splits", "score one at a time")
    split = sources.split(task, splits.pop())
    scores = score_vlnce_trajectories(split, trajectories, task.success.metres)
    episodes, starts = [each.episode_id for each in trajectories], [each.distances[0] for each in trajectories]
    return _walked(task, trajectories, scores, shortest_paths(split, episodes, starts))


def _walked(
    task: Task, trajectories: Sequence[Trajectory], scores: Scores, shortest: np.ndarray
) -> dict[str, np.ndarray]:
    to_goal = [np.array(each.distances) for each in trajectories]
    success, oracle = judged(task.success, trajectories, to_goal)
    return with_success(scores, success * [each.stopped for each in trajectories], oracle, shortest)


for _name, _metrics in (
    ("graph", graph_metrics),
    ("graph-official", partial(graph_metrics, floor=OFFICIAL_FLOOR)),  # SPL as R2R's evaluators have it
    ("walk", walk_metrics),
    ("vln-ce", vlnce_metrics),
):
    METRIC_SETS.register(_name, _metrics)
