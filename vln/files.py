"""Reading and writing files so that a bad one is named and an interrupted write loses nothing."""

import gzip
import hashlib
import json
import lzma
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar, overload

from vln.errors import InputError
from vln.schema import parse

T = TypeVar("T")
REFETCH = "fetch it again"
PACKED: dict[str, Any] = {".gz": lambda file: gzip.GzipFile(fileobj=file), ".xz": lzma.LZMAFile}
MOST_PACKED = 100  # times its size that a packed file may hold, which JSON does not reach ...
PACKED_SMALL = 1 << 26  # ... above so many bytes
MESSAGE = 200  # characters of what a library says that are shown


@contextmanager
def reading(path: Path, *damaged: type[Exception], fix: str = REFETCH) -> Iterator[None]:
    """Turns whatever goes wrong while a file is read into one sentence that names it.

    Args:
        path: The file.
        damaged: What a library raises where its file is damaged, besides what gzip, xz and UTF-8 do.
        fix: What to do about a damaged one.

    Raises:
        InputError: If the block fails to read.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(path, "the file does not exist", "check the path or fetch the data") from None
    except UnicodeDecodeError as error:
        raise InputError(path, f"byte {error.start} is not UTF-8", "save the file as UTF-8") from None
    except MemoryError:
        raise InputError(path, "does not fit into memory", fix) from None
    except RecursionError:
        raise InputError(path, "is nested too deeply", fix) from None
    except (gzip.BadGzipFile, lzma.LZMAError, EOFError, zlib.error):
        raise InputError(path, "is truncated or damaged", fix) from None
    except OSError as error:
        if error.errno is None and damaged:  # of a library, and not of the system
            raise InputError(path, f"is truncated or damaged ({_short(error)})", fix) from None
        raise InputError(path, f"cannot be read ({error.strerror})", "check the path and its permissions") from None
    except damaged as error:
        raise InputError(path, f"is truncated or damaged ({_short(error)})", fix) from None


def _short(error: Exception) -> str:
    """What a library says of an error, on one line and not without end."""
    return " ".join(str(error).split())[:MESSAGE] or type(error).__name__


def read_content(path: Path) -> bytes:
    """The bytes of a file, unpacked if it ends in `.gz` or `.xz`.

    Raises:
        InputError: If the file is missing, unreadable, truncated, or unpacks to far more than such files do.
    """
    path = Path(path)
    with reading(path):
        content = path.read_bytes()
        if path.suffix not in PACKED:
            return content
        most = PACKED_SMALL + MOST_PACKED * len(content)
        with PACKED[path.suffix](BytesIO(content)) as file:
            unpacked: bytes = file.read(most + 1)
        if len(unpacked) > most:
            raise InputError(path, f"unpacks to more than {MOST_PACKED} times its size", REFETCH)
        return unpacked


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, unpacked if it ends in `.gz` or `.xz`.

    Raises:
        InputError: If the file is missing, unreadable, truncated or not UTF-8.
    """
    content = read_content(path)
    with reading(path):
        return content.decode("utf-8")


@overload
def read_json(path: Path) -> Any: ...


@overload
def read_json(path: Path, kind: type[T], fix: str = ...) -> T: ...


def read_json(path: Path, kind: Any = Any, fix: str = "fetch or write the file again") -> Any:
    """The content of a JSON file, of the kind it should be; see `vln.schema`.

    Raises:
        InputError: If the file is missing, truncated, not JSON, or of another kind.
    """
    return parse(read_content(path), kind, path, fix)


@overload
def read_json_lines(path: Path) -> Iterator[tuple[int, Any]]: ...


@overload
def read_json_lines(path: Path, kind: type[T], fix: str = ...) -> Iterator[tuple[int, T]]: ...


def read_json_lines(path: Path, kind: Any = Any, fix: str = "write the file again") -> Iterator[tuple[int, Any]]:
    """Line numbers (from 1) and contents of a JSON-lines file, of the kind they should be; see `vln.schema`.

    Raises:
        InputError: If the file is missing, or a line is truncated, not JSON or of another kind.
    """
    # Not splitlines(): strings may hold the other separators it knows (U+2028, form feed, ...).
    for number, line in enumerate(read_content(path).split(b"\n"), start=1):
        if line.strip():
            yield number, parse(line, kind, path, fix, f"line {number}")


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
