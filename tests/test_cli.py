"""The output of every command: vln/cli.py."""

import json
import math

import numpy as np
import pytest
from rich.table import Table

from vln.cli import show


def refused(name):
    pytest.fail(f"JSON knows no {name}")


def test_json_has_null_where_no_way_leads_to_the_goal(capsys):
    rows = {"run": {"NE": math.inf, "SR": np.float64(0.5), "SR interval": (0.25, math.nan), "n": 2, "ended": True}}
    show(Table(), [rows], as_json=True)
    found = json.loads(capsys.readouterr().out, parse_constant=refused)
    assert found == [{"run": {"NE": None, "SR": 0.5, "SR interval": [0.25, None], "n": 2, "ended": True}}]
