"""How habitat-sim is run: which interpreter, how many workers, what navmeshes are made for."""

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
WORKERS = 8  # most of them, unless told otherwise
SCENES = 24  # that each worker keeps open


def use_interpreter(path: Path | None) -> None:
    """Let all simulators of this process run habitat-sim by the interpreter `path`; None changes nothing."""
    if path is not None:
        os.environ[VARIABLE] = str(path)


def habitat_interpreter(path: Path | str | None = None) -> str:
    """The interpreter to run habitat-sim by: the one given, then `$VLN_HABITAT_PYTHON`, then this one.

    Raises:
        InputError: If it is no file, or none is given and this one has no habitat-sim.
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
    """The processes that habitat-sim runs in.

    Attributes:
        python: Interpreter that has it; see `habitat_interpreter`.
        count: How many; 0 for one a core or GPU, and no more than bodies.
        gpu: Number of the GPU that draws, the same for all; -1 is no particular one, and the only choice without CUDA.
            None gives each worker one of those that torch sees, in turn.
        scenes: Scenes that each keeps open.
        cache: Folder of computed navmeshes.
        program: The file that they run, a worker of `envs.habitat.worker`.
        patience: Seconds to wait for an answer; computing a navmesh of a large scan can take minutes.
        restarts: Times in a row that a worker is started again which dies over the same request.
    """

    python: Path | str | None = None
    count: int = 0
    gpu: int | None = None
    scenes: int = SCENES
    cache: Path = field(default_factory=lambda: cache_folder() / "navmeshes")
    program: Path = PROGRAM
    patience: float = 600.0
    restarts: int = 2

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: If one is out of range.
        """
        if self.count < 0:
            raise InputError("--workers", f"{self.count} is out of range", "give a whole number of at least 0")
        if self.scenes < 1:
            raise InputError("scenes", f"{self.scenes} are to be kept open", "give a whole number of at least 1")

    def number(self, bodies: int) -> int:
        """How many there are for so many bodies."""
        return max(1, min(bodies, self.count or min(max(len(gpus()), os.cpu_count() or 1), WORKERS)))

    def gpu_of(self, number: int) -> int:
        """The GPU that worker `number` draws with."""
        if self.gpu is not None:
            return self.gpu
        there = gpus()
        return there[number % len(there)] if there else -1


def gpus() -> list[int]:
    """Numbers of the GPUs that torch sees."""
    import torch

    return list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
