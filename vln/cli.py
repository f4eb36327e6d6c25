"""The frame of a command: parsing its arguments, errors as one sentence with an exit code, results as table or JSON."""

import errno
import inspect
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import tyro
from rich.console import RenderableType
from tyro.extras import subcommand_cli_from_dict

from vln.console import Console
from vln.errors import InputError, unknown_name
from vln.files import write_error
from vln.registry import import_module
from vln.signals import exit_code, stop_on_signal
from vln.tables import fit_to_width
from vln.text import one_line

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)  # errors of writing to an open file


@contextmanager
def friendly_exit() -> Iterator[None]:
    """Within the block, bad input and errors of the system end the program with one sentence on stderr and code 2.

    The signals of `vln.signals` end it with the code that shells expect, 130 for Ctrl-C. If the reader of the output
    has closed the pipe, the code is 0.
    """
    try:
        with stop_on_signal():
            yield
            print(end="", flush=True)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as stop:
        sys.exit(exit_code(stop))
    except BrokenPipeError:
        _no_more_output()
        sys.exit(0)
    except OSError as error:
        if error.filename is None and error.errno not in DISK:
            raise
        _no_more_output()
        unnamed = error.filename is None
        found = write_error("the output", error) if unnamed else write_error(error.filename, error, "cannot be used")
        print(found, file=sys.stderr)
        sys.exit(2)


def _no_more_output() -> None:
    """Discard what is left in the buffer of the output; Python would try to write it again at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


IMPORT = """\n\n`--import MODULE`, repeatable, imports a module first, which may register tasks, metrics, success rules,
simulators, policies, learners and agents."""


def command(main: Callable[..., None], **options: Any) -> None:
    """Run a function as a command: its signature is the command line, an unknown flag is an error."""
    with friendly_exit():
        import_modules()
        description = (inspect.getdoc(main) or "").partition("\n\nArgs:")[0] + IMPORT
        tyro.cli(main, config=(tyro.conf.OmitArgPrefixes,), description=description, **options)


def commands(mains: Mapping[str, Callable[..., None]]) -> None:
    """Run one of several functions, chosen by the first word of the command line, as `command` does."""
    with friendly_exit():
        import_modules()
        check_subcommand(mains)
        subcommand_cli_from_dict(dict(mains), config=(tyro.conf.OmitArgPrefixes,), description=IMPORT.strip())


def import_modules() -> tuple[str, ...]:
    """Take each `--import MODULE` out of the command line and import the module; return their names."""
    modules, sys.argv[1:] = extract_flag("--import", sys.argv[1:])
    for module in modules:
        import_module(module, "--import")
    return modules


def extract_flag(flag: str, arguments: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Take a repeatable flag with a value out of arguments; return its values and the other arguments."""
    values, rest, left = [], [], iter(arguments)
    for each in left:
        if each == flag:
            values.append(next(left, ""))
        elif each.startswith(f"{flag}="):
            values.append(each.split("=", 1)[1])
        else:
            rest.append(each)
    return tuple(values), rest


def check_subcommand(known: Iterable[str]) -> None:
    """Check that the first word of the command line is a known subcommand, unless it is a flag."""
    first = next(iter(sys.argv[1:]), "-")
    if not first.startswith("-") and first not in known:
        raise unknown_name(Path(sys.argv[0]).name, first, known)


def say(text: str) -> None:
    """Print one line; control characters are escaped."""
    print(one_line(text))


def for_json(value: Any) -> Any:
    """Replace NaN and infinity by None at any depth, because JSON has neither."""
    if isinstance(value, Mapping):
        return {name: for_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [for_json(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def show(table: RenderableType, rows: Any, as_json: bool) -> None:
    """Print `rows` as JSON, or the table made of them, fitted to the width of the terminal."""
    if as_json:
        print(json.dumps(for_json(rows), indent=2))
    else:
        console = Console()
        console.print(fit_to_width(table, console.width))
