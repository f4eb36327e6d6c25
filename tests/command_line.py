"""Running the scripts as from a shell, in this process: a process of their own would import torch first, each time."""

import importlib
import os
import runpy
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import torch

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "scripts"

# The smallest training that has both phases, an evaluation between them and one at the end.
_FLAGS = {
    "imitation.iterations": 2,
    "reinforcement.iterations": 2,
    "evaluate-every": 2,
    "batch-size": 6,
    "max-steps": 5,
    "language.hidden": 8,
    "policy.hidden": 16,
    "policy.view": 12,
    "threads": 1,
}
_SPEAKER_FLAGS = {
    "iterations": 4,
    "evaluate-every": 2,
    "batch-size": 6,
    "speaker.hidden": 16,
    "speaker.view": 12,
    "text.min-count": 1,
    "text.max-length": 12,
    "threads": 1,
}
SMALL, SMALL_SPEAKER = (
    tuple(str(part) for flag, value in flags.items() for part in (f"--{flag}", value))
    for flags in (_FLAGS, _SPEAKER_FLAGS)
)


@dataclass(frozen=True)
class Result:
    """How a script ended: exit code, stdout, stderr."""

    code: int
    output: str
    errors: str


Run = Callable[..., Result]


def entry_point(name: str) -> ModuleType:
    """The module of a command, for its `main` and its `Arguments`; all else of it is tested by running it."""
    return importlib.import_module(f"scripts.{name}")


def run_script(script: str, *arguments: object, cache: Path) -> Result:
    """Run a script with arguments; feature tables are kept in the folder `cache`."""
    output, errors, code = StringIO(), StringIO(), 0
    line = [script, *map(str, arguments)]
    shell = patch.object(sys, "argv", line), patch.dict(os.environ, VLN_CACHE=str(cache))
    # This process has the right interpreter and path, and its Ctrl-C is pytest's.
    sys.modules.setdefault("prelude", ModuleType("prelude"))
    with shell[0], shell[1], redirect_stdout(output), redirect_stderr(errors):
        try:
            runpy.run_path(str(SCRIPTS / script), run_name="__main__")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    torch.set_flush_denormal(False)  # training turns it on
    return Result(code, output.getvalue(), errors.getvalue())
