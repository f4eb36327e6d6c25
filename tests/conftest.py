"""Fixtures over the real data, which lives outside the repository, and over small made data."""

import os
import signal
from pathlib import Path

if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    # Processes of a parallel run divide the cores; libraries read these variables when they are first imported.
    for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, str(max(1, (os.cpu_count() or 1) // workers)))

import llvmlite.binding
import numba
import pytest
import torch
from command_line import Run, run_script
from conformance import WORLDS, World
from hypothesis import settings
from worlds import write_world

from vln.data import find_data
from vln.errors import InputError
from vln.graph import NavigationGraph, load_graphs

# The same examples every time, and no verdict by the clock: a busy machine must not turn a test red.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")


def pytest_configure() -> None:
    """Restore Ctrl-C, which a shell ignores for tests in the background: tests send it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Report the instruction sets of this processor, on which a failing test may depend."""
    kernels, threads = torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()
    compiled_for = numba.config.CPU_NAME or llvmlite.binding.get_host_cpu_name()
    return f"torch {torch.__version__} with {kernels} kernels, {threads} threads; numba compiles for {compiled_for}"


@pytest.fixture(scope="session")
def data() -> Path:
    """The data folder; tests that need it are skipped where it is absent."""
    try:
        return find_data()
    except InputError as error:
        pytest.skip(f"needs the Room-to-Room data: {error}")


@pytest.fixture(scope="session")
def graphs(data: Path) -> dict[str, NavigationGraph]:
    """All navigation graphs of the data folder."""
    return load_graphs(data / "connectivity")


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small made data folder with everything that training, evaluation and replay need; see `worlds.py`."""
    return write_world(tmp_path_factory.mktemp("small_data"))


@pytest.fixture(scope="session")
def run(small_data: Path) -> Run:
    """Runs a script on the small made data folder."""
    return lambda script, *arguments: run_script(script, *arguments, "--data", small_data, cache=small_data / "cache")


@pytest.fixture(params=WORLDS, scope="module")
def world(request: pytest.FixtureRequest, small_data: Path) -> World:
    """Each of the simulators that join the conformance tests, with episodes in the small made data folder."""
    return WORLDS[request.param](small_data)
