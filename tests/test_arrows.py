"""The arrows between the rooms: vln <- envs, vln <- agents, everything <- scripts, and no other."""

import ast
import itertools
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("vln", "envs", "agents", "scripts")
ALLOWED = {("envs", "vln"), ("agents", "vln"), ("scripts", "vln"), ("scripts", "envs"), ("scripts", "agents")}
FORBIDDEN = sorted(set(itertools.permutations(ROOMS, 2)) - ALLOWED)


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the project's contracts over the packages of a folder."""
    program = Path(sysconfig.get_path("scripts")) / "lint-imports"
    command = [sys.executable, program, "--no-cache", "--no-logo", "--config", ROOT / "pyproject.toml"]
    # The wide line keeps every broken import on one.
    environment = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def make_rooms(folder: Path, imports: list[tuple[str, str]]) -> None:
    """Four packages with a module `a_b` in room a for every import of room b."""
    for room in ROOMS:
        (folder / room / "deep").mkdir(parents=True)
        (folder / room / "__init__.py").touch()
        (folder / room / "deep" / "__init__.py").touch()
    for room, other in imports:
        (folder / room / "deep" / f"{room}_{other}.py").write_text(f"def late():\n    from {other} import deep\n")


def test_the_packages_keep_the_arrows():
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


def test_every_allowed_import_passes(tmp_path):
    make_rooms(tmp_path, sorted(ALLOWED))
    result = lint(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def broken(tmp_path_factory) -> subprocess.CompletedProcess[str]:
    folder = tmp_path_factory.mktemp("rooms")
    make_rooms(folder, FORBIDDEN)
    return lint(folder)


@pytest.mark.parametrize(("room", "other"), FORBIDDEN)
def test_every_forbidden_import_is_found(broken, room, other):
    assert broken.returncode == 1
    assert f"{room}.deep.{room}_{other} -> {other}.deep" in broken.stdout


TESTS = sorted((ROOT / "tests").glob("*.py"))
COMMANDS = (
    20  # entry points in scripts/, at most; all that is more than arguments, wiring and printing belongs to a room
)


def imported(path: Path) -> set[str]:
    """The modules that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_no_test_module_is_imported_by_another():
    found = {path.name: [name for name in imported(path) if name.split(".")[-1].startswith("test_")] for path in TESTS}
    assert not {path: names for path, names in found.items() if names}


def test_tests_run_commands_and_import_nothing_of_them():
    """A test may ask `command_line.entry_point` for what a command is called with: its `main` and its `Arguments`."""
    found = {path.name: [name for name in imported(path) if name.split(".")[0] == "scripts"] for path in TESTS}
    assert not {path: names for path, names in found.items() if names}


def test_scripts_are_entry_points():
    files = sorted((ROOT / "scripts").glob("*.py"))
    starts = {path.name for path in files if '__name__ == "__main__"' in path.read_text()}
    assert len(starts) <= COMMANDS
    assert {path.name for path in files} - starts == {"__init__.py", "prelude.py"}
