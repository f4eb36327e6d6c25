"""Reading and writing files so that a bad one is named and an interrupted write loses nothing."""

import gzip
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vln.errors import InputError


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, unpacked if it ends in `.gz`.

    Raises:
        InputError: If the file is missing, unreadable, truncated or not UTF-8.
    """
    try:
        content = Path(path).read_bytes()
        return (gzip.decompress(content) if Path(path).suffix == ".gz" else content).decode("utf-8")
    except FileNotFoundError:
        raise InputError(path, "the file does not exist", "check the path or fetch the data") from None
    except UnicodeDecodeError as error:
        raise InputError(path, f"byte {error.start} is not UTF-8", "save the file as UTF-8") from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise InputError(path, "is truncated or damaged", "fetch it again") from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the path and its permissions") from None


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: If the file is missing, truncated or not JSON.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        problem = f"is truncated or not JSON at line {error.lineno}, column {error.colno} ({error.msg})"
        raise InputError(path, problem, "fetch or write the file again") from None


def read_json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Line numbers (from 1) and contents of a JSON-lines file.

    Raises:
        InputError: If the file is missing or a line is truncated or not JSON.
    """
    # Not splitlines(): strings may hold the other separators it knows (U+2028, form feed, ...).
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except json.JSONDecodeError as error:
            problem = f"line {number} is truncated or not JSON ({error.msg})"
            raise InputError(path, problem, "write the file again") from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without an error.

    Raises:
        InputError: If the folder cannot be created or written, or `path` is a folder itself.
    """
    path = Path(path)
    writable_folder(path.parent)
    if path.is_dir():
        raise InputError(path, "is a folder, not a file to write", "choose another file name")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)  # mkstemp makes files private to the user
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any, indent: int | None = 2) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(content, indent=indent) + "\n")


def write_json_lines(path: Path, rows: Iterable[Any]) -> None:
    """Write a JSON-lines file whole or not at all."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, separators=(",", ":")) + "\n")


def writable_folder(path: Path) -> Path:
    """The folder, created if need be.

    Raises:
        InputError: If it cannot be created or written.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(path, f"the output folder cannot be created ({error.strerror})", "choose another") from None
    if not os.access(path, os.W_OK):
        raise InputError(path, "the output folder is not writable", "choose another or change its permissions")
    return path


def sha256(*paths: Path) -> str:
    """Hexadecimal SHA-256 of the bytes of files, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        with Path(path).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
