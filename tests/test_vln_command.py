"""The program `vln`: it finds commands by their names, starts fast, and completes in bash."""

import re
import subprocess
import sys

import pytest
from command_line import SCRIPTS

ROOT = SCRIPTS.parent
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.py") if "    import prelude" in path.read_text())


def vln(*arguments: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, *options, "-m", "scripts", *arguments]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_help_lists_every_command_without_loading_what_they_need():
    found = vln("--help", options=("-X", "importtime"))
    assert found.returncode == 0
    commands = re.findall(r"^  (\S+) +\S.*\.$", found.stdout, re.MULTILINE)
    assert [each.replace("-", "_") for each in commands] == NAMES
    loaded = set(re.findall(r"\| +(\S+)$", found.stderr, re.MULTILINE))
    assert "re" in loaded
    assert not loaded & {"torch", "numpy", "tyro", "rich", "matplotlib", "numba"}


def test_no_command_is_the_help():
    assert vln().stdout == vln("-h").stdout


def test_an_unknown_command_is_one_sentence_with_the_nearest_name():
    found = vln("trian", "houses-demo")
    assert (found.returncode, found.stdout, found.stderr.count("\n")) == (2, "", 1)
    assert found.stderr.endswith("(did you mean 'train'?).\n")


@pytest.mark.parametrize("name", ["train-speaker", "train_speaker"])
def test_a_command_runs_with_its_arguments_and_calls_itself_vln(name):
    assert vln("make-houses", "--help").stdout.startswith("usage: vln make-houses [-h]")
    found = vln(name, "nothing")
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith(f"vln {name}: 'nothing' is not known; use one of r2r-speaker, ")


def test_the_program_says_what_is_missing_like_any_script():
    program = "import runpy, sys; sys.argv = ['/usr/bin/vln']; runpy.run_module('scripts.__main__', run_name='x')"
    found = subprocess.run([sys.executable, "-S", "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.endswith("; run `make install` once, and then `.venv/bin/vln`.\n")


def test_another_shell_is_refused_in_one_sentence():
    found = vln("--tyro-print-completion", "csh")
    assert (found.returncode, found.stderr) == (2, "--tyro-print-completion: 'csh' is no shell known here; use bash.\n")


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    script = tmp_path_factory.mktemp("completion") / "vln.bash"
    script.write_text(vln("--tyro-print-completion", "bash").stdout)

    def words(*line: str) -> list[str]:
        """What bash offers for the last word of a line."""
        call = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _vln vln "${@: -1}"; echo "${COMPREPLY[@]}"'
        shell = ["bash", "-c", call, script, *line]
        return subprocess.run(shell, capture_output=True, text=True, check=True).stdout.split()

    return words


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        (("vln", "tr"), ["train", "train-speaker"]),
        (("vln", "train", "houses-d"), ["houses-demo"]),
        (("vln", "train", "houses-demo", "--policy.ce"), ["--policy.cell"]),
        (("vln", "train-speaker", "h"), ["houses-speaker"]),
        (("vln", "evaluate", "runs/a", "--spl"), ["--split"]),
        (("vln", "compare", "b"), ["bias"]),
        (("vln", "nothing", "b"), []),
    ],
)
def test_bash_completes_commands_presets_and_flags(complete, line, offered):
    assert complete(*line) == offered
