"""Selection of the episodes to show: trajectories of several agents by episode, then the worst, the best or some."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vln.errors import InputError
from vln.graph import NavigationGraph
from vln.replay.episode import GraphReplay, HouseReplay
from vln.replay.plan import FloorPlan, Views, trajectory_on_map
from vln.replay.scores import Scores, episode_scores
from vln.tasks.scoring import Sources
from vln.trajectory import Trajectory

MAX_AGENTS = 6  # number of colours for agents
REWRITE = "write the file again with scripts/evaluate.py"


@dataclass(frozen=True)
class Run:
    """The trajectories of one agent, by episode id in the order of their file."""

    source: Path
    agent: str
    trajectories: dict[str, Trajectory]


@dataclass(frozen=True)
class Row:
    """One episode of several runs: names, trajectories and scores by agent; scores are None if the goal is withheld."""

    agents: tuple[str, ...]
    trajectories: tuple[Trajectory, ...]
    scores: tuple[Scores | None, ...]


@dataclass(frozen=True)
class Selection:
    """A choice of episodes: by id, or a number of the worst, the best or random ones."""

    episodes: tuple[str, ...] = ()  # ids, in the order to show
    worst: int = 0  # number of episodes with the lowest SPL, then nDTW, then the largest error
    best: int = 0  # number of episodes with the highest SPL, then nDTW, then the smallest error
    random: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check that exactly one criterion is given."""
        given = [name for name in ("episodes", "worst", "best", "random") if getattr(self, name)]
        if len(given) != 1:
            problem = f"{' and '.join(given) or 'nothing'} given"
            raise InputError("selection", problem, "give one way to choose episodes")


def make_runs(files: Sequence[tuple[Path, Sequence[Trajectory]]]) -> list[Run]:
    """Build the runs of several files; agents of the same name are named after the differing part of their paths."""
    if not 1 <= len(files) <= MAX_AGENTS:
        raise InputError(
            "files", f"{len(files)} given", f"give one to {MAX_AGENTS} files of trajectories, one an agent"
        )
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
    """Return the last part in which all paths differ: file names, or the folders that contain them."""
    parts = [(path.stem, *reversed(path.resolve().parts[:-1])) for path in paths]
    for names in zip(*parts, strict=False):
        if len(set(names)) == len(names):
            return list(names)
    return [str(path) for path in paths]


def _agent(path: Path, trajectories: Sequence[Trajectory]) -> str:
    if not trajectories:
        raise InputError(path, "holds no trajectory", REWRITE)
    return trajectories[0].agent


def replay_episodes(runs: Sequence[Run], selection: Selection, sources: Sources) -> list[GraphReplay]:
    """Return the selected episodes of the runs on navigation graphs, in the order to show.

    The first run decides which episodes are worst and best.
    """
    episodes = _candidates(runs, selection)
    graphs = sources.graphs({runs[0].trajectories[each].scan for each in episodes})

    def check(source: Path, trajectory: Trajectory) -> None:
        _check_fits(source, trajectory, graphs[trajectory.scan])

    return [
        GraphReplay(row.agents, row.trajectories, row.scores, graphs[row.trajectories[0].scan])
        for row in _select(runs, selection, _pair(runs, episodes, check, sources))
    ]


def replay_houses(
    runs: Sequence[Run],
    selection: Selection,
    look: Callable[[Trajectory], tuple[FloorPlan, Views]],
    sources: Sources | None = None,
) -> list[HouseReplay]:
    """Return the selected episodes of the runs in continuous worlds, like `replay_episodes`.

    `look` returns the floor plan of a trajectory's scene and the agent's views at each pose; it is called for selected
    episodes only.
    """
    replays = []
    for row in _select(runs, selection, _pair(runs, _candidates(runs, selection), _check_house, sources)):
        looked = [look(trajectory) for trajectory in row.trajectories]
        for run, trajectory, (plan, _) in zip(runs, row.trajectories, looked, strict=True):
            _check_hash(run.source, trajectory, plan.content_hash, f"scene '{trajectory.scan}'")
        mapped = tuple(map(trajectory_on_map, row.trajectories))
        views = tuple(seen for _, seen in looked)
        replays.append(HouseReplay(row.agents, mapped, row.scores, looked[0][0], views))
    return replays


def _select(runs: Sequence[Run], selection: Selection, rows: list[Row]) -> list[Row]:
    """Return the worst or the best rows, or all."""
    if not (selection.worst or selection.best):
        return rows
    ranked = sorted(rows, key=lambda row: _rank(runs[0], row), reverse=bool(selection.best))
    return ranked[: selection.worst or selection.best]


def _candidates(runs: Sequence[Run], selection: Selection) -> list[str]:
    """Return the ids of the episodes to show, or to rank."""
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


def _rank(run: Run, row: Row) -> tuple[float, float, float, str]:
    scores, episode_id = row.scores[0], row.trajectories[0].episode_id
    if scores is None:
        problem = f"episode '{episode_id}' has no goal to score by"
        raise InputError(run.source, problem, "choose episodes with --episode or --random")
    spl, similarity, error = (scores.get(name, 0.0) for name in ("SPL", "nDTW", "NE"))
    return spl, similarity, -error, episode_id


def _pair(
    runs: Sequence[Run], episodes: Sequence[str], check: Callable[[Path, Trajectory], None], sources: Sources | None
) -> list[Row]:
    """Check and score the trajectories of several runs, and group them by episode."""
    columns = []
    for run in runs:
        trajectories = [run.trajectories[episode_id] for episode_id in episodes]
        for trajectory in trajectories:
            _check_same(runs[0], run, trajectory)
            _check_steps(run.source, trajectory)
        for trajectory in trajectories:
            check(run.source, trajectory)
        columns.append(list(zip(trajectories, episode_scores(trajectories, sources), strict=True)))
    names = tuple(run.agent for run in runs)
    return [
        Row(names, tuple(each for each, _ in row), tuple(scores for _, scores in row))
        for row in zip(*columns, strict=True)
    ]


def _check_same(first: Run, run: Run, trajectory: Trajectory) -> None:
    expected = first.trajectories[trajectory.episode_id]
    if _task(trajectory) != _task(expected):
        problem = f"episode '{trajectory.episode_id}' has another path than in {first.source}"
        raise InputError(run.source, problem, "give trajectories of one data set")


def _task(trajectory: Trajectory) -> tuple[object, ...]:
    return trajectory.scan, trajectory.reference, trajectory.reference_positions


def _check_hash(source: Path, trajectory: Trajectory, expected: str, place: str) -> None:
    if trajectory.scan_hash != expected:
        problem = f"field 'scan_hash' of episode '{trajectory.episode_id}' is not that of the local {place}"
        raise InputError(source, problem, "replay it where it was recorded")


def _check_fits(source: Path, trajectory: Trajectory, graph: NavigationGraph) -> None:
    """Check that a trajectory fits its building."""
    where = f"episode '{trajectory.episode_id}'"
    _check_hash(source, trajectory, graph.content_hash, f"graph of scan '{graph.scan}'")
    for name, path in (("reference", trajectory.reference), ("steps", [pose.viewpoint for pose in trajectory.poses])):
        broken = graph.first_break(path) if path else 0
        if broken is not None:
            reason = graph.explain(path, broken) if path else "it is empty"
            raise InputError(source, f"field '{name}' of {where} breaks at step {broken}: {reason}", REWRITE)


def _check_house(source: Path, trajectory: Trajectory) -> None:
    """Check that a trajectory is of a continuous world."""
    where = f"episode '{trajectory.episode_id}'"
    if not trajectory.task.continuous:
        problem = f"{where} is on a navigation graph, others are in continuous worlds"
        raise InputError(source, problem, "replay them one after the other")
    if len(trajectory.distances) not in (0, len(trajectory.steps) + 1):
        raise InputError(source, f"field 'distances' of {where} is not one a pose", REWRITE)


def _check_steps(source: Path, trajectory: Trajectory) -> None:
    """Check that the lists of each step have matching lengths."""
    where = f"episode '{trajectory.episode_id}'"
    for number, step in enumerate(trajectory.steps):
        if len(step.word_attention) not in (0, len(trajectory.words)):
            raise InputError(source, f"field 'word_attention' of step {number} of {where} is not one a word", REWRITE)
        if len(step.probabilities) != len(step.choices):
            raise InputError(source, f"field 'probabilities' of step {number} of {where} is not one a choice", REWRITE)
