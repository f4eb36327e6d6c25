"""Consistency of the repository: declared dependencies, tested versions, packages."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = SETTINGS["project"]
ROOMS = ("vln", "envs", "agents", "scripts")
DISTRIBUTIONS = {"PIL": "pillow"}  # where the import has another name


def declared(lines: list[str]) -> dict[str, Requirement]:
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def pinned(file: str) -> dict[str, Requirement]:
    lines = [line.split("#")[0].strip() for line in (ROOT / file).read_text().splitlines()]
    return declared([line for line in lines if line])


@pytest.mark.parametrize(
    ("file", "lines"),
    [
        ("requirements.txt", PROJECT["dependencies"]),
        ("requirements-dev.txt", PROJECT["optional-dependencies"]["dev"]),
    ],
)
def test_every_dependency_has_one_tested_version_within_its_bounds(file, lines):
    bounds, pins = declared(lines), pinned(file)
    assert set(pins) == set(bounds)
    for name, pin in pins.items():
        (version,) = pin.specifier
        assert version.operator == "=="
        assert version.version in bounds[name].specifier


def test_every_pinned_version_has_its_reason():
    for file in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / file).read_text().splitlines():
            assert line.startswith("#") or not line or re.fullmatch(r"\S+==\S+ +# \S.+", line)


def imports(path: Path) -> set[str]:
    """Top-level names of the modules a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


OF_OTHER_PYTHONS = {"habitat-sim"}  # imported by workers that run elsewhere, see docs/habitat.md


def test_every_import_is_of_a_declared_dependency():
    used = {name for room in ROOMS for path in (ROOT / room).rglob("*.py") for name in imports(path)}
    own = {*ROOMS, "prelude"}  # the module of scripts/ that its files import when they are run
    foreign = {canonicalize_name(DISTRIBUTIONS.get(name, name)) for name in used - own - sys.stdlib_module_names}
    extras = [line for name, lines in PROJECT["optional-dependencies"].items() if name != "dev" for line in lines]
    assert foreign - OF_OTHER_PYTHONS <= set(declared([*PROJECT["dependencies"], *extras]))


def test_every_package_says_what_it_is():
    for room in ROOMS:
        for folder in {path.parent for path in (ROOT / room).rglob("*.py")}:
            assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text())), folder


def tracked() -> list[Path]:
    """The files of our packages that git knows, and new ones that it does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *ROOMS]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs git and a checkout")
    return [Path(line) for line in listed.splitlines() if (ROOT / line).is_file()]


def test_a_wheel_has_every_file_of_the_packages():
    """As setuptools chooses: modules of packages, which have an `__init__.py` all the way up, and data by pattern."""
    settings = SETTINGS["tool"]["setuptools"]
    names, patterns = settings["packages"]["find"]["include"], settings["package-data"]["*"]
    found = tracked()
    assert len(found) > 100
    for path in found:
        assert any(fnmatch(".".join(path.parent.parts), name) for name in names), path
        assert all((ROOT / folder / "__init__.py").is_file() for folder in [path.parent, *path.parents][:-1]), path
        assert path.suffix == ".py" or any(fnmatch(path.name, pattern) for pattern in patterns), path


def test_the_program_of_a_wheel_is_there():
    for name in PROJECT["scripts"].values():
        module, _, attribute = name.partition(":")
        assert callable(getattr(importlib.import_module(module), attribute))
    for file in (PROJECT["readme"], *PROJECT["license-files"]):
        assert (ROOT / file).is_file()
