"""Typing mistakes: the success of agents as instructions get more of them."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.progress import Progress

from agents.runs import Trained
from agents.studies.inputs import CachedEvaluator, Columns, Condition
from vln.cli import show
from vln.console import Console, tell
from vln.episodes import Episode
from vln.figures import save_figure
from vln.files import write_json, write_text
from vln.language import UNK, Vocabulary
from vln.statistics import compare_paired, mean_interval
from vln.tables import change_in_points, markdown_table, number_table, percent
from vln.typos import Noise, mistyped

Row = dict[str, Any]


def curves(
    opened: Sequence[Trained],
    split: str,
    episodes: Sequence[Episode],
    noises: Sequence[Noise],
    seed: int,
    folder: Path,
) -> list[Row]:
    """Return a row for each run and rate of mistakes, those without mistakes first; `folder` keeps the results."""
    clean = Noise(0.0, noises[0].per, noises[0].kinds)
    rows: list[Row] = []
    first: dict[float, Columns] = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        total = len(opened) * (1 + len(noises)) * len(episodes)
        advance = partial(progress.advance, progress.add_task(split, total=total))
        for each in opened:
            evaluator = CachedEvaluator(each, split, episodes, folder, seed, advance)
            found: dict[float, Columns] = {}
            for noise in (clean, *noises):
                case = Condition(f"typos {noise.rate:g}", rewrite=partial(mistyped, noise=noise, seed=seed))
                found[noise.rate] = evaluator.evaluate(case, found.get(0.0))
                read = case.rewrite(episodes)
                unknown = unknown_share(read, each.data.vocabulary, each.config.language.max_length)
                first.setdefault(noise.rate, found[noise.rate])
                rows.append(
                    {"run": each.run.folder.resolve().name, "rate": noise.rate, "per": noise.per, "unknown": unknown}
                    | summary(found[noise.rate], found[0.0], first[noise.rate], [one.path_key for one in episodes])
                )
    return rows


def unknown_share(episodes: Sequence[Episode], vocabulary: Vocabulary, max_length: int) -> float:
    """Return the share of tokens that the vocabulary lacks."""
    tokens = np.concatenate([vocabulary.encode(each.instruction, max_length) for each in episodes])
    return float((tokens == UNK).mean())


def summary(columns: Columns, clean: Columns, first: Columns, ways: Sequence[Any]) -> Row:
    """Return success, its change by the mistakes, and its difference to the first run if this is another."""
    row: Row = {"n": len(ways), "SPL": float(columns["SPL"].mean())}
    success = mean_interval(columns["SR"], ways)
    row |= {"SR": success.mean, "SR interval": [success.low, success.high]}
    for name, base in (("change", clean), ("above first", first)):
        if base is not columns:
            found = compare_paired(base["SR"], columns["SR"], ways)
            row |= {name: [found.difference.mean, found.difference.low, found.difference.high]}
            row |= {f"{name} p": found.p_value}
    return row


def report(title: str, rows: Sequence[Row], name: Path, as_json: bool) -> None:
    """Print the rows, and write them as a table and a figure."""
    several = any("above first" in row for row in rows)
    heads = ["run", "typos", "unknown", "SR %", "SPL %", "change", f"above {rows[0]['run']}"][: 6 + several]
    shown = [cells(row)[: len(heads)] for row in rows]
    write_json(name.with_suffix(".json"), rows)
    write_text(name.with_suffix(".md"), markdown_table(heads, shown))
    save_figure(figure(title, rows), name.with_suffix(".png"))
    show(number_table(heads, shown, title), list(rows), as_json)
    tell(f"wrote {name}.json, .md and .png")


def cells(row: Mapping[str, Any]) -> list[str]:
    """Return a row as text: half widths of 95 % intervals behind ±, differences in points with the ends of theirs."""
    return [
        row["run"],
        f"{100 * row['rate']:g} %",
        f"{100 * row['unknown']:.1f} %",
        percent(row["SR"], *row["SR interval"]),
        f"{100 * row['SPL']:.1f}",
        *(change_in_points(*row[name]) if name in row else "" for name in ("change", "above first")),
    ]


def figure(title: str, rows: Sequence[Row]) -> Figure:
    """Draw success of each run by the rate of mistakes, with 95 % intervals."""
    drawing = Figure(figsize=(6, 4), layout="constrained")
    axes = drawing.subplots()
    for run in dict.fromkeys(row["run"] for row in rows):
        mine = sorted((row for row in rows if row["run"] == run), key=lambda row: row["rate"])
        rates = [100 * row["rate"] for row in mine]
        low, high = (np.array([100 * row["SR interval"][end] for row in mine]) for end in (0, 1))
        (line,) = axes.plot(rates, [100 * row["SR"] for row in mine], marker="o", label=run)
        axes.fill_between(rates, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set(
        title=title,
        xlabel=f"% of the {rows[0]['per']}s with a typing mistake",
        ylabel="SR, % (95 % intervals over paths)",
    )
    axes.set_ylim(bottom=0)
    axes.legend()
    return drawing
