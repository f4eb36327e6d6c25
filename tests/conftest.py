"""Fixtures over the real data, which lives outside the repository."""

from pathlib import Path

import pytest
from hypothesis import settings

from vln.data import find_data
from vln.errors import InputError
from vln.graph import NavigationGraph, load_graphs

# The same examples every time, and no verdict by the clock: a busy machine must not turn a test red.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")


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
