"""Check what is installed, and say what each missing part needs: simulators, GPUs, data sets, features.

python scripts/doctor.py
python scripts/doctor.py r2r-navigator --data ../shared/data        # exit code 0 only if that preset can run
python scripts/doctor.py habitat-houses-demo --habitat-python ~/miniconda3/envs/habitat/bin/python

Parts of a preset that are missing make the exit code 1. Nothing is changed, and nothing long is run.
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from json import loads
from pathlib import Path

import torch
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional

from agents.presets import PRESETS
from agents.requirements import needs
from envs.habitat.scenes import MATTERPORT
from envs.habitat.settings import habitat_interpreter
from vln.cli import command, show
from vln.data import DATASETS, FETCH
from vln.downloads.parts import PARTS, Part
from vln.errors import InputError
from vln.vlnce_datasets import VLNCE

MISSING = 1  # exit code
PATIENCE = 60  # seconds for another program to answer
SCANS = 90  # of Matterport3D
VIEWS = "or --features FILE.tsv or FILE.hdf5, or --features none"
GLOVE = "or --language.no-word-vectors (a speaker: --text.no-word-vectors)"
EGL = "apt-get install libegl1 libgl1-mesa-dri (software), or the driver of the GPU"
# Prints who draws; without a display a surface-less platform will do.
EGL_PROGRAM = """
import ctypes, sys
egl = ctypes.CDLL("libEGL.so.1")
egl.eglGetPlatformDisplay.restype = egl.eglGetDisplay.restype = ctypes.c_void_p
egl.eglGetPlatformDisplay.argtypes = [ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p]
egl.eglInitialize.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
egl.eglQueryString.argtypes, egl.eglQueryString.restype = [ctypes.c_void_p, ctypes.c_int], ctypes.c_char_p
for display in (egl.eglGetPlatformDisplay(0x31DD, None, None), egl.eglGetDisplay(None)):
    if display and egl.eglInitialize(display, None, None):
        sys.exit(print(*(egl.eglQueryString(display, name).decode() for name in (0x3053, 0x3054))))
sys.exit("no display can be opened")
"""
PACKAGES = ("vln", "envs", "agents", "scripts")
# Prints what Python imports under these names where no script has put ours first.
PACKAGES_PROGRAM = f"""
import json
from importlib.util import find_spec
print(json.dumps({{name: getattr(find_spec(name), "origin", None) for name in {PACKAGES}}}))
"""


@dataclass(frozen=True)
class Finding:
    """Whether a part is installed."""

    here: bool
    found: str
    needs: str = ""  # what is needed if it is not


def main(
    preset: Positional[str] = "", data: Path | None = None, habitat_python: Path | None = None, json: bool = False
) -> None:
    """Check what is installed, and say what each missing part needs.

    Args:
        preset: Show only what this preset of train.py or train_speaker.py needs, and whether it can run (exit code 0).
        data: Data folder; default $VLN_DATA, then ../shared/data.
        habitat_python: Python that has habitat-sim; default $VLN_HABITAT_PYTHON, then this Python.
        json: Print JSON instead of a table.
    """
    check_packages()
    needed = needs(preset) if preset else frozenset[str]()
    folder = Path(data or os.environ.get("VLN_DATA") or "../shared/data")
    checks = {**programs(habitat_python), **data_checks(folder)}
    findings = {name: check() for name, check in checks.items() if not preset or name in needed}
    rows = {name: {**asdict(found), "needed": name in needed} for name, found in findings.items()}
    show(table(findings, preset, folder), rows, json)
    missing = [name for name in findings if name in needed and not findings[name].here]
    if preset and not json:
        print(verdict(preset, missing))
    if missing:
        sys.exit(MISSING)


def verdict(preset: str, missing: Sequence[str]) -> str:
    """Say in one line whether a preset can run."""
    if missing:
        return f"{preset} cannot run yet: {' and '.join(missing)} missing."
    return f"{preset} can run: python scripts/{'train' if preset in PRESETS else 'train_speaker'}.py {preset}"


def check_packages() -> None:
    """Check that Python imports our packages by their names, or none."""
    root = Path(__file__).resolve().parents[1]
    for name, found in loads(ask(sys.executable, PACKAGES_PROGRAM).found).items():
        if found and Path(found).resolve() != root / name / "__init__.py":
            fix = (
                f"uninstall what brought it, put {root} before it on PYTHONPATH, or give vln an environment of its own"
            )
            raise InputError(found, f"is what Python imports as '{name}', in the way of vln's package", fix)


def programs(habitat_python: Path | None) -> dict[str, Callable[[], Finding]]:
    """Return the checks of interpreters, devices and simulators."""
    return {
        "python": python,
        "GPU": gpu,
        "embedded simulator": embedded,
        "habitat-sim": partial(habitat, habitat_python),
        "EGL": egl,
    }


def python() -> Finding:
    """Check this interpreter."""
    here = sys.version_info >= (3, 11)
    return Finding(here, f"{sys.version.split()[0]}, torch {torch.__version__}", "" if here else "Python 3.11 or newer")


def gpu() -> Finding:
    """Check for GPUs."""
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    needed = "a GPU, its driver and a build of torch for it; nothing here needs one"
    return Finding(bool(names), ", ".join(names) or f"none; {os.cpu_count()} CPU cores", "" if names else needed)


def embedded() -> Finding:
    """Check the embedded simulator."""
    if importlib.util.find_spec("numba") is None:
        return Finding(False, "no numba", "pip install -r requirements.txt")
    kept = list((Path(__file__).parents[1] / "envs" / "navigation" / "__pycache__").glob("*.nbc"))
    compiled = "compiled" if kept else "not compiled yet, which python -m envs.warm does in a minute"
    return Finding(True, f"numba {version('numba')}, {compiled}")


def habitat(given: Path | None) -> Finding:
    """Check habitat-sim, in the interpreter that would run it."""
    try:
        interpreter = habitat_interpreter(given)
    except InputError as error:
        problem, _, fix = str(error).partition("; ")
        return Finding(False, problem, fix.removesuffix("."))
    found = ask(
        interpreter, "import habitat_sim as h, platform; print(h.__version__, 'on Python', platform.python_version())"
    )
    needed = "conda env create -f environment-habitat.yml; docs/habitat.md"
    return Finding(found.here, f"{interpreter}: {found.found}", "" if found.here else needed)


def egl() -> Finding:
    """Check OpenGL without a screen, which habitat-sim renders with."""
    found = ask(sys.executable, EGL_PROGRAM)
    return Finding(found.here, found.found, "" if found.here else EGL)


def ask(interpreter: str, program: str) -> Finding:
    """Run a short program; return its last line, and whether it succeeded."""
    quiet = {**os.environ, "MAGNUM_LOG": "quiet", "HABITAT_SIM_LOG": "quiet"}
    command_line = [interpreter, "-c", program]
    try:
        ended = subprocess.run(command_line, capture_output=True, text=True, timeout=PATIENCE, env=quiet, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(False, f"cannot be run ({type(error).__name__})")
    lines = (ended.stderr if ended.returncode else ended.stdout).strip().splitlines()
    return Finding(ended.returncode == 0, lines[-1] if lines else f"ended with code {ended.returncode}")


def data_checks(data: Path) -> dict[str, Callable[[], Finding]]:
    """Return the checks of the data folder."""
    instead = {"captions": VIEWS, "glove": GLOVE}
    names = ("connectivity", "captions", "glove", *DATASETS, *VLNCE)
    checks: dict[str, Callable[[], Finding]] = {
        PARTS[name].need or name: partial(files, data, PARTS[name], instead.get(name, "")) for name in names
    }
    checks["Matterport3D scenes"] = partial(scenes, data / "scene_datasets" / "mp3d")
    return checks


def files(data: Path, part: Part, instead: str) -> Finding:
    """Check for the files of a part of the data folder; `instead` is what does without."""
    found = part.found(data)
    needed = "; ".join(each for each in (f"{FETCH.format(part.name)} ({part.page})", instead) if each)
    return Finding(bool(found), f"{len(found) or 'no'} files in {part.folder}", "" if found else needed)


def scenes(folder: Path) -> Finding:
    """Check for the scans of Matterport3D, which r2r-ce and rxr-ce need."""
    found = len(list(folder.glob("*/*.glb")))
    needed = MATTERPORT.format(scan="<scan>", folder=folder)
    return Finding(found >= SCANS, f"{found} of {SCANS} in scene_datasets/mp3d/", "" if found >= SCANS else needed)


def table(findings: Mapping[str, Finding], preset: str, data: Path) -> Table:
    """Return a row for each part: whether it is installed, what was found, and what it needs."""
    drawn = Table(box=SIMPLE_HEAD, padding=0, title=f"{f'what {preset} needs; ' if preset else ''}data folder {data}")
    drawn.add_column("", no_wrap=True)
    drawn.add_column("part", no_wrap=True)
    drawn.add_column("found", overflow="fold")
    drawn.add_column("what it needs", overflow="fold")
    for name, found in findings.items():
        mark = Text("yes", "green") if found.here else Text("no", "red" if preset else "yellow")
        drawn.add_row(mark, name, found.found, found.needs)
    return drawn


if __name__ == "__main__":
    command(main)
