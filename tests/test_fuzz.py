"""Damaged files of every kind: loaders read them or raise an error of one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzzing import TARGETS, trial

FEW, MANY = 4, 500


@pytest.mark.parametrize("name", TARGETS)
def test_a_few_damaged_files(name, tmp_path):
    """Seeds of their own; the slow test has the others."""
    told = [trial(name, tmp_path / "files", 10_000 + seed) for seed in range(FEW)]
    assert any(told) or name == "cache"  # which is made anew


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_many_damaged_files(name):
    """In a process of its own, which has 20 s and 2 GB for each."""
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(here.parent), str(here)))}
    call = [sys.executable, "-W", "error::RuntimeWarning", str(here / "fuzzing.py"), name, str(MANY), "0"]
    result = subprocess.run(call, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
