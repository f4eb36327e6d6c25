"""Settings of the habitat-sim processes: interpreter, number of workers, GPUs, caches."""

import importlib.util
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from vln.data import cache_folder
from vln.errors import InputError

VARIABLE = "VLN_HABITAT_PYTHON"
INSTALL = (
    "install habitat-sim with conda env create -f environment-habitat.yml and name its interpreter by --habitat-python "
    f"PATH or ${VARIABLE} (docs/habitat.md)"
)
PROGRAM = Path(__file__).with_name("worker.py")
WORKERS = 8  # upper limit of the default number of workers
SCENES = 24  # scenes that each worker keeps open


def use_interpreter(path: Path | None) -> None:
    """Set the interpreter of habitat-sim for all simulators of this process; None changes nothing."""
    if path is not None:
        os.environ[VARIABLE] = str(path)


def habitat_interpreter(path: Path | str | None = None) -> str:
    """Return the interpreter of habitat-sim: `path` if given, else `$VLN_HABITAT_PYTHON`, else the current one.

    Raises:
        InputError: If it is not an executable file, or the current interpreter has no habitat-sim.
    """
    chosen = path or os.environ.get(VARIABLE)
    if chosen:
        if not os.access(chosen, os.X_OK) or Path(chosen).is_dir():
            raise InputError(chosen, "is no interpreter of Python", INSTALL)
        return str(chosen)
    if importlib.util.find_spec("habitat_sim") is None:
        problem = f"there is no habitat-sim in this interpreter, and ${VARIABLE} is not set"
        raise InputError(sys.executable, problem, INSTALL)
    return sys.executable


@dataclass(frozen=True)
class Workers:
    """Settings of the habitat-sim processes."""

    python: Path | str | None = None  # interpreter with habitat-sim; see `habitat_interpreter`
    count: int = 0  # 0 for one per core or GPU; there are never more workers than bodies
    gpu: int | None = None  # of all workers; -1 lets habitat-sim choose; None takes those that torch sees in turn
    scenes: int = SCENES  # that each worker keeps open
    cache: Path = field(default_factory=lambda: cache_folder() / "navmeshes")  # of computed navmeshes
    program: Path = PROGRAM  # of a worker
    timeout: float = 600.0  # seconds to wait for a reply; the navmesh of a large scan can take minutes
    restarts: int = 2  # of a worker for the same request

    def __post_init__(self) -> None:
        """Raise an InputError if a number is out of range."""
        if self.count < 0:
            raise InputError("--workers", f"{self.count} is out of range", "give a whole number of at least 0")
        if self.scenes < 1:
            raise InputError("scenes", f"{self.scenes} are to be kept open", "give a whole number of at least 1")

    def number(self, bodies: int) -> int:
        """Return the number of workers for a number of bodies."""
        return max(1, min(bodies, self.count or min(max(len(gpus()), os.cpu_count() or 1), WORKERS)))

    def gpu_of(self, number: int) -> int:
        """Return the GPU of worker `number`."""
        if self.gpu is not None:
            return self.gpu
        available = gpus()
        return available[number % len(available)] if available else -1


def gpus() -> list[int]:
    """Return the numbers of the GPUs that torch sees."""
    import torch

    return list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
