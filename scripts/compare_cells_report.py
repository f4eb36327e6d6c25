"""Tables and figures of a comparison of recurrent cells."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from agents.gradients import decay
from scripts.cell_study import Finding, Findings, Study, Variant
from scripts.common import show
from scripts.studies import drawn, markdown
from vln.files import write_json, write_text
from vln.statistics import Interval, mean_interval, seed_interval, thirds

HEADS = ("cells", "seeds", "min", "SR %", "SPL %", "gradient × a step back", "norm: median", "largest", "loss")
TRUNCATION_HEADS = ("core", "steps", "cosine with the whole gradient", "times as long")
STYLES = {("rnn", 1): "C3-", ("rnn", 2): "C3--", ("gru", 1): "C2-", ("lstm", 1): "C0-", ("lstm", 2): "C0--"}
LAST = 0.25  # share of the updates whose mean loss is told
FEWEST = 8  # episodes that a point of a curve is drawn for


def report(study: Study, found: Findings, folder: Path, as_json: bool) -> None:
    """Show tables and what they say, and write them and the figures into a folder."""
    rows = {variant.name: summary(study, findings) for variant, findings in found.items()}
    cut = {variant.name: truncations(findings) for variant, findings in found.items() if findings[0].truncated}
    told = {"rows": rows, "truncated gradients": cut, "says": says(rows)}
    shown = [cells(name, row) for name, row in rows.items()]
    shown_cut = [cut_cells(name, steps, row) for name, row_of in cut.items() for steps, row in row_of.items()]
    write_json(folder / "cells.json", told)
    text = f"{markdown(HEADS, shown)}\n{markdown(TRUNCATION_HEADS, shown_cut)}\n{told['says']}\n"
    write_text(folder / "cells.md", text)
    figures = {"gradients": gradients(found), "success": success(rows), "learning": learning(found)}
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=120)
    if as_json:
        show("", told, True)
    else:
        show(drawn(HEADS, shown, f"{study.world.config.dataset} {study.split}"), None, False)
        show(drawn(TRUNCATION_HEADS, shown_cut, "what is left of the gradient of the core's weights"), None, False)
        Console().print(told["says"], highlight=False)
    Console(stderr=True).print(f"wrote {folder}: cells.json, cells.md, {', '.join(f'{name}.png' for name in figures)}")


# --- numbers ---


def summary(study: Study, findings: Sequence[Finding]) -> dict[str, Any]:
    """A row: intervals over seeds where there are several, else over paths or episodes."""
    episodes = study.world.splits[study.split]
    ways = [episode.way for episode in episodes]
    success = [finding.scores["SR"] for finding in findings]
    norms = np.concatenate([[row["gradient_norm"] for row in finding.updates] for finding in findings])
    losses = [np.array([row["loss"] for row in finding.updates]) for finding in findings]
    decays = [decay(torch.from_numpy(finding.reach)).numpy() for finding in findings]
    return {
        "seeds": len(findings),
        "n": len(episodes),
        "minutes": float(np.mean([finding.minutes for finding in findings])),
        "SR": ends(over(success, ways)),
        "SPL": ends(over([finding.scores["SPL"] for finding in findings], ways)),
        "by words": binned(study.world.lengths(study.split), success, ways, "{:.0f}"),
        "by metres": binned(study.world.path_lengths(study.split), success, ways, "{:.1f}"),
        "decay": ends(over([each[np.isfinite(each)] for each in decays])),
        "gradient norm": {"median": float(np.median(norms)), "largest": float(norms.max())},
        "loss": float(np.mean([each[-max(1, int(LAST * len(each))) :].mean() for each in losses])),
    }


def over(values: Sequence[np.ndarray], groups: Sequence[Hashable] | None = None) -> Interval:
    """The mean of a value by seed and episode, over seeds; over episodes, or groups of them, if there is one seed."""
    if len(values) == 1:
        return mean_interval(values[0], groups)
    return seed_interval(np.array([each.mean() for each in values]))


def ends(interval: Interval) -> list[float]:
    """Mean, low and high."""
    return [interval.mean, interval.low, interval.high]


def binned(
    sizes: np.ndarray, success: Sequence[np.ndarray], ways: Sequence[Hashable], style: str
) -> list[dict[str, Any]]:
    """Success in the small, the middle and the large third of the episodes by some size of theirs."""
    parts = []
    for where in thirds(sizes):
        inside = np.flatnonzero(where).tolist()
        label = "–".join(style.format(end) for end in (sizes[where].min(), sizes[where].max()))
        interval = over([each[where] for each in success], [ways[number] for number in inside])
        parts.append({"from to": label, "n": len(inside), "SR": ends(interval)})
    return parts


def truncations(findings: Sequence[Finding]) -> dict[str, dict[str, float]]:
    """Means over seeds of how a truncated gradient compares with the whole one, by steps."""
    return {
        str(steps): {
            "cosine": float(np.mean([finding.truncated[steps][0] for finding in findings])),
            "length": float(np.mean([finding.truncated[steps][1] for finding in findings])),
        }
        for steps in findings[0].truncated
    }


def says(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Whether gradients vanish faster in a vanilla network than in an LSTM, in plain sentences."""
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
    """A row as text."""
    shares = [f"{100 * row[each][0]:.1f} ± {50 * (row[each][2] - row[each][1]):.1f}" for each in ("SR", "SPL")]
    norms = [f"{row['gradient norm'][each]:.3g}" for each in ("median", "largest")]
    numbers = [str(row["seeds"]), f"{row['minutes']:.1f}"]
    return [name, *numbers, *shares, factor(row["decay"]), *norms, f"{row['loss']:.2f}"]


def factor(interval: Sequence[float]) -> str:
    """A factor and its interval."""
    mean, low, high = interval
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"


def cut_cells(name: str, steps: str, row: Mapping[str, float]) -> list[str]:
    """A row of truncation as text."""
    return [name, steps, f"{row['cosine']:.3f}", f"{row['length']:.3f}"]


# --- figures ---


def panels(found: Findings, place: str) -> Iterator[tuple[Variant, Sequence[Finding]]]:
    """The variants of a place that learn as usual."""
    return ((variant, findings) for variant, findings in found.items() if variant.place == place and variant.plain)


def gradients(found: Findings) -> Figure:
    """Norms of gradients by the steps that they go back, relative to the step itself; bands hold half the episodes."""
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
        axes.set(title=place, xlabel=f"k, {unit} back", ylabel="log10 of the norm of ∂h(t)/∂x(t-k), relative to k = 0")
        axes.legend(fontsize="small")
    return figure


def longest(findings: Sequence[Finding]) -> int:
    """Most steps back of any seed."""
    return max(finding.reach.shape[1] for finding in findings)


def padded(reach: np.ndarray, width: int) -> np.ndarray:
    """Norms with columns of NaN up to a width."""
    return np.pad(reach, ((0, 0), (0, width - reach.shape[1])), constant_values=np.nan)


def success(rows: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Success by length of instruction and of path, of the cells in both places."""
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    grid = figure.subplots(2, 2, sharey=True)
    for line, place in zip(grid, ("encoder", "core"), strict=True):
        shown = {
            name: row for name, row in rows.items() if name.startswith(place) and "not" not in name and "at" not in name
        }
        for axes, (what, unit) in zip(line, (("by words", "words"), ("by metres", "metres of the path")), strict=True):
            bars(axes, shown, what)
            axes.set(title=place, xlabel=unit, ylabel="SR, %")
        line[0].legend(fontsize="small")
    return figure


def bars(axes: Axes, rows: Mapping[str, Mapping[str, Any]], what: str) -> None:
    """Success of each row by some length, side by side."""
    for number, (name, row) in enumerate(rows.items()):
        middle, low, high = 100 * np.array([part["SR"] for part in row[what]]).T
        at = np.arange(len(middle)) + 0.14 * (number - (len(rows) - 1) / 2)
        axes.errorbar(at, middle, (middle - low, high - middle), fmt="o", capsize=2, label=name.partition(": ")[2])
    labels = [f"{part['from to']}\n({part['n']} episodes)" for part in next(iter(rows.values()))[what]]
    axes.set_xticks(range(len(labels)), labels)


def learning(found: Findings) -> Figure:
    """Losses and norms of gradients while the core learns: cells, clipping, and truncation."""
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    core = {variant: findings[0].updates for variant, findings in found.items() if variant.place == "core"}
    groups = (
        ("clipping", [each for each in core if each.layers == 1 and each.cell != "gru" and not each.truncate]),
        ("truncation", [each for each in core if each.cell == "lstm" and each.layers == 1 and each.clip]),
    )
    for line, (title, chosen) in zip(figure.subplots(2, 2), groups, strict=True):
        for axes, what in zip(line, ("loss", "gradient_norm"), strict=True):
            for number, variant in enumerate(chosen):
                updates = core[variant]
                at = [row.get("iteration", place + 1) for place, row in enumerate(updates)]
                axes.plot(at, [row[what] for row in updates], f"C{number}", label=variant.name)
            axes.set(title=title, xlabel="updates", ylabel=what.replace("_", " "), yscale="log")
        line[0].legend(fontsize="small")
    return figure
