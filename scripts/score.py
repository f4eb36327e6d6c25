"""Score predictions: all metrics of each file, intervals, and whether the agents differ.

    python scripts/score.py ../shared/data/predictions/seq2seq_student_forcing_val_unseen.json --split val_unseen
    python scripts/score.py predictions/*_val_seen.json --data ../shared/data --split val_seen --json
    python scripts/score.py runs/r2r/trajectories_val_seen.jsonl runs/r2r/submission_val_seen.json --split val_seen
    python scripts/score.py runs/ce/eval/val_unseen.json --task r2r-ce --split val_unseen
    python scripts/score.py loops.json --task r4r --split val_seen --spl official
    python scripts/score.py runs/houses/eval/val_seen.jsonl --split val_seen

A prediction file holds trajectories (.jsonl), which tell their task, or is a submission: of the R2R evaluator (.json),
or with `--task r2r-ce` or `rxr-ce` to the leaderboard of VLN-CE. TL and NE are in metres, the
other metrics in [0, 1]. Intervals are 95 % bootstrap intervals over paths, since the instructions of a path share its
start and goal; they and the comparisons are left out of the JSON.
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from tyro.conf import Positional

from vln.cli import command, show
from vln.data import find_data, split_file
from vln.episodes import Episode, check_episodes, load_split
from vln.errors import InputError
from vln.metrics import METRICS, finite_mean, mean_scores, unreachable
from vln.replay.submitted import to_trajectories
from vln.statistics import compare_paired, mean_interval
from vln.submission import Walk, check_submission, read_submission
from vln.tasks import R2R, Task, find_task
from vln.tasks.scoring import Sources, score_task
from vln.trajectory import Trajectory, read_trajectories
from vln.vlnce import ContinuousSplit
from vln.vlnce_datasets import VLNCE
from vln.vlnce_scores import CONTINUOUS, check_goals, is_trajectories, score_file
from vln.vlnce_submission import check_continuous_submission
from vln.vlnce_submission import predictions as predictions_of

HEADS = {"TL": "TL m", "NE": "NE m", "collisions": "colli-\nsions"}
DIGITS = {"TL": 2, "NE": 2, "steps": 1, "collisions": 1}
WITH_INTERVAL = ("SR", "SPL")
COMPARED = ("NE", "SR", "SPL", "nDTW")
KNOWN = {*METRICS, *CONTINUOUS}
Language = Literal["en-US", "en-IN", "hi-IN", "te-IN"]


@dataclass(frozen=True)
class Scored:
    """A prediction file and its scores.

    Attributes:
        episodes: The N episodes it predicts, in the split's order.
        scores: (N,) values of each metric.
        missing: Number of episodes it does not predict.
    """

    episodes: list[Episode]
    scores: dict[str, np.ndarray]
    missing: int


def main(
    predictions: Positional[tuple[Path, ...]],
    split: str,
    data: Path | None = None,
    task: str | None = None,
    role: Literal["guide", "follower"] | None = None,
    languages: tuple[Language, ...] = (),
    scenes: int | None = None,
    allow_missing: bool = False,
    spl: Literal["ours", "official"] = "ours",
    json: bool = False,
) -> None:
    """Score prediction files against a split.

    Args:
        predictions: Submission files (.json) or trajectories (.jsonl); each is compared with the first.
        split: Split the predictions are for, e.g. val_unseen.
        data: Data folder; $VLN_DATA or ../shared/data if absent.
        task: Task of submissions; that of trajectories beside them, or r2r, if absent. Trajectories tell theirs.
        role: Whose paths of rxr-ce submissions are of, the guide's if absent.
        languages: Languages of rxr-ce that submissions are of, all if absent.
        scenes: Houses of training of the run, in the first 40 of which val_seen is.
        allow_missing: Score the predictions that are there.
        spl: Whoever stays at a start that is the goal, as R4R has some, gets 1 (ours), or 0 as from R2R's evaluators.
        json: Print JSON instead of tables.
    """
    if not predictions:
        raise InputError("score.py", "no prediction file was given", "name one or more after the script")
    asked = None if task is None else find_task(task)
    recorded = {path: load_trajectories(path, asked) for path in predictions if is_trajectories(path)}
    like = asked or next((each.task for each in recorded.values()), R2R)
    like = replace(like, role=role or like.role, languages=languages or like.languages)
    files = [recorded.get(path, File(path, like)) for path in predictions]
    of = files[0].task
    for file in files[1:]:
        if file.task.dataset != of.dataset:
            problem = f"is of '{file.task.dataset}', {files[0].path} of '{of.dataset}'"
            raise InputError(file.path, problem, "score files of one data set")
    if spl == "official":
        if of.metrics != "graph":
            raise InputError("--spl", f"official is of R2R's evaluators, which know no '{of.name}'", "leave it out")
        files = [replace(file, task=replace(file.task, metrics="graph-official")) for file in files]
    whole = load_continuous(of, split, data, scenes) if of.continuous else None
    if whole is None:
        episodes, sources = load_graphs_of(find_data(data), of.dataset, split)
        scored = {str(file.path): score_on_graphs(file, episodes, sources, allow_missing) for file in files}
    else:
        scored = {str(file.path): score_walks(file, whole, Sources(data), allow_missing) for file in files}
    rows = {
        name: {**mean_scores(file.scores), "n": len(file.episodes), "missing": file.missing}
        for name, file in scored.items()
    }
    if json:
        show(Table(), rows, as_json=True)
        return
    names = CONTINUOUS if of.continuous else METRICS
    show(metrics_table(scored, f"{of.name} {split}", names), rows, as_json=False)
    if len(scored) > 1:
        show(comparison_table(scored), rows, as_json=False)


@dataclass(frozen=True)
class File:
    """A prediction file.

    Attributes:
        path: The file.
        task: What it is of.
        trajectories: What is in it; None for a submission.
    """

    path: Path
    task: Task
    trajectories: list[Trajectory] | None = None


def load_trajectories(path: Path, asked: Task | None) -> File:
    """Read a file of trajectories.

    Raises:
        InputError: If it is malformed or empty, or of another task than asked for.
    """
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
    return File(path, found, trajectories)


def load_graphs_of(data: Path, dataset: str, split: str) -> tuple[list[Episode], Sources]:
    """The episodes of a split and the graphs of their buildings.

    Raises:
        InputError: If either is missing or malformed, or the goals of the split are withheld.
    """
    source, episodes = split_file(data, dataset, split), load_split(data, split, dataset)
    if any(episode.withheld for episode in episodes):
        raise InputError(source, f"the goals of split '{split}' are withheld", "score a validation split instead")
    sources = Sources(data)
    check_episodes(source, episodes, sources.graphs({episode.scan for episode in episodes}))
    return episodes, sources


def score_on_graphs(file: File, episodes: Sequence[Episode], sources: Sources, allow_missing: bool) -> Scored:
    """The scores of the episodes that were walked."""
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
    """The episodes that were walked, and what was done in each, with what the split tells of it."""
    walked = {each.episode_id: each for each in trajectories}
    predicted = [each for each in episodes if each.episode_id in walked]
    return predicted, [
        replace(walked[each.episode_id], reference=each.path, reference_positions=each.positions, known=each.known)
        for each in predicted
    ]


def load_continuous(task: Task, split: str, data: Path | None, scenes: int | None) -> ContinuousSplit:
    """A split of a task in a continuous world.

    Raises:
        InputError: If it is missing or malformed.
    """
    if task.dataset in VLNCE:
        return Sources(data).split(task, split)
    # Compiled code takes seconds to load, which others do without.
    from envs.houses.dataset import file_name, houses_folder, houses_for, houses_split

    folder = houses_folder()
    episodes = houses_split(split, task.dataset, folder, houses_for(split, scenes))
    return ContinuousSplit(folder / file_name(task.dataset, split), episodes, {}, {})


def score_walks(file: File, split: ContinuousSplit, sources: Sources, allow_missing: bool) -> Scored:
    """The scores of walks in continuous worlds."""
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


def metrics_table(scored: Mapping[str, Scored], title: str, names: Sequence[str] = METRICS) -> Table:
    """A row a file; below SR and SPL their intervals."""
    table = _table(title)
    found = dict.fromkeys(name for file in scored.values() for name in file.scores)
    names = [*(name for name in names if name in found), *(name for name in found if name not in KNOWN)]
    for name in ("n", *names):
        table.add_column(HEADS.get(name, name), justify="right", no_wrap=True)
    for label, file in zip(_labels(scored), scored.values(), strict=True):
        number = f"{len(file.episodes):,}" + (f"\n{file.missing:,} missing" if file.missing else "")
        apart = unreachable(file.scores)
        number += f"\n{apart:,} without NE:\nno way to goal" if apart else ""
        table.add_row(label, number, *(_cell(file, metric) for metric in names))
    return table


def comparison_table(scored: Mapping[str, Scored]) -> Table:
    """Each further file against the first, on the episodes that both predict."""
    (baseline, *labels), (first, *others) = _labels(scored), scored.values()
    table = _table(f"minus {baseline}, on the same episodes")
    for name in ("metric", "n", "difference", "95 % interval", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for label, other in zip(labels, others, strict=True):
        for cells in _comparisons(first, other):
            table.add_row(label, *cells)
    return table


def _table(title: str) -> Table:
    """A table whose first column gives way, so that the numbers fit in 80 columns."""
    table = Table(title=title, box=SIMPLE_HEAD, padding=0)
    table.add_column("file", overflow="fold")
    return table


def _labels(names: Iterable[str]) -> list[str]:
    """The files' stems, or their paths where stems repeat."""
    paths = [Path(name) for name in names]
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [str(path) for path in paths]


def _comparisons(first: Scored, other: Scored) -> list[tuple[str, ...]]:
    place = {episode.episode_id: number for number, episode in enumerate(first.episodes)}
    shared = [number for number, episode in enumerate(other.episodes) if episode.episode_id in place]
    if not shared:
        return [("none in common", "0", "", "", "")]
    matched = [place[other.episodes[number].episode_id] for number in shared]
    paths = [_way(other.episodes[number]) for number in shared]
    rows: list[tuple[str, ...]] = []
    for metric in (name for name in COMPARED if name in first.scores and name in other.scores):
        ours, theirs = first.scores[metric][matched], other.scores[metric][shared]
        both = np.isfinite(ours) & np.isfinite(theirs)
        if not both.any():
            continue
        found = compare_paired(
            ours[both], theirs[both], [path for path, known in zip(paths, both, strict=True) if known]
        )
        interval = f"{found.difference.low:+.4f} to {found.difference.high:+.4f}"
        rows.append((metric, f"{both.sum():,}", f"{found.difference.mean:+.4f}", interval, f"{found.p_value:.4f}"))
    return rows


def _cell(file: Scored, metric: str) -> str:
    if metric not in file.scores or np.isnan(file.scores[metric]).any():
        return ""
    values = file.scores[metric]
    if metric not in WITH_INTERVAL:
        return _number(finite_mean(values), DIGITS.get(metric, 4))
    interval = mean_interval(values, [_way(episode) for episode in file.episodes])
    return f"{_number(interval.mean)}\n{_number(interval.low, 3)}-{_number(interval.high, 3)}"


def _way(episode: Episode) -> tuple[str, tuple[Any, ...]]:
    """What instructions share that are of one path."""
    return episode.scan, episode.path or episode.positions


def _number(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}f}".removeprefix("0") if 0 <= value < 1 else f"{value:.{digits}f}"


if __name__ == "__main__":
    command(main)
