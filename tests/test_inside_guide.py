"""The guide to the inside of the agent: its code runs, its commands parse, its figures exist and are small."""

import re
import shlex
from pathlib import Path

import pytest
from command_line import run_script

DOCS = Path(__file__).parent.parent / "docs"
TEXT = (DOCS / "inside.md").read_text()
CODE = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]
FIGURES = re.findall(r"!\[.+?\]\((.+?)\)", TEXT)
LARGEST = 150_000  # bytes


@pytest.mark.parametrize("number", range(len(CODE)))
def test_the_code_runs(number):
    exec(compile(CODE[number], f"block {number} of docs/inside.md", "exec"), {})


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command, tmp_path):
    """The script is there, and so are its subcommand and its flags."""
    python, path, *arguments = shlex.split(command)
    assert (python, Path(path).parent.name) == ("python", "scripts")
    subcommand = [each for each in arguments[:1] if each.isalpha()]
    result = run_script(Path(path).name, *subcommand, "--help", cache=tmp_path)
    assert result.code == 0, result.errors
    for flag in (each for each in arguments if each.startswith("--")):
        assert flag in re.findall(r"--[a-z-]+", result.output), flag


@pytest.mark.parametrize("figure", FIGURES)
def test_figures_are_there_and_small(figure):
    assert (DOCS / figure).stat().st_size < LARGEST


def test_the_guide_has_code_commands_and_figures():
    assert len(CODE) == len(FIGURES) == 2
    assert len(COMMANDS) >= 10
