"""The one exception a user causes and can mend."""

import difflib
from collections.abc import Iterable

from vln.text import one_line


class InputError(ValueError):
    """Bad input, told in one sentence that names the source, the field and the fix.

    Scripts print the sentence and exit with code 2; nothing has been written by then.

    Args:
        source: The file, folder or flag that holds the bad value.
        problem: Which field is wrong and how, in words that follow the source ("field 'scan' is missing").
        fix: What to do about it, as an imperative ("download the file again").
    """

    def __init__(self, source: object, problem: str, fix: str) -> None:
        super().__init__(source, problem, fix)  # all of them, so that it can be pickled

    def __str__(self) -> str:
        source, problem, fix = self.args
        return one_line(f"{source}: {problem}; {fix}.")


class WriteError(InputError):
    """What the system refuses to write: the disk is full or read-only, or the folder has vanished."""


def unknown_name(
    source: object, name: str, known: Iterable[str], problem: str = "'{}' is not known", kind: str = ""
) -> InputError:
    """Return the error for a name that is not among those known; it tells all of them and the nearest.

    Args:
        source: The file, folder or flag that holds the name.
        name: The name given.
        known: The names that would do; at least one.
        problem: What is wrong, with `{}` where the name belongs.
        kind: What they are names of, if the source does not say it ("the splits").
    """
    names = list(known)
    listed = f"use one of {kind} {', '.join(names)}" if kind else f"use one of {', '.join(names)}"
    return InputError(source, problem.format(name), listed + guess(name, names))


def guess(name: str, known: Iterable[str]) -> str:
    """Ask whether the nearest of the names known was meant, in capitals or not; nothing where none is near."""
    folded = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    return f" (did you mean '{folded[near[0]]}'?)" if near else ""
