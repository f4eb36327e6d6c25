"""Foreign text on a terminal is shown literally."""

import json
import shutil
from io import StringIO
from pathlib import Path

import pytest
from command_line import SMALL
from matplotlib.figure import Figure
from rich.table import Table
from rich.text import Text

from vln.console import Console
from vln.errors import InputError
from vln.figures import save_figure
from vln.text import one_line, printable

TITLE = "\x1b]0;owned\x07"  # gives a terminal another title
HINDI = "naïve \u0939\u093f\u0928\u094d\u200d\u0926\u0940 \U0001f6cb"
ODD = f"{TITLE}[bold]go[/] [/nothing] $\\frac$"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (TITLE, r"\x1b]0;owned\x07"),
        ("\x9b31m\x7f\r\b", r"\x9b31m\x7f\r\x08"),
        ("left\u202etfel\u2066", r"left\u202etfel\u2066"),
        ("a\u2028b\ud800", r"a\u2028b\ud800"),
        (HINDI, HINDI),
        ("two\nlines\tof [bold]", "two\nlines\tof [bold]"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text, shown):
    assert printable(text) == shown
    assert one_line(text) == shown.replace("\n", r"\n").replace("\t", r"\t")


def test_an_error_is_one_line_that_obeys_nothing():
    told = str(InputError(Path(f"runs/{TITLE}\n[/]"), f"field '{ODD}' is bad", "mend it"))
    assert told.startswith(r"runs/\x1b]0;owned\x07\n[/]: field '\x1b]0;owned\x07[bold]go[/]")
    assert "\n" not in told


def drawn() -> Table:
    table = Table(ODD, title=ODD, caption=ODD)
    table.add_row(ODD)
    table.add_row(Text(ODD, style="bold"))
    table.add_section()
    return table


@pytest.mark.parametrize("colours", [True, False])
def test_a_console_shows_strings_titles_and_cells_as_they_are(colours):
    console = Console(file=StringIO(), force_terminal=colours, color_system="truecolor" if colours else None, width=200)
    console.print(drawn())
    console.print(ODD, style="bold", highlight=False)
    printed = console.file.getvalue()
    assert "\x07" not in printed
    assert "\x1b]" not in printed
    assert printed.count(r"\x1b]0;owned") == 6
    assert printed.count("[bold]go[/] [/nothing]") == 6
    assert ("\x1b[1m" in printed) is colours  # a style of ours


def test_names_of_runs_are_no_formulas(tmp_path):
    figure = Figure()
    figure.suptitle(r"$\frac$")
    figure.subplots().plot([0, 1], label=r"$\no$")
    figure.axes[0].legend()
    save_figure(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 0


@pytest.mark.filterwarnings("error:Glyph:UserWarning")
def test_runs_and_files_of_any_name_are_evaluated_scored_and_replayed(run, tmp_path, monkeypatch):
    """A name of a file cannot hold a slash, but all else."""
    monkeypatch.setenv("COLUMNS", "200")
    odd = tmp_path / f"{TITLE}[bold]go[red] $\\frac$"
    assert run("train.py", "r2r-navigator", "--out", tmp_path / "plain", *SMALL).code == 0
    shutil.copytree(tmp_path / "plain", odd)
    shown = r"\x1b]0;owned\x07[bold]go[red] $\frac$"
    evaluated = run("evaluate.py", odd, "--split", "val_unseen")
    assert evaluated.code == 0, evaluated.errors
    files = [odd / "eval" / f"val_unseen.{kind}" for kind in ("json", "jsonl")]
    scored = run("score.py", *files, "--split", "val_unseen")
    assert scored.code == 0, scored.errors
    file = files[1]
    task, row, *_ = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(each) + "\n" for each in (task, {**row, "instruction": ODD, "agent": ODD})))
    replayed = run("replay.py", file, "--random", 1, "--out", odd / "figures", "--format", "png", "html")
    assert replayed.code == 0, replayed.errors
    refused = run("evaluate.py", odd, "--split", TITLE)
    assert refused.code == 2
    for result in (evaluated, scored, replayed, refused):
        assert "\x1b" not in result.output + result.errors
        assert "\x07" not in result.output + result.errors
    assert shown in evaluated.output
    assert shown in evaluated.errors
    assert shown in scored.output
    assert r"\x1b]0;owned[bold]go[/] [/nothing] $\frac$" in replayed.output
    assert shown in replayed.output
    assert r"\x1b]0;owned\x07" in refused.errors
    page = next((odd / "figures").glob("*.html")).read_text()
    assert "\x1b" not in page
