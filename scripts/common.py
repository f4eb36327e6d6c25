"""What every script shares: the command line, errors and exit codes, tables."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import tyro
from rich.console import Console, RenderableType
from tyro.extras import subcommand_cli_from_dict

from vln.errors import InputError

INTERRUPTED = 130  # 128 + SIGINT, what shells expect of a program ended by Ctrl-C


@contextmanager
def friendly_exit() -> Iterator[None]:
    """Within the block bad input ends the program with one sentence on stderr and code 2, Ctrl-C with code 130."""
    try:
        yield
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(0)


def command(main: Callable[..., None], **options: Any) -> None:
    """Run a script: the signature of its function is the command line, an unknown flag is an error."""
    with friendly_exit():
        tyro.cli(main, config=(tyro.conf.OmitArgPrefixes,), **options)


def commands(mains: Mapping[str, Callable[..., None]]) -> None:
    """`command` for a script of several subcommands, by their names."""
    with friendly_exit():
        subcommand_cli_from_dict(dict(mains), config=(tyro.conf.OmitArgPrefixes,))


def show(table: RenderableType, rows: Any, as_json: bool) -> None:
    """Print `rows` as JSON, or the table drawn from them."""
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        Console().print(table)
