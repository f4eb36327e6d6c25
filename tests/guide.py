"""The tutorials of docs/extend.md: their files and commands, and what runs them as they are printed."""

import inspect
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import ROOT, Result, run_script

from vln.registry import Registry

PAGE = ROOT / "docs" / "extend.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Tutorial:
    """A section: Python files by name, and the words of each command."""

    files: dict[str, str]
    commands: list[list[str]]


def tutorials() -> dict[str, Tutorial]:
    """The sections of the page by heading. A Python block that begins with `# name.py` is a file."""
    found = {}
    for section in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        blocks = BLOCK.findall(section)
        files = {text.split()[1]: text for kind, text in blocks if kind == "python" and text.startswith("# ")}
        lines = [line for kind, text in blocks if kind == "bash" for line in text.replace("\\\n", " ").splitlines()]
        found[section.splitlines()[0]] = Tutorial(files, [shlex.split(line, comments=True) for line in lines if line])
    return found


@contextmanager
def followed(heading: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    """Write the files of a tutorial into a folder and work there; gives the commands."""
    tutorial, modules, registered = tutorials()[heading], set(sys.modules), []
    register = Registry.register

    def noted(registry: Registry[Any], name: str, *value: Any) -> Any:
        callers = (Path(frame.filename) for frame in inspect.stack(0)[1:])
        if next(file for file in callers if file.name not in ("registry.py", "guide.py")).is_relative_to(folder):
            registered.append((registry, name))
        return register(registry, name, *value)

    monkeypatch.setattr(Registry, "register", noted)
    for name, text in tutorial.files.items():
        (folder / name).write_text(text)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    yield tutorial.commands
    for registry, name in registered:  # other tests do not see what this one registered
        registry._values.pop(name, None)
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


def give(command: Sequence[str], *more: object, cache: Path) -> Result:
    """Give a command of a tutorial, `vln NAME ...`, with more flags that make it small; it must succeed."""
    assert command[0] == "vln", command
    result = run_script(f"{command[1].replace('-', '_')}.py", *command[2:], *more, cache=cache)
    assert result.code == 0, result.errors
    return result
