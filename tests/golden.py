"""Where the recordings of habitat-sim are."""

import os
from pathlib import Path

import pytest


def golden() -> Path:
    """The folder of recordings; skips the test that asks where it is absent."""
    folder = Path(os.environ.get("VLN_GOLDEN") or Path(__file__).parents[2] / "shared" / "golden")
    if not (folder / "apartment.glb").is_file():
        pytest.skip(f"no recordings of habitat-sim in {folder}; set VLN_GOLDEN to their folder")
    return folder
