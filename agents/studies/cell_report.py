"""Tables and figures of a comparison of recurrent cells."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agents.probing.gradients import decay
from agents.studies.cells import Finding, Findings, Study, Variant, variants
from vln.cli import show
from vln.console import Console, tell
from vln.figures import save_figure
from vln.files import write_json, write_text
from vln.statistics import Interval, mean_interval, seed_interval, thirds
from vln.tables import markdown_table, number_table, percent

HEADS = ("cells", "min", "SR %", "× a step back", "norm", "moved %", "loss")
TRUNCATION_HEADS = ("flows back", "steps", "cosine with the whole gradient", "times as long")
STEP_HEADS = ("one plain step", "norm", "loss before", "after, clipped", "after, not clipped")
STYLES = {("rnn", 1): "C3-", ("rnn", 2): "C3--", ("gru", 1): "C2-", ("lstm", 1): "C0-", ("lstm", 2): "C0--"}
LAST = 0.25  # share of the updates whose mean loss is reported
FEWEST = 8  # episodes that a point of a curve is drawn for


def report(study: Study, found: Findings, folder: Path, as_json: bool) -> None:
    """Print the tables and their conclusions, and write them and the figures into a folder."""
    rows = {variant.name: summary(study, findings) for variant, findings in found.items()}
    inner = {variant.name: flow(findings) for variant, findings in found.items() if findings[0].step}
    found_rows = {"rows": rows, "gradients": inner, "says": conclusions(rows)}
    tables = (
        (HEADS, [cells(name, row) for name, row in rows.items()]),
        (TRUNCATION_HEADS, [line for name, row in inner.items() for line in truncation_cells(name, row["truncated"])]),
        (STEP_HEADS, [step_cells(name, row["step"]) for name, row in inner.items()]),
    )
    write_json(folder / "cells.json", found_rows)
    write_text(
        folder / "cells.md", "\n".join([*(markdown_table(*table) for table in tables), f"{found_rows['says']}\n"])
    )
    figures = {"gradients": gradients(found), "success": success(study, rows), "learning": learning(found)}
    for name, figure in figures.items():
        save_figure(figure, folder / f"{name}.png")
    if as_json:
        show("", found_rows, True)
    else:
        seeds = len(next(iter(found.values())))
        title = f"{study.config.task.name} {study.split}, {seeds} seed{'s' * (seeds > 1)}, means ± 95 %"
        for place, (heads, lines) in enumerate(tables):
            show(number_table(heads, lines, None if place else title), None, False)
        Console().print(found_rows["says"], highlight=False)
    written = ", ".join(["cells.json", "cells.md", *(f"{name}.png" for name in figures)])
    tell(f"wrote {written} into {folder}")


# --- numbers ---


def summary(study: Study, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return a row: intervals over seeds if there are several, else over paths or episodes."""
    episodes = study.data.splits[study.split]
    ways = [episode.path_key for episode in episodes]
    success = [finding.scores["SR"] for finding in findings]
    norms = np.concatenate([[row["gradient_norm"] for row in finding.updates] for finding in findings])
    moved = [row["moved"] for finding in findings for row in finding.updates if "moved" in row]
    losses = [np.array([row["loss"] for row in finding.updates]) for finding in findings]
    decays = [decay(torch.from_numpy(finding.reach)).numpy() for finding in findings]
    return {
        "seeds": len(findings),
        "n": len(episodes),
        "minutes": float(np.mean([finding.minutes for finding in findings])),
        "SR": ends(over(success, ways)),
        "SPL": ends(over([finding.scores["SPL"] for finding in findings], ways)),
        "by words": binned(study.data.lengths(study.split), success, ways, "{:.0f}"),
        "by metres": binned(study.data.path_lengths(study.split), success, ways, "{:.1f}"),
        "decay": ends(over([each[np.isfinite(each)] for each in decays])),
        "gradient norm": {"median": float(np.median(norms)), "largest": float(norms.max())},
        "moved": float(np.median(moved)) if moved else None,
        "loss": float(np.mean([each[-max(1, int(LAST * len(each))) :].mean() for each in losses])),
    }


def over(values: Sequence[np.ndarray], groups: Sequence[Hashable] | None = None) -> Interval:
    """Return the mean of values by seed and episode, over seeds; over (groups of) episodes if there is one seed."""
    if len(values) == 1:
        return mean_interval(values[0], groups)
    return seed_interval(np.array([each.mean() for each in values]))


def ends(interval: Interval) -> list[float]:
    """Return mean, low and high."""
    return [interval.mean, interval.low, interval.high]


def binned(
    sizes: np.ndarray, success: Sequence[np.ndarray], ways: Sequence[Hashable], style: str
) -> list[dict[str, Any]]:
    """Return success in the small, the middle and the large third of the episodes by a size."""
    parts = []
    for where in thirds(sizes):
        inside = np.flatnonzero(where).tolist()
        label = "–".join(style.format(end) for end in (sizes[where].min(), sizes[where].max()))
        interval = over([each[where] for each in success], [ways[number] for number in inside])
        parts.append({"from to": label, "n": len(inside), "SR": ends(interval)})
    return parts


def flow(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return means over seeds of how truncated gradients compare with the whole one, and of what a plain step does."""
    cosines, lengths = (
        {
            str(steps): float(np.mean([each.truncated[steps][place] for each in findings]))
            for steps in findings[0].truncated
        }
        for place in (0, 1)
    )
    means = {name: float(np.mean([each.step[name] for each in findings])) for name in findings[0].step}
    step = {name: mean if np.isfinite(mean) else None for name, mean in means.items()}  # JSON knows no infinity
    return {"truncated": {"cosine": cosines, "times as long": lengths}, "step": step}


def conclusions(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return sentences that say whether gradients vanish faster in a vanilla network than in an LSTM."""
    sentences = []
    for place in ("encoder", "core"):
        rnn, lstm = rows[f"{place}: RNN"]["decay"], rows[f"{place}: LSTM"]["decay"]
        factors = " and ".join(f"{factor(row)} in the {name}" for row, name in ((rnn, "RNN"), (lstm, "LSTM")))
        faster = "vanishes faster in the RNN" if rnn[2] < lstm[1] else "is not shown to vanish faster in the RNN"
        if rnn[1] > max(1.0, lstm[2]):
            faster = "explodes in the RNN"
        sentences.append(f"In the {place} a step back multiplies the gradient by {factors}: it {faster}.")
    return " ".join(sentences)


# --- tables ---


def cells(name: str, row: Mapping[str, Any]) -> list[str]:
    """Return a row as text; half widths of 95 % intervals behind ±."""
    moved = "" if row["moved"] is None else f"{100 * row['moved']:.1f}"
    norm = f"{row['gradient norm']['median']:.3g}"
    return [name, f"{row['minutes']:.1f}", percent(*row["SR"]), factor(row["decay"]), norm, moved, f"{row['loss']:.2f}"]


def factor(interval: Sequence[float]) -> str:
    """Return a factor and half of its interval as text."""
    mean, low, high = interval
    return f"{mean:.3f} ± {(high - low) / 2:.3f}"


def truncation_cells(name: str, row: Mapping[str, Mapping[str, float]]) -> list[list[str]]:
    """Return lines of truncation as text."""
    pairs = zip(row["cosine"].items(), row["times as long"].values(), strict=True)
    return [[name, steps, f"{cosine:.3f}", f"{length:.3f}"] for (steps, cosine), length in pairs]


def step_cells(name: str, row: Mapping[str, float | None]) -> list[str]:
    """Return a step as text."""
    numbers = (row[each] for each in ("norm", "before", "clipped", "not clipped"))
    return [name, *("∞" if number is None else f"{number:.2f}" for number in numbers)]


# --- figures ---


def panels(found: Findings, place: str) -> Iterator[tuple[Variant, Sequence[Finding]]]:
    """Return the variants of a place of which only the cells differ."""
    return ((variant, findings) for variant, findings in found.items() if variant.place == place and variant.plain)


def gradients(found: Findings) -> Figure:
    """Draw norms of gradients by steps back, relative to the step itself; bands hold half of the episodes."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    for axes, (place, unit) in zip(figure.subplots(1, 2), (("encoder", "words"), ("core", "steps")), strict=True):
        for variant, findings in panels(found, place):
            norms = np.concatenate([padded(finding.reach, longest(findings)) for finding in findings])
            relative = np.log10(norms / norms[:, :1])
            drawn_to = int((np.isfinite(relative).sum(0) >= min(FEWEST, len(relative))).sum())
            low, middle, high = np.nanpercentile(relative[:, :drawn_to], (25, 50, 75), axis=0)
            style = STYLES[variant.cell, variant.layers]
            axes.plot(middle, style, label=variant.name.partition(": ")[2])
            axes.fill_between(range(drawn_to), low, high, color=style[:2], alpha=0.12)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set(title=place, xlabel=f"k, {unit} back", ylabel="log10 of the norm of ∂h(t)/∂x(t-k), relative to k = 0")
        axes.legend(fontsize="small")
    return figure


def longest(findings: Sequence[Finding]) -> int:
    """Return the most steps back of any seed."""
    return max(finding.reach.shape[1] for finding in findings)


def padded(reach: np.ndarray, width: int) -> np.ndarray:
    """Return norms with columns of NaN up to a width."""
    return np.pad(reach, ((0, 0), (0, width - reach.shape[1])), constant_values=np.nan)


def success(study: Study, rows: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw success by length of instruction and of path, of the cells in both places."""
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    for line, place in zip(figure.subplots(2, 2, sharey=True), ("encoder", "core"), strict=True):
        shown = [variant for variant in variants(study.steps) if variant.place == place and variant.plain]
        for axes, (what, unit) in zip(line, (("by words", "words"), ("by metres", "metres of the path")), strict=True):
            points(axes, shown, [rows[variant.name][what] for variant in shown])
            axes.set(title=place, xlabel=unit, ylabel="SR, %")
    figure.legend(*line[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(shown))
    return figure


def points(axes: Axes, shown: Sequence[Variant], parts: Sequence[Sequence[Mapping[str, Any]]]) -> None:
    """Draw success of variants in parts of the episodes, side by side."""
    for number, (variant, row) in enumerate(zip(shown, parts, strict=True)):
        middle, low, high = 100 * np.array([part["SR"] for part in row]).T
        at = np.arange(len(middle)) + 0.14 * (number - (len(shown) - 1) / 2)
        style = STYLES[variant.cell, variant.layers]
        marker = "o" if variant.layers == 1 else "s"
        label = variant.name.partition(": ")[2]
        axes.errorbar(at, middle, (middle - low, high - middle), fmt=style[:2] + marker, capsize=2, label=label)
    axes.set_xticks(range(len(parts[0])), [f"{part['from to']}\n({part['n']} episodes)" for part in parts[0]])


def learning(found: Findings) -> Figure:
    """Draw losses and norms of gradients while the core learns: cells, clipping, and truncation."""
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    core = [variant for variant in found if variant.place == "core" and variant.layers == 1 and variant.cell != "gru"]
    groups = (
        ("clipping", [each for each in core if not each.truncate]),
        ("truncation", [each for each in core if each.cell == "lstm" and each.clip]),
    )
    for line, (title, chosen) in zip(figure.subplots(2, 2), groups, strict=True):
        for axes, what in zip(line, ("loss", "gradient_norm"), strict=True):
            for number, variant in enumerate(chosen):
                updates = found[variant][0].updates
                at = [row.get("iteration", place + 1) for place, row in enumerate(updates)]
                style = f"C{number}-" if variant.clip else "k--" if variant.cell == "rnn" else "k:"
                axes.plot(at, [row[what] for row in updates], style, label=variant.name)
            axes.set(title=title, xlabel="updates", ylabel=what.replace("_", " "))
            axes.set_ylim(bottom=0)
            axes.xaxis.get_major_locator().set_params(integer=True)
        line[0].legend(fontsize="small")
    return figure
