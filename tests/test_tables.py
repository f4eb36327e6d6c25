"""Tables in a terminal of 80 columns: every word of the headers and every number is complete."""

import re
from io import StringIO
from itertools import pairwise

import numpy as np
import pytest
from rich.console import Console, Group
from rich.table import Table

from agents.studies import cell_report, inputs, rcm
from vln.episodes import Episode
from vln.metrics import METRICS
from vln.score_files import Scored
from vln.score_tables import comparison_table, evaluation_table, metrics_table
from vln.tables import fit_to_width, number_table
from vln.tasks import find_task
from vln.vlnce_scores import CONTINUOUS

WIDTH = 80
EPISODES = [Episode(str(number), "house", "made", "Go.", (str(number),), 0.0) for number in range(1839)]
NAMES = ("val_unseen_of_the_first_agent", "val_unseen_of_the_second_agent")


def scored(names) -> dict[str, Scored]:
    random = np.random.default_rng(0)
    large = {"TL": 40, "NE": 30, "steps": 500, "collisions": 300}
    values = {name: large.get(name, 1) * random.random(len(EPISODES)) for name in names}
    return {f"{name}.jsonl": Scored(EPISODES, values, 12) for name in NAMES}


def evaluated() -> dict[str, dict[str, float]]:
    row = dict.fromkeys(METRICS, 1.0) | {"TL": 123.45, "NE": 123.45, "n": 2349}
    return {name: row | {"SR interval": [0.9, 1], "SPL interval": [0.9, 1]} for name in (*NAMES, "shortest path")}


def numbers(heads) -> Table:
    return number_table(heads, [["a row with a long name", *("-12.3 (-45.6 to +78.9)" for _ in heads[1:])]], "title")


TABLES = {
    "evaluate": lambda: evaluation_table(evaluated(), find_task("r2r"), "val_unseen"),
    "score": lambda: metrics_table(scored(METRICS), "r2r val_unseen"),
    "score of VLN-CE": lambda: metrics_table(scored(CONTINUOUS), "r2r-ce val_unseen", CONTINUOUS),
    "comparison": lambda: comparison_table(scored(METRICS)),
    "bias": lambda: numbers(inputs.HEADS),
    "cells": lambda: numbers(cell_report.HEADS),
    "gradients": lambda: numbers(cell_report.TRUNCATION_HEADS),
    "ablation": lambda: number_table(
        rcm.HEADS, [["+ self-imitation", "3", "123.4", *("44.0 ± 2.1", "39.9", "+2.0 (-0.1 to +3.9)") * 2]]
    ),
}


def printed(table, width: int) -> str:
    output = StringIO()
    Console(file=output, width=width).print(table)
    return output.getvalue()


def words(table: Table) -> set[str]:
    """Return the words of the headers, and of all cells but the names in the first column."""
    cells = [column.header for column in table.columns]
    cells += [str(cell) for column in table.columns[1:] for cell in column.cells]
    return {word for cell in cells for word in str(cell).split()}


@pytest.mark.parametrize("name", TABLES)
def test_nothing_is_cut(name):
    table = fit_to_width(TABLES[name](), WIDTH)
    shown = printed(table, WIDTH)
    assert max(map(len, shown.splitlines())) <= WIDTH
    assert words(table) <= set(re.sub(r"[│╷╵]", " ", shown).split())


@pytest.mark.parametrize("name", TABLES)
def test_a_wide_terminal_changes_nothing(name):
    assert printed(fit_to_width(TABLES[name](), 400), 400) == printed(TABLES[name](), 400)


def test_long_words_are_cut_in_the_columns_that_fold():
    table = Table("part", "here")
    for name in ("found", "needed"):
        table.add_column(name, overflow="fold")
    table.add_row("simulator", "yes", "/a/path" * 20, "https://where.it/is" * 20)
    shown = printed(fit_to_width(table, WIDTH), WIDTH)
    assert max(map(len, shown.splitlines())) <= WIDTH
    assert {"part", "here", "found", "needed", "simulator", "yes"} <= set(re.sub(r"[│┃]", " ", shown).split())


def test_tables_of_a_group_fit_too():
    heads = ("row", *(f"measured number {number}" for number in range(8)))
    shown = printed(fit_to_width(Group("first", numbers(heads), "last"), WIDTH), WIDTH)
    assert max(map(len, shown.splitlines())) <= WIDTH
    assert shown.count("measured") == len(heads) - 1
    assert all(first <= second for first, second in pairwise([shown.index("first"), shown.index("row")]))
