"""How well agents follow instructions with typing mistakes; see `compare.py typos`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from rich.progress import Progress
from tyro.conf import Positional

from agents.training.checkpoint import run_checkpoint
from agents.training.devices import use_threads
from scripts.compare_bias import Columns, Condition, Subject
from scripts.evaluate import Trained, check_runs, open_run
from vln.audit import subset
from vln.cli import show
from vln.console import Console
from vln.episodes import Episode
from vln.errors import InputError
from vln.figures import save_figure
from vln.files import writable_folder, write_json, write_text
from vln.language import UNK, Vocabulary
from vln.statistics import compare_paired, mean_interval
from vln.tables import markdown_table, number_table
from vln.typos import TYPOS, Noise, Typo, mistyped

QUICK, QUICK_RATES = 480, (0.1, 0.2, 0.4)
FULL_RATES = (0.05, 0.1, 0.2, 0.4, 0.8)
Row = dict[str, Any]


def typos(
    runs: Positional[tuple[Path, ...]],
    full: bool = False,
    rates: tuple[float, ...] = (),
    per: Literal["word", "letter"] = "word",
    kinds: tuple[Typo, ...] = TYPOS,
    split: str = "val_unseen",
    episodes: int = QUICK,
    checkpoint: Literal["best", "latest"] = "best",
    data: Path | None = None,
    out: Path | None = None,
    seed: int = 0,
    threads: int = 0,
    json: bool = False,
) -> None:
    """How success falls as instructions get more typing mistakes, on the same episodes and mistakes for all agents.

    Args:
        runs: Folders of training runs on one data set, e.g. one that reads words and one that reads characters.
        full: All episodes of the split and more rates; interrupted, it goes on where it was.
        rates: Shares of the words (or letters) with a mistake; 0.1, 0.2 and 0.4, in full 0.05 to 0.8, if absent.
        per: What the rates are shares of.
        kinds: The mistakes: letters swapped, dropped, doubled, or hit beside on the keyboard.
        split: Split.
        episodes: About how many of its episodes, unless in full; whole paths drawn by chance; 0 takes all.
        checkpoint: The best one by SPL on the selecting split, or the latest.
        data: Data folder; default $VLN_DATA, then ../shared/data.
        out: Folder of the table and the figure; `typos` in the first run's folder if absent.
        seed: Of the choice of episodes and of the mistakes.
        threads: CPU threads; 0 takes one for each core.
        json: Print JSON instead of a table.
    """
    if episodes < 0:
        raise InputError("--episodes", f"{episodes} is out of range", "give a whole number, 0 for all")
    noises = [Noise(rate, per, kinds) for rate in rates or (FULL_RATES if full else QUICK_RATES)]
    for noise in noises:
        noise.check()
    use_threads(threads)
    opened = [open_run(run, split, data, checkpoint, False, "greedy", "cpu") for run in check_runs(runs)]
    chosen = shared_episodes(opened, split, 0 if full else episodes, seed)
    opened = [replace(each, data=each.data.sharing(opened[0].data)) for each in opened]
    folder = writable_folder(out or runs[0] / "typos")
    rows = curves(opened, checkpoint, split, chosen, noises, seed, folder)
    report(f"typing mistakes: {opened[0].run.task.name} {split}", rows, folder / split, json)


def shared_episodes(opened: Sequence[Trained], split: str, count: int, seed: int) -> list[Episode]:
    """About `count` episodes of a split, or all if it is 0.

    Raises:
        InputError: If the goals are withheld, or the runs do not share the episodes.
    """
    every = list(opened[0].data.splits[split])
    if every[0].withheld:
        raise InputError("--split", f"the goals of '{split}' are withheld", "use a validation split")
    for other in opened[1:]:
        if list(other.data.splits[split]) != every:
            raise InputError(other.run.folder, f"its '{split}' has other episodes", "compare runs on one data set")
    return [every[number] for number in subset(every, count, seed)]


def curves(
    opened: Sequence[Trained],
    checkpoint: str,
    split: str,
    episodes: Sequence[Episode],
    noises: Sequence[Noise],
    seed: int,
    folder: Path,
) -> list[Row]:
    """A row for each run and rate of mistakes, those without mistakes first; `folder` keeps what has been measured."""
    clean = Noise(0.0, noises[0].per, noises[0].kinds)
    rows: list[Row] = []
    first: dict[float, Columns] = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        total = len(opened) * (1 + len(noises)) * len(episodes)
        advance = partial(progress.advance, progress.add_task(split, total=total))
        for each in opened:
            file = run_checkpoint(each.run.folder, checkpoint)
            subject = Subject(each, file, split, episodes, folder, seed, advance)
            found: dict[float, Columns] = {}
            for noise in (clean, *noises):
                case = Condition(f"typos {noise.rate:g}", rewrite=partial(mistyped, noise=noise, seed=seed))
                found[noise.rate] = subject.row(case, found.get(0.0))
                read = case.rewrite(episodes)
                unknown = unknown_share(read, each.data.vocabulary, each.config.language.max_length)
                first.setdefault(noise.rate, found[noise.rate])
                rows.append(
                    {"run": each.run.folder.resolve().name, "rate": noise.rate, "per": noise.per, "unknown": unknown}
                    | summary(found[noise.rate], found[0.0], first[noise.rate], [one.path_key for one in episodes])
                )
    return rows


def unknown_share(episodes: Sequence[Episode], vocabulary: Vocabulary, max_length: int) -> float:
    """Share of the tokens read that the vocabulary lacks."""
    tokens = np.concatenate([vocabulary.encode(each.instruction, max_length) for each in episodes])
    return float((tokens == UNK).mean())


def summary(columns: Columns, clean: Columns, first: Columns, ways: Sequence[Any]) -> Row:
    """Success with its interval, its change by the mistakes, and what it is above that of the first run, if another."""
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
    """Show the rows, and write them as a table and a figure."""
    several = any("above first" in row for row in rows)
    heads = ["run", "typos", "unknown", "SR %", "SPL %", "change", f"above {rows[0]['run']}"][: 6 + several]
    shown = [cells(row)[: len(heads)] for row in rows]
    write_json(name.with_suffix(".json"), rows)
    write_text(name.with_suffix(".md"), markdown_table(heads, shown))
    save_figure(figure(title, rows), name.with_suffix(".png"))
    show(number_table(heads, shown, title), list(rows), as_json)
    Console(stderr=True).print(f"wrote {name}.json, .md and .png", highlight=False, soft_wrap=True)


def cells(row: Mapping[str, Any]) -> list[str]:
    """A row as text: half widths of 95 % intervals behind ±, differences in points with the ends of theirs."""
    low, high = row["SR interval"]
    return [
        row["run"],
        f"{100 * row['rate']:g} %",
        f"{100 * row['unknown']:.1f} %",
        f"{100 * row['SR']:.1f} ± {50 * (high - low):.1f}",
        f"{100 * row['SPL']:.1f}",
        *(_points(row.get(name)) for name in ("change", "above first")),
    ]


def _points(change: Sequence[float] | None) -> str:
    if change is None:
        return ""
    mean, low, high = (100 * each for each in change)
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def figure(title: str, rows: Sequence[Row]) -> Figure:
    """Success of each run by the rate of mistakes, with 95 % intervals."""
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
