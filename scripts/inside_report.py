"""What `probe.py cells` tells: tables of findings and of held cells, coloured text, figure, page, numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agents.probing.activations import Cell
from scripts.inside_listen import Heard
from vln.files import write_json, write_text
from vln.probing.cell_figure import save_cells
from vln.probing.cell_text import ShownCell, line_text, page, show_cell
from vln.probing.probes import Finding, halves

SHOWN = 3  # cells of a part in the terminal, twice as many in the figure


def distinct(found: Sequence[Finding]) -> list[Finding]:
    """What is more than chance, of each predicate the cell that it explains best."""
    best: dict[str, Finding] = {}
    for each in found:
        if each.found:
            best.setdefault(each.predicate, each)
    return list(best.values())


def name_of(cell: Cell) -> str:
    """A cell as it is written on the command line."""
    return f"{cell[0]}:{cell[1]}"


def pictures(heard: Heard, found: Sequence[Finding], seed: int) -> list[ShownCell]:
    """The findings as coloured text, in episodes of the half that scores."""
    kept = np.flatnonzero(~halves(heard.moments.buildings, seed))
    ends = np.cumsum(heard.moments.lengths)[:-1]
    shown = []
    for each in found:
        column = heard.moments.predicates[:, heard.moments.names.index(each.predicate)]
        values, truth = heard.of(each.cell), np.split(column, ends)
        said = [(values[n], truth[n], heard.signs[n], heard.episodes[n]) for n in kept]
        shown.append(show_cell(name_of(heard.cells[each.cell]), each, said))
    return shown


def write(
    folder: Path,
    run: Path,
    parts: Sequence[tuple[Heard, Sequence[Finding]]],
    effects: Sequence[Mapping[str, Any]],
    shown: Sequence[tuple[str, Sequence[ShownCell]]],
) -> list[Path]:
    """Write figure, page and numbers; returns their paths."""
    paths = [folder / f"cells.{kind}" for kind in ("png", "html", "json")]
    title = f"Cells of {run.resolve().name}"
    save_cells(title, [cell for _, every in shown for cell in every[: 2 * SHOWN]], paths[0])
    write_text(paths[1], page(title, shown))
    write_json(paths[2], {"parts": [part_row(heard, found, len(found)) for heard, found in parts], "held": effects})
    return paths


def part_row(heard: Heard, found: Sequence[Finding], top: int) -> dict[str, Any]:
    """The findings of a part as JSON."""
    better = [each for each in found if each.found]
    return {
        "part": heard.part,
        "episodes": len(heard.episodes),
        "moments": len(heard.moments.cells),
        "cells": len(found),
        "predicates": len(heard.moments.names),
        "found": len(better),
        "findings": [{**asdict(each), "cell": name_of(heard.cells[each.cell])} for each in better[:top]],
    }


def report(
    parts: Sequence[tuple[Heard, Sequence[Finding]]],
    effects: Sequence[Mapping[str, Any]],
    shown: Sequence[tuple[str, Sequence[ShownCell]]],
    top: int,
) -> RenderableType:
    """Everything for a terminal."""
    drawn: list[RenderableType] = []
    for (heard, found), (_, cells_shown) in zip(parts, shown, strict=True):
        drawn.append(findings_table(heard, found, top))
        for cell in cells_shown[:SHOWN]:
            drawn += [Text(cell.title, style="bold"), *(line_text(line, cell.scale) for line in cell.lines), ""]
    return Group(*drawn, *([effects_table(effects)] if effects else []))


def findings_table(heard: Heard, found: Sequence[Finding], top: int) -> Table:
    """A row a predicate: the cell that it explains best, and how many cells it explains."""
    better = [each.predicate for each in found if each.found]
    title = f"{heard.part}: {len(better)} of {len(found)} cells are more than chance, {len(heard.episodes)} episodes"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("cell", no_wrap=True)
    table.add_column("explained by")
    for name in ("r chosen", "r scored", "by chance", "p", "cells"):
        table.add_column(name, justify="right")
    for each in distinct(found)[:top]:
        numbers = (f"{each.chosen:.2f}", f"{each.score:.2f}", f"{each.chance:.2f}", f"{each.p_value:.4f}")
        table.add_row(name_of(heard.cells[each.cell]), each.predicate, *numbers, str(better.count(each.predicate)))
    return table


def effects_table(effects: Sequence[Mapping[str, Any]]) -> Table:
    """A row for everything that was held."""
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
    """Shares of steps at which another action is preferred, where the predicate holds and elsewhere."""
    return " / ".join(f"{100 * share:.1f} %" for share in row["decisions"].values() if share is not None)
