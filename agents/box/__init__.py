"""Trained agents that come with the package: `box:houses-demo` wherever the folder of a run is taken.

A file holds averaged weights in half precision, configuration, vocabulary, and how the agent was trained;
`python -m agents.box RUN FILE` packs one.
"""

from pathlib import Path

from vln.errors import unknown_name

PREFIX = "box:"
FOLDER = Path(__file__).parent
DEFAULT = "box:houses-demo"  # the agent that play sends where none is named


def is_boxed(run: Path | str) -> bool:
    """Return whether a name is that of an agent of the package."""
    return str(run).startswith(PREFIX)


def boxed_file(run: Path | str) -> Path:
    """Return the file of an agent of the package by its name; raise an InputError if there is none of that name."""
    name = str(run).removeprefix(PREFIX)
    names = sorted(file.stem for file in FOLDER.glob("*.safetensors"))
    if name not in names:
        raise unknown_name("agent of the box", name, names)
    return FOLDER / f"{name}.safetensors"


def output_folder(run: Path | str) -> Path:
    """Where files about an agent go: the folder of its run, and for one of the package a folder in `runs`."""
    return Path("runs") / str(run).replace(":", "-") if is_boxed(run) else Path(run)
