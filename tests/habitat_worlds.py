"""Workers for tests: habitat-sim itself if an interpreter has it, and a look-alike everywhere."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from envs.habitat.settings import VARIABLE, Workers

LOOK_ALIKE = Path(__file__).parent / "look_alike"
ROOT = Path(__file__).parents[1]


def look_alike_python(folder: Path) -> Path:
    """A program that runs this interpreter with the look-alike of habitat-sim in its path."""
    program = folder / "python-with-look-alike"
    path = os.pathsep.join([str(LOOK_ALIKE), str(ROOT)])
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{path}" NUMBA_NUM_THREADS=1 exec "{sys.executable}" "$@"\n')
    program.chmod(0o755)
    return program


def broken_python(folder: Path) -> Path:
    """A program that runs this interpreter with a habitat-sim that cannot be imported."""
    package = folder / "broken" / "habitat_sim"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('libEGL.so.1: cannot open shared object file')")
    program = folder / "broken" / "python"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{package.parent}" exec "{sys.executable}" "$@"\n')
    program.chmod(0o755)
    return program


@cache
def real_python() -> str:
    """An interpreter with habitat-sim: that of `$VLN_HABITAT_PYTHON`, or this one; empty if there is none."""
    python = os.environ.get(VARIABLE) or sys.executable
    found = subprocess.run([python, "-c", "import habitat_sim"], capture_output=True, check=False, env=quiet())
    return python if found.returncode == 0 else ""


def quiet() -> dict[str, str]:
    return {**os.environ, "MAGNUM_LOG": "quiet", "HABITAT_SIM_LOG": "quiet"}


def real_workers(folder: Path, **options) -> Workers:
    """Workers with habitat-sim itself; skips the test that asks where there is none."""
    if not real_python():
        pytest.skip(f"no habitat-sim: set {VARIABLE} to an interpreter that has it (docs/habitat.md)")
    return Workers(real_python(), **{"count": 1, "cache": folder, **options})


def look_alike_workers(folder: Path, **options) -> Workers:
    """Workers with what looks like habitat-sim."""
    return Workers(look_alike_python(folder), **{"count": 1, "cache": folder, **options})
