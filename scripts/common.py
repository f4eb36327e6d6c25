"""What every script shares: the command line, errors and exit codes, tables."""

import errno
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import tyro
from rich.console import RenderableType
from tyro.extras import subcommand_cli_from_dict

from scripts.fitting import fitted
from vln.console import Console
from vln.errors import InputError, unknown_name
from vln.files import write_error
from vln.signals import exit_code, stop_on_signal
from vln.text import one_line

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)  # what writing to an open file may end with


@contextmanager
def friendly_exit() -> Iterator[None]:
    """Within the block bad input, and what the system refuses, end the program with one sentence on stderr and code 2.

    The signals of `vln.signals` end it with the code that shells expect, 130 for Ctrl-C; a reader of the output that
    has gone away with 0.
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
        told = write_error("the output", error) if unnamed else write_error(error.filename, error, "cannot be used")
        print(told, file=sys.stderr)
        sys.exit(2)


def _no_more_output() -> None:
    """Let what is left in the buffer of the output go nowhere, or Python would try it again as it ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def command(main: Callable[..., None], **options: Any) -> None:
    """Run a script: the signature of its function is the command line, an unknown flag is an error."""
    with friendly_exit():
        tyro.cli(main, config=(tyro.conf.OmitArgPrefixes,), **options)


def commands(mains: Mapping[str, Callable[..., None]]) -> None:
    """`command` for a script of several subcommands, by their names."""
    with friendly_exit():
        check_subcommand(mains)
        subcommand_cli_from_dict(dict(mains), config=(tyro.conf.OmitArgPrefixes,))


def check_subcommand(known: Iterable[str]) -> None:
    """Check that the first word of the command line is one of the subcommands, if it is no flag.

    Raises:
        InputError: If it is not; the nearest is named.
    """
    first = next(iter(sys.argv[1:]), "-")
    if not first.startswith("-") and first not in known:
        raise unknown_name(Path(sys.argv[0]).name, first, known)


def say(text: str) -> None:
    """Print a line on standard output, of which a terminal obeys nothing."""
    print(one_line(text))


def for_json(value: Any) -> Any:
    """Rows as JSON has them, which knows neither NaN nor infinity: null in their place."""
    if isinstance(value, Mapping):
        return {name: for_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [for_json(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def show(table: RenderableType, rows: Any, as_json: bool) -> None:
    """Print `rows` as JSON, or the table drawn from them, whole words in any terminal."""
    if as_json:
        print(json.dumps(for_json(rows), indent=2))
    else:
        console = Console()
        console.print(fitted(table, console.width))
