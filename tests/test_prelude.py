"""The start of every script: the interpreter is checked, own packages are found, Ctrl-C is quiet."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import SCRIPTS

ROOT = SCRIPTS.parent
COMMANDS = sorted(path.name for path in SCRIPTS.glob("*.py") if "    import prelude" in path.read_text())
ROOMS = ("vln", "envs", "agents")
INTERRUPTING = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"


def start(*arguments: object, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What comes of a Python of its own, with a folder on the path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PYTHONPATH": str(path)} if path else {}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)


def test_every_command_begins_with_it():
    programs = sorted(path.name for path in SCRIPTS.glob("*.py") if '__name__ == "__main__"' in path.read_text())
    assert programs == ["__main__.py", *COMMANDS]  # the first is `vln`, see test_vln_command.py
    assert "train.py" in COMMANDS


@pytest.mark.parametrize("script", COMMANDS)
def test_an_interpreter_without_the_packages_is_told_in_one_sentence(script):
    found = start("-S", SCRIPTS / script)  # without site-packages
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith(f"{sys.executable}: has no gymnasium, matplotlib, ")
    assert found.stderr.endswith(f"; run `make install` once, and then `.venv/bin/python scripts/{script}`.\n")


def test_an_older_python_is_told():
    old = "sys.argv, sys.version_info = ['x/train.py'], (3, 9, 1)"
    program = f"import sys; sys.path[0] = {str(SCRIPTS)!r}; {old}; import prelude"
    found = start("-c", program)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith(f"{sys.executable}: is Python 3.9, not 3.11 or newer; run `make install` once, and")


@pytest.mark.parametrize("script", COMMANDS)
def test_ctrl_c_during_imports_is_quiet(script, tmp_path):
    for name in ("gymnasium", "matplotlib", "numba", "numpy", "rich", "torch", "tyro"):
        (tmp_path / f"{name}.py").write_text(INTERRUPTING)
    found = start(SCRIPTS / script, path=tmp_path)
    assert (found.returncode, found.stdout, found.stderr) == (130, "", "")


def test_packages_of_other_projects_do_not_come_before_those_of_the_checkout(tmp_path):
    for name in ("agents", "envs", "scripts", "vln"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('another project')")
    imports = "import prelude, agents, envs, scripts, vln, inspect"
    program = f"import sys; sys.path[0] = {str(SCRIPTS)!r}; {imports}; print(sys.path[:2])"
    found = start("-c", program, path=tmp_path)
    assert (found.stdout, found.stderr) == (f"{[str(ROOT), str(tmp_path)]}\n", "")


def fake(folder: Path, *names: str) -> Path:
    """A folder with packages of another project."""
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "__init__.py").write_text('"""Something else."""\n')
    return folder


@pytest.mark.parametrize("name", ["agents", "envs"])
def test_doctor_says_which_package_is_in_the_way_of_imports(tmp_path, name):
    folder = fake(tmp_path, name)
    places = os.pathsep.join(map(str, (folder, ROOT)))
    command = [sys.executable, SCRIPTS / "doctor.py"]
    environment = {**os.environ, "PYTHONPATH": places}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path.parent)
    assert (found.returncode, found.stdout) == (2, "")
    problem = f"is what Python imports as '{name}', in the way of vln's package; uninstall what brought it, put {ROOT} "
    assert found.stderr == (
        f"{folder / name / '__init__.py'}: {problem}before it on PYTHONPATH, or give vln an environment of its own.\n"
    )


@pytest.mark.parametrize("name", ["agents", "envs"])
def test_an_import_of_ours_says_which_package_is_in_the_way(tmp_path, name):
    ours = {"agents": "envs", "envs": "agents"}[name]
    command = [sys.executable, "-c", f"import {ours}"]
    for place, count in ((fake(tmp_path / "other", name), 1), (ROOT, 0)):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (place, ROOT)))}
        found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert found.returncode == 0
        assert found.stderr.count(f"is what Python imports as '{name}', not vln's package of that name; put ") == count


@pytest.mark.parametrize("name", ["agents", "envs"])
def test_a_package_that_was_installed_over_ours_is_told_in_one_sentence(tmp_path, name):
    for path in ("scripts/__init__.py", "scripts/prelude.py", *(f"{room}/__init__.py" for room in ROOMS)):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text((ROOT / path).read_text())
    sound = f"import sys; sys.path[0] = {str(tmp_path / 'scripts')!r}; import prelude"
    assert start("-c", sound).returncode == 0
    fake(tmp_path, name)
    found = start("-c", sound)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr == (
        f"{tmp_path / name / '__init__.py'}: is another package '{name}', in the place of vln's; uninstall what "
        "brought it and install vln again, or give vln an environment of its own.\n"
    )


def test_the_program_is_found_behind_another_package_called_scripts(tmp_path):
    places = os.pathsep.join(map(str, (fake(tmp_path, "scripts", "agents"), ROOT)))
    environment = {**os.environ, "PYTHONPATH": places}
    for arguments in (["--help"], ["score", "--help"]):
        command = [sys.executable, "-m", "vln", *arguments]
        found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert (found.returncode, found.stderr) == (0, "")
        assert found.stdout.startswith("usage: vln ")


@pytest.mark.parametrize("arguments", [(SCRIPTS / "score.py",), ("-m", "scripts.score")])
def test_scripts_start_as_files_and_as_modules(arguments):
    assert "usage" in start(*arguments, "--help").stdout
