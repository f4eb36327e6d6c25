"""What every script shares: the command line, errors and exit codes, tables."""

import json
import sys
from collections.abc import Callable
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from vln.errors import InputError

INTERRUPTED = 130  # 128 + SIGINT, what shells expect of a program ended by Ctrl-C


def command(main: Callable[..., None], **options: Any) -> None:
    """Run a script: its signature or dataclass is the command line, an unknown flag is an error.

    Exit codes: 0 done; 2 bad input, told in one sentence on stderr; 130 interrupted.
    """
    try:
        tyro.cli(main, config=(tyro.conf.OmitArgPrefixes,), **options)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(0)


def show(table: Table, rows: Any, as_json: bool) -> None:
    """Print `rows` as JSON, or the table drawn from them."""
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        Console().print(table)
