"""Tables of scores for the terminal: of evaluated agents, of prediction files, and comparisons of these."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from vln.episodes import Episode
from vln.metrics import METRICS, finite_mean, unreachable
from vln.published import R2R
from vln.score_files import Scored
from vln.statistics import compare_paired, mean_interval
from vln.tasks import Task
from vln.vlnce_scores import CONTINUOUS

HEADS = {"TL": "TL m", "NE": "NE m", "collisions": "colli-\nsions"}
DIGITS = {"TL": 2, "NE": 2, "steps": 1, "collisions": 1}
WITH_INTERVAL = ("SR", "SPL")
COMPARED = ("NE", "SR", "SPL", "nDTW")
PERCENT = tuple(name for name in METRICS if name not in ("TL", "NE"))
KNOWN = {*METRICS, *CONTINUOUS}


def evaluation_table(rows: Mapping[str, Mapping[str, Any]], task: Task, split: str) -> Table:
    """Return a row for each agent, with half widths of 95 % intervals, and published rows below."""
    names = [*METRICS, *(name for name in found_metrics(rows) if name not in METRICS)]
    drawn = Table(title=f"{task.title} {split}", caption=_apart(rows), box=SIMPLE_HEAD, padding=0)
    drawn.add_column("agent", min_width=24)
    for name in names:
        drawn.add_column(f"{name} %" if name in PERCENT else name, justify="right", no_wrap=True)
    for label, row in rows.items():
        drawn.add_row(label, *(_evaluated(row, name) if name in row else "" for name in names))
    drawn.add_section()
    for paper in R2R if task.dataset == "r2r" else ():
        if split in paper.success:
            known = {"SR": paper.success[split], "SPL": paper.spl.get(split)}
            drawn.add_row(f"{paper.method} ({paper.source})", *(_percent(known.get(name)) for name in names))
    return drawn


def found_metrics(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the names of all metrics of rows, without counts and intervals."""
    found = dict.fromkeys(name for row in rows.values() for name in row)
    return [name for name in found if name not in ("n", "unreachable") and not name.endswith(" interval")]


def _apart(rows: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Say which episodes NE leaves out; None if it leaves out none."""
    counts = [f"{label}: {row['unreachable']:.0f} of {row['n']}" for label, row in rows.items() if "unreachable" in row]
    return f"NE is without episodes that ended where no way leads to the goal ({', '.join(counts)})" if counts else None


def _evaluated(row: Mapping[str, Any], name: str) -> str:
    if name not in PERCENT:
        return f"{row[name]:.2f}"
    interval = row.get(f"{name} interval")
    return _percent(row[name]) + (f"\n±{50 * (interval[1] - interval[0]):.1f}" if interval else "")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def metrics_table(scored: Mapping[str, Scored], title: str, names: Sequence[str] = METRICS) -> Table:
    """Return a row for each prediction file; intervals stand below SR and SPL."""
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
    """Return the differences of each further file to the first, on the episodes that both predict."""
    (baseline, *labels), (first, *others) = _labels(scored), scored.values()
    table = _table(f"minus {baseline}, on the same episodes")
    for name in ("metric", "n", "difference", "95 % interval", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for label, other in zip(labels, others, strict=True):
        for cells in _comparisons(first, other):
            table.add_row(label, *cells)
    return table


def _table(title: str) -> Table:
    """Return a table whose first column is folded, so that the numbers fit in 80 columns."""
    table = Table(title=title, box=SIMPLE_HEAD, padding=0)
    table.add_column("file", overflow="fold")
    return table


def _labels(names: Iterable[str]) -> list[str]:
    """Return the stems of files, or their paths if stems repeat."""
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
    """Return what is equal for instructions of one path."""
    return episode.scan, episode.path or episode.positions


def _number(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}f}".removeprefix("0") if 0 <= value < 1 else f"{value:.{digits}f}"
