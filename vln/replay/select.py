"""Which episodes to show: trajectories of several agents paired by episode, the worst, the best or some of them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vln.errors import InputError
from vln.graph import NavigationGraph, load_graphs
from vln.replay.scores import Scores, score_trajectories
from vln.trajectory import Pose, Trajectory

MOST = 6  # agents a figure has colours for
REWRITE = "write the file again with scripts/evaluate.py"


@dataclass(frozen=True)
class Run:
    """The trajectories of one agent.

    Attributes:
        source: The file they were read from.
        agent: Name of the agent in legends.
        trajectories: Episode id to trajectory, in file order.
    """

    source: Path
    agent: str
    trajectories: dict[str, Trajectory]


@dataclass(frozen=True)
class Replay:
    """One episode as one or more agents lived it.

    Attributes:
        graph: The building.
        agents: Names of the agents, one a trajectory.
        trajectories: What each did; all share episode, start and demonstration.
        scores: Name of a metric to its value, one a trajectory; None where the goal is withheld.
    """

    graph: NavigationGraph
    agents: tuple[str, ...]
    trajectories: tuple[Trajectory, ...]
    scores: tuple[Scores | None, ...]

    @property
    def episode_id(self) -> str:
        """Id of the episode."""
        return self.trajectories[0].episode_id

    @property
    def reference(self) -> tuple[str, ...]:
        """Viewpoints of the demonstration, the start alone where the goal is withheld."""
        return self.trajectories[0].reference

    @property
    def goal(self) -> str | None:
        """The target viewpoint, None where it is withheld."""
        return self.reference[-1] if len(self.reference) > 1 else None

    def to_goal(self, pose: Pose) -> float | None:
        """Geodesic metres from a pose to the target, None where it is withheld."""
        if self.goal is None:
            return None
        return float(self.graph.distances[self.graph.index[pose.viewpoint], self.graph.index[self.goal]])


@dataclass(frozen=True)
class Selection:
    """Which episodes: by id, or so many of the worst, the best or at random.

    Attributes:
        episodes: Ids, in the order to show.
        worst: So many of the lowest SPL, then nDTW, then the largest error.
        best: So many of the highest SPL, then nDTW, then the smallest error.
        random: So many at random.
        seed: Seed of the random choice.
    """

    episodes: tuple[str, ...] = ()
    worst: int = 0
    best: int = 0
    random: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check that there is one way to choose."""
        given = [name for name in ("episodes", "worst", "best", "random") if getattr(self, name)]
        if len(given) != 1:
            problem = f"{' and '.join(given) or 'nothing'} given"
            raise InputError("selection", problem, "give one way to choose episodes")


def make_runs(files: Sequence[tuple[Path, Sequence[Trajectory]]]) -> list[Run]:
    """The runs of several files; agents of the same name are called by what tells their files apart.

    Raises:
        InputError: If there are no files or too many to tell apart, or one holds no trajectory or an episode twice.
    """
    if not 1 <= len(files) <= MOST:
        raise InputError("files", f"{len(files)} given", f"give one to {MOST} files of trajectories, one an agent")
    names = [_agent(path, trajectories) for path, trajectories in files]
    tags = _distinct([path for path, _ in files])
    runs = []
    for (path, trajectories), name, tag in zip(files, names, tags, strict=True):
        by_id = {trajectory.episode_id: trajectory for trajectory in trajectories}
        if len(by_id) < len(trajectories):
            raise InputError(path, "an episode occurs twice", "give one trajectory an episode and one file an agent")
        runs.append(Run(path, name if names.count(name) == 1 else tag, by_id))
    return runs


def _distinct(paths: Sequence[Path]) -> list[str]:
    """The last part of the paths in which all differ: the names of the files, or of the folders they are in."""
    parts = [(path.stem, *reversed(path.resolve().parts[:-1])) for path in paths]
    for names in zip(*parts, strict=False):
        if len(set(names)) == len(names):
            return list(names)
    return [str(path) for path in paths]


def _agent(path: Path, trajectories: Sequence[Trajectory]) -> str:
    if not trajectories:
        raise InputError(path, "holds no trajectory", REWRITE)
    return trajectories[0].agent


def replay_episodes(runs: Sequence[Run], connectivity: Path, selection: Selection) -> list[Replay]:
    """The selected episodes of the runs, in the order to show.

    Args:
        runs: One an agent; the first decides which episodes are worst and best.
        connectivity: Folder of the navigation graphs.
        selection: Which episodes.

    Raises:
        InputError: If an episode is unknown, or a trajectory does not fit its building or the other agents' episode.
    """
    replays = _pair(runs, _candidates(runs, selection), connectivity)
    if not (selection.worst or selection.best):
        return replays
    replays.sort(key=lambda replay: _rank(runs[0], replay), reverse=bool(selection.best))
    return replays[: selection.worst or selection.best]


def _candidates(runs: Sequence[Run], selection: Selection) -> list[str]:
    """Ids of the episodes to show, or to rank."""
    if selection.episodes:
        _check_known(runs, selection.episodes)
        return list(selection.episodes)
    shared = [each for each in runs[0].trajectories if all(each in run.trajectories for run in runs)]
    if not shared:
        others = ", ".join(str(run.source) for run in runs[1:])
        raise InputError(runs[0].source, f"shares no episode with {others}", "give trajectories of one split")
    if selection.random:
        return random.Random(selection.seed).sample(shared, min(selection.random, len(shared)))
    return shared


def _check_known(runs: Sequence[Run], episodes: Sequence[str]) -> None:
    for run in runs:
        for episode_id in episodes:
            if episode_id not in run.trajectories:
                some = ", ".join(list(run.trajectories)[:3])
                problem = f"holds no episode '{episode_id}'"
                raise InputError(run.source, problem, f"choose one of its {len(run.trajectories)}, such as {some}")


def _rank(run: Run, replay: Replay) -> tuple[float, float, float, str]:
    scores = replay.scores[0]
    if scores is None:
        problem = f"episode '{replay.episode_id}' has no goal to score by"
        raise InputError(run.source, problem, "choose episodes with --episode or --random")
    return scores["SPL"], scores["nDTW"], -scores["NE"], replay.episode_id


def _pair(runs: Sequence[Run], episodes: Sequence[str], connectivity: Path) -> list[Replay]:
    """The trajectories of several runs, checked and scored, by episode."""
    scans = dict.fromkeys(runs[0].trajectories[episode_id].scan for episode_id in episodes)
    graphs = load_graphs(connectivity, list(scans))
    columns = []
    for run in runs:
        trajectories = [run.trajectories[episode_id] for episode_id in episodes]
        for trajectory in trajectories:
            _check_same(runs[0], run, trajectory)
            _check_fits(run.source, trajectory, graphs[trajectory.scan])
        columns.append(list(zip(trajectories, score_trajectories(trajectories, graphs), strict=True)))
    names = tuple(run.agent for run in runs)
    return [
        Replay(graphs[row[0][0].scan], names, tuple(each for each, _ in row), tuple(scores for _, scores in row))
        for row in zip(*columns, strict=True)
    ]


def _check_same(first: Run, run: Run, trajectory: Trajectory) -> None:
    expected = first.trajectories[trajectory.episode_id]
    if (trajectory.scan, trajectory.reference) != (expected.scan, expected.reference):
        problem = f"episode '{trajectory.episode_id}' has another path than in {first.source}"
        raise InputError(run.source, problem, "give trajectories of one data set")


def _check_fits(source: Path, trajectory: Trajectory, graph: NavigationGraph) -> None:
    """Check that a trajectory fits the building and itself."""
    where = f"episode '{trajectory.episode_id}'"
    if trajectory.scan_hash != graph.content_hash:
        problem = f"field 'scan_hash' of {where} is not that of the local graph of scan '{graph.scan}'"
        raise InputError(source, problem, "replay it on the graphs it was recorded on")
    for name, path in (("reference", trajectory.reference), ("steps", [pose.viewpoint for pose in trajectory.poses])):
        broken = graph.first_break(path) if path else 0
        if broken is not None:
            reason = graph.explain(path, broken) if path else "it is empty"
            raise InputError(source, f"field '{name}' of {where} breaks at step {broken}: {reason}", REWRITE)
    for number, step in enumerate(trajectory.steps):
        if len(step.word_attention) not in (0, len(trajectory.words)):
            raise InputError(source, f"field 'word_attention' of step {number} of {where} is not one a word", REWRITE)
        if len(step.probabilities) != len(step.choices):
            raise InputError(source, f"field 'probabilities' of step {number} of {where} is not one a choice", REWRITE)
