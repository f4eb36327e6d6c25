"""Reports of a search for interpretable cells: tables for the terminal, coloured text, a figure, a page, JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vln.figures import save_figure
from vln.files import write_json, write_text
from vln.probing.cell_figure import draw_cells
from vln.probing.cell_text import ShownCell, line_text, page, show_cell
from vln.probing.probes import Finding, Moments, halves

SHOWN = 3  # cells of a part in the terminal, twice as many in the figure
Cell = tuple[str, int]  # layer and number


@dataclass(frozen=True, eq=False)
class PartActivations:
    """Activations of the cells of one part of a network, beside the predicates at the same moments."""

    part: str
    cells: tuple[Cell, ...]  # cells of the columns of `moments.cells`
    moments: Moments
    # For each episode what to show at each moment: words, or an arrow for each action
    signs: tuple[tuple[str, ...], ...]
    episodes: tuple[str, ...]

    def of(self, cell: int) -> list[np.ndarray]:
        """Return the activations of a cell, (T,) for each episode."""
        return np.split(self.moments.cells[:, cell], np.cumsum(self.moments.lengths)[:-1])


def distinct(found: Sequence[Finding]) -> list[Finding]:
    """Return the findings above chance, for each predicate only the cell that it explains best."""
    best: dict[str, Finding] = {}
    for each in found:
        if each.found:
            best.setdefault(each.predicate, each)
    return list(best.values())


def cell_name(cell: Cell) -> str:
    """Return a cell as it is written on the command line."""
    return f"{cell[0]}:{cell[1]}"


def shown_cells(activations: PartActivations, found: Sequence[Finding], seed: int) -> list[ShownCell]:
    """Return the cells of findings as coloured text, in episodes of the half that scores."""
    kept = np.flatnonzero(~halves(activations.moments.buildings, seed))
    ends = np.cumsum(activations.moments.lengths)[:-1]
    shown = []
    for each in found:
        column = activations.moments.predicates[:, activations.moments.names.index(each.predicate)]
        values, truth = activations.of(each.cell), np.split(column, ends)
        rows = [(values[n], truth[n], activations.signs[n], activations.episodes[n]) for n in kept]
        shown.append(show_cell(cell_name(activations.cells[each.cell]), each, rows))
    return shown


def write(
    folder: Path,
    run: Path,
    parts: Sequence[tuple[PartActivations, Sequence[Finding]]],
    effects: Sequence[Mapping[str, Any]],
    shown: Sequence[tuple[str, Sequence[ShownCell]]],
) -> list[Path]:
    """Write the figure, the page and the numbers, and return their paths."""
    paths = [folder / f"cells.{kind}" for kind in ("png", "html", "json")]
    title = f"Cells of {run.resolve().name}"
    save_figure(draw_cells(title, [cell for _, every in shown for cell in every[: 2 * SHOWN]]), paths[0])
    write_text(paths[1], page(title, shown))
    write_json(
        paths[2], {"parts": [part_row(activations, found, len(found)) for activations, found in parts], "held": effects}
    )
    return paths


def part_row(activations: PartActivations, found: Sequence[Finding], top: int) -> dict[str, Any]:
    """Return the findings of a part for JSON."""
    better = [each for each in found if each.found]
    return {
        "part": activations.part,
        "episodes": len(activations.episodes),
        "moments": len(activations.moments.cells),
        "cells": len(found),
        "predicates": len(activations.moments.names),
        "found": len(better),
        "findings": [{**asdict(each), "cell": cell_name(activations.cells[each.cell])} for each in better[:top]],
    }


def report(
    parts: Sequence[tuple[PartActivations, Sequence[Finding]]],
    effects: Sequence[Mapping[str, Any]],
    shown: Sequence[tuple[str, Sequence[ShownCell]]],
    top: int,
) -> RenderableType:
    """Return the tables and coloured texts for a terminal."""
    drawn: list[RenderableType] = []
    for (activations, found), (_, cells_shown) in zip(parts, shown, strict=True):
        drawn.append(findings_table(activations, found, top))
        for cell in cells_shown[:SHOWN]:
            drawn += [Text(cell.title, style="bold"), *(line_text(line, cell.scale) for line in cell.lines), ""]
    return Group(*drawn, *([effects_table(effects)] if effects else []))


def findings_table(activations: PartActivations, found: Sequence[Finding], top: int) -> Table:
    """Return a table of predicates: the cell that each explains best, and how many cells it explains."""
    better = [each.predicate for each in found if each.found]
    above = f"{len(better)} of {len(found)} cells are more than chance"
    title = f"{activations.part}: {above}, {len(activations.episodes)} episodes"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("cell", no_wrap=True)
    table.add_column("explained by")
    for name in ("r chosen", "r scored", "by chance", "p", "cells"):
        table.add_column(name, justify="right")
    for each in distinct(found)[:top]:
        numbers = (f"{each.chosen:.2f}", f"{each.score:.2f}", f"{each.chance:.2f}", f"{each.p_value:.4f}")
        table.add_row(
            cell_name(activations.cells[each.cell]), each.predicate, *numbers, str(better.count(each.predicate))
        )
    return table


def effects_table(effects: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table of interventions and their effects."""
    kinds = list(dict.fromkeys(kind for each in effects for kind in each["actions"]))
    table = Table(
        title="held cells: differences in percent points (speakers: nats a word), ± half of 95 % intervals",
        box=SIMPLE_HEAD,
        padding=0,
    )
    for name in ("held", "explained by"):
        table.add_column(name)
    for name in ("success", "other choice", *kinds):
        table.add_column(name, justify="right", no_wrap=True)
    for each in effects:
        scale = (100, 1) if "SR" in each else (1, 3)
        changes = [_change(each["actions"][kind], *scale) if kind in each["actions"] else "" for kind in kinds]
        table.add_row(
            each["held"], each["predicate"], _change(each.get("SR", each.get("loss")), *scale), _others(each), *changes
        )
    return table


def _change(found: Mapping[str, Any], scale: int, digits: int) -> str:
    low, high = found["interval"]
    return f"{scale * found['difference']:+.{digits}f} ±{scale * (high - low) / 2:.{digits}f}"


def _others(row: Mapping[str, Any]) -> str:
    """Return the shares of steps with another likeliest action, where the predicate holds and elsewhere."""
    return " / ".join(f"{100 * share:.1f} %" for share in row["decisions"].values() if share is not None)
