"""Errors that a user causes and can fix."""

import difflib
from collections.abc import Iterable

from vln.text import one_line, shorten_middle


class InputError(ValueError):
    """Bad input, described in one sentence that names the source, the field and the fix.

    Whatever reads a file or finds a name raises it if that is missing or malformed. Scripts print the sentence and exit
    with code 2; nothing has been written by then. `problem` is a phrase that follows the source ("field 'scan' is
    missing"), `fix` an imperative ("download the file again").
    """

    def __init__(self, source: object, problem: str, fix: str) -> None:
        super().__init__(source, problem, fix)  # all arguments, so that the error can be pickled

    def __str__(self) -> str:
        source, problem, fix = self.args
        return one_line(f"{source}: {shorten_middle(problem)}; {shorten_middle(fix)}.")


class WriteError(InputError):
    """The system refused a write: the disk is full or read-only, or the folder has vanished."""


def unknown_name(
    source: object, name: str, known: Iterable[str], problem: str = "'{}' is not known", kind: str = ""
) -> InputError:
    """Return the error for an unknown name; its message lists the known names, at least one, and suggests the nearest.

    `problem` has `{}` in place of the name; `kind` is what the names are, if the source does not say it ("the splits").
    """
    names = list(known)
    listed = f"use one of {kind} {', '.join(names)}" if kind else f"use one of {', '.join(names)}"
    return InputError(source, problem.format(name), listed + guess(name, names))


def guess(name: str, known: Iterable[str]) -> str:
    """Return a question that suggests the nearest known name, ignoring case; empty if none is near."""
    folded = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    return f" (did you mean '{folded[near[0]]}'?)" if near else ""
