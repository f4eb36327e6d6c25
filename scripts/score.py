"""Score predictions: all metrics of each file, intervals, and whether the agents differ.

    python scripts/score.py ../shared/data/predictions/seq2seq_student_forcing_val_unseen.json --split val_unseen
    python scripts/score.py predictions/*_val_seen.json --data ../shared/data --split val_seen --json
    python scripts/score.py runs/r2r/trajectories_val_seen.jsonl runs/r2r/submission_val_seen.json --split val_seen
    python scripts/score.py runs/ce/eval/val_unseen.json --dataset r2r-ce --split val_unseen
    python scripts/score.py loops.json --dataset r4r --split val_seen --spl official
    python scripts/score.py runs/houses/eval/val_seen.jsonl --dataset houses --split val_seen

A prediction file is a submission of the R2R evaluator (.json) or trajectories (.jsonl); in continuous environments
(`--dataset r2r-ce`, `rxr-ce`) a submission to the leaderboard of VLN-CE, or trajectories; in generated houses
trajectories. TL and NE are in metres, the
other metrics in [0, 1]. Intervals are 95 % bootstrap intervals over paths, since the instructions of a path share its
start and goal; they and the comparisons are left out of the JSON.
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from tyro.conf import Positional

from vln.cli import command, show
from vln.continuous_datasets import CONTINUOUS_DATASETS, VLNCE
from vln.data import DATASETS, find_data, split_file
from vln.episodes import Episode, check_episodes, load_split
from vln.errors import InputError, unknown_name
from vln.graph import NavigationGraph, load_graphs
from vln.metrics import METRICS, OFFICIAL_FLOOR, finite_mean, mean_scores, score_paths, unreachable
from vln.statistics import compare_paired, mean_interval
from vln.submission import Walk, check_submission, read_submission, viewpoints
from vln.trajectory import read_trajectories
from vln.vlnce import ContinuousSplit, find_vlnce, load_continuous_split
from vln.vlnce_scores import CONTINUOUS, score_file

HEADS = {"TL": "TL m", "NE": "NE m", "collisions": "colli-\nsions"}
DIGITS = {"TL": 2, "NE": 2, "steps": 1, "collisions": 1}
WITH_INTERVAL = ("SR", "SPL")
COMPARED = ("NE", "SR", "SPL", "nDTW")


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
    dataset: str = "r2r",
    role: Literal["guide", "follower"] | None = None,
    languages: tuple[str, ...] = (),
    houses: int | None = None,
    allow_missing: bool = False,
    spl: Literal["ours", "official"] = "ours",
    json: bool = False,
) -> None:
    """Score prediction files against a split.

    Args:
        predictions: Submission files (.json) or trajectories (.jsonl); each is compared with the first.
        split: Split the predictions are for, e.g. val_unseen.
        data: Data folder; $VLN_DATA or ../shared/data if absent.
        dataset: r2r, r4r, fgr2r, r2r-ce, rxr-ce, houses-short, houses or houses-long.
        role: Whose paths of rxr-ce, the guide's if absent.
        languages: Languages of rxr-ce that the predictions are of, all if absent.
        houses: Houses of training of the run, in the first 40 of which val_seen is.
        allow_missing: Score the predictions that are there.
        spl: Whoever stays at a start that is the goal, as R4R has some, gets 1 (ours), or 0 as from R2R's evaluators.
        json: Print JSON instead of tables.
    """
    if not predictions:
        raise InputError("score.py", "no prediction file was given", "name one or more after the script")
    if dataset not in (known := (*DATASETS, *CONTINUOUS_DATASETS)):
        raise unknown_name("dataset", dataset, known)
    if spl == "official" and dataset in CONTINUOUS_DATASETS:
        raise InputError("--spl", f"official is of R2R's evaluators, which know no '{dataset}'", "leave it out")
    if dataset in CONTINUOUS_DATASETS:
        task = load_continuous(dataset, split, data, role, languages, houses)
        scored = score_continuous(predictions, task, allow_missing)
    else:
        episodes, graphs = load_task(find_data(data), dataset, split)
        files = {str(path): read_walks(path, episodes, graphs, allow_missing) for path in predictions}
        floor = OFFICIAL_FLOOR if spl == "official" else 0.0
        scored = {name: score_walks(walks, episodes, graphs, floor) for name, walks in files.items()}
    rows = {
        name: {**mean_scores(file.scores), "n": len(file.episodes), "missing": file.missing}
        for name, file in scored.items()
    }
    if json:
        show(Table(), rows, as_json=True)
        return
    names = CONTINUOUS if dataset in CONTINUOUS_DATASETS else METRICS
    show(metrics_table(scored, f"{dataset} {split}", names), rows, as_json=False)
    if len(scored) > 1:
        show(comparison_table(scored), rows, as_json=False)


def load_task(data: Path, dataset: str, split: str) -> tuple[list[Episode], dict[str, NavigationGraph]]:
    """The episodes of a split and the graphs of their buildings.

    Raises:
        InputError: If either is missing or malformed, or the goals of the split are withheld.
    """
    source, episodes = split_file(data, dataset, split), load_split(data, split, dataset)
    if any(episode.withheld for episode in episodes):
        raise InputError(source, f"the goals of split '{split}' are withheld", "score a validation split instead")
    graphs = load_graphs(data / "connectivity", sorted({episode.scan for episode in episodes}))
    check_episodes(source, episodes, graphs)
    return episodes, graphs


def read_walks(
    path: Path, episodes: Sequence[Episode], graphs: Mapping[str, NavigationGraph], allow_missing: bool = False
) -> Sequence[Walk]:
    """The entries of a submission (.json) or trajectory (.jsonl) file, checked."""
    walks: Sequence[Walk] = read_trajectories(path) if path.suffix == ".jsonl" else read_submission(path)
    check_submission(path, walks, episodes, graphs, allow_missing=allow_missing)
    return walks


def score_walks(
    walks: Sequence[Walk], episodes: Sequence[Episode], graphs: Mapping[str, NavigationGraph], spl_floor: float = 0.0
) -> Scored:
    """The scores of the episodes that were walked."""
    walked = {walk.episode_id: viewpoints(walk) for walk in walks}
    predicted = [episode for episode in episodes if episode.episode_id in walked]
    paths = [walked[episode.episode_id] for episode in predicted]
    scores = score_paths(graphs, predicted, paths, spl_floor=spl_floor)
    return Scored(predicted, scores, len(episodes) - len(predicted))


def load_continuous(
    dataset: str,
    split: str,
    data: Path | None = None,
    role: str | None = None,
    languages: tuple[str, ...] = (),
    houses: int | None = None,
) -> ContinuousSplit:
    """A split of a data set in a continuous world; arguments as in `main`.

    Raises:
        InputError: If it is missing or malformed.
    """
    if dataset in VLNCE:
        return load_continuous_split(find_vlnce(data), dataset, split, role=role, languages=languages)
    # Compiled code takes seconds to load, which others do without.
    from envs.houses.dataset import file_name, houses_folder, houses_for, houses_split

    folder = houses_folder()
    episodes = houses_split(split, dataset, folder, houses_for(split, houses))
    return ContinuousSplit(folder / file_name(dataset, split), CONTINUOUS_DATASETS[dataset], episodes, {}, {})


def score_continuous(files: Sequence[Path], task: ContinuousSplit, allow_missing: bool) -> dict[str, Scored]:
    """The scores of files of walks in continuous worlds, by their names."""
    scored = {}
    for path in files:
        known, scores = score_file(task, path, allow_missing)
        scored[str(path)] = Scored([task.episodes[row] for row in known], scores, len(task.episodes) - len(known))
    return scored


def metrics_table(scored: Mapping[str, Scored], title: str, names: Sequence[str] = METRICS) -> Table:
    """A row a file; below SR and SPL their intervals."""
    table = _table(title)
    names = [name for name in names if any(name in file.scores for file in scored.values())]
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
