"""Reading and writing of files: errors name the file, and an interrupted write loses nothing."""

import errno
import fcntl
import gzip
import hashlib
import json
import lzma
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar, overload

from vln.errors import InputError, WriteError
from vln.schema import parse

T = TypeVar("T")
REFETCH = "fetch it again"
DECOMPRESSORS: dict[str, Any] = {".gz": lambda file: gzip.GzipFile(fileobj=file), ".xz": lzma.LZMAFile}
MAX_RATIO = 100  # largest ratio of decompressed to compressed size, more than JSON reaches ...
ALWAYS_ALLOWED = 1 << 26  # ... beyond so many bytes, which are always allowed
MAX_MESSAGE = 200  # characters that are shown of a library's message

TEMPORARY = ".tmp-"  # part of the name of a file that is being written
FIXES = {
    "make room on the disk": (errno.ENOSPC, errno.EDQUOT),
    "raise the limit of file sizes (ulimit -f)": (errno.EFBIG,),
    "bring its folder back": (errno.ENOENT, errno.ENOTDIR, errno.ESTALE),
    "choose a place that is not read-only": (errno.EROFS, errno.EACCES, errno.EPERM),
}


@contextmanager
def reading(path: Path, *damaged: type[Exception], fix: str = REFETCH) -> Iterator[None]:
    """Turn any error while a file is read into an InputError of one sentence.

    `damaged` are exceptions that a library raises for a damaged file, besides those of gzip, xz and UTF-8.
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
        if error.errno is None and damaged:  # raised by a library, not by the system
            raise InputError(path, f"is truncated or damaged ({_short(error)})", fix) from None
        raise InputError(path, f"cannot be read ({error.strerror})", "check the path and its permissions") from None
    except damaged as error:
        raise InputError(path, f"is truncated or damaged ({_short(error)})", fix) from None


def _short(error: Exception) -> str:
    """Return the message of an error on one line of limited length."""
    return " ".join(str(error).split())[:MAX_MESSAGE] or type(error).__name__


def read_content(path: Path) -> bytes:
    """Read the bytes of a file, decompressed if its name ends in `.gz` or `.xz`."""
    path = Path(path)
    with reading(path):
        content = path.read_bytes()
        if path.suffix not in DECOMPRESSORS:
            return content
        most = ALWAYS_ALLOWED + MAX_RATIO * len(content)
        with DECOMPRESSORS[path.suffix](BytesIO(content)) as file:
            unpacked: bytes = file.read(most + 1)
        if len(unpacked) > most:
            raise InputError(path, f"unpacks to more than {MAX_RATIO} times its size", REFETCH)
        return unpacked


def read_text(path: Path) -> str:
    """Read the text of a UTF-8 file, decompressed if its name ends in `.gz` or `.xz`."""
    content = read_content(path)
    with reading(path):
        return content.decode("utf-8")


@overload
def read_json(path: Path) -> Any: ...


@overload
def read_json(path: Path, kind: type[T], fix: str = ...) -> T: ...


def read_json(path: Path, kind: Any = Any, fix: str = "fetch or write the file again") -> Any:
    """Read a JSON file and check its content against a type; see `vln.schema`."""
    return parse(read_content(path), kind, path, fix)


@overload
def read_json_lines(path: Path) -> Iterator[tuple[int, Any]]: ...


@overload
def read_json_lines(path: Path, kind: type[T], fix: str = ...) -> Iterator[tuple[int, T]]: ...


def read_json_lines(path: Path, kind: Any = Any, fix: str = "write the file again") -> Iterator[tuple[int, Any]]:
    """Yield line numbers (from 1) and contents of a JSON-lines file, checked against a type; see `vln.schema`."""
    # Not splitlines(), which also splits at U+2028, form feed, ...; strings may hold these.
    for number, line in enumerate(read_content(path).split(b"\n"), start=1):
        if line.strip():
            yield number, parse(line, kind, path, fix, f"line {number}")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a system error while the file or folder `path` is written into a WriteError."""
    try:
        yield
    except OSError as error:
        if isinstance(error.filename, str) and not Path(error.filename).absolute().is_relative_to(
            Path(path).parent.absolute()
        ):
            raise  # the error concerns another file, which was read
        raise write_error(path, error) from None


def write_error(source: object, error: OSError, problem: str = "cannot be written") -> WriteError:
    """Return the WriteError for an error of the system."""
    reason = error.strerror or str(error).splitlines()[0]
    fix = next((fix for fix, numbers in FIXES.items() if error.errno in numbers), "check the disk and its free space")
    return WriteError(source, f"{problem} ({reason})", fix)


@contextmanager
def replacing(path: Path, *, create: bool = True, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces `path` if the block ends without an error.

    The temporary file is locked while it is written, so that leftovers of killed writers can be recognised and removed.
    With `create` a missing folder is made; with `durable` the file survives a power cut, which takes waiting for the
    disk.
    """
    path = Path(path)
    if create:
        writable_folder(path.parent)
    if path.is_dir():
        raise InputError(path, "is a folder, not a file to write", "choose another file name")
    with writing(path), _temporary(path) as (temporary, handle):
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)  # mkstemp makes files private to the user
        if durable:
            os.fsync(handle)
        temporary.replace(path)


@contextmanager
def _temporary(path: Path) -> Iterator[tuple[Path, int]]:
    """Yield a locked file beside `path` and its descriptor; the file is removed at the end if it is still there."""
    _remove_leftovers_once(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}{TEMPORARY}", suffix=path.suffix)
    try:
        with suppress(OSError):  # some file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield Path(name), handle
    finally:
        with suppress(OSError):
            Path(name).unlink(missing_ok=True)
        os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of killed writers from a folder. Files still being written are locked and stay."""
    for path in Path(folder).glob(f".*{TEMPORARY}*"):
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


_remove_leftovers_once = cache(remove_leftovers)  # listing a large folder for every file would take too long


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any, indent: int | None = 2) -> None:
    """Write a JSON file atomically."""
    write_text(path, json.dumps(content, indent=indent) + "\n")


def write_json_lines(path: Path, rows: Iterable[Any]) -> None:
    """Write a JSON-lines file atomically."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(map(_line, rows))


def append_json_lines(path: Path, rows: Iterable[Any]) -> None:
    """Add rows to a JSON-lines file; a crash may cut the last one off, see `drop_cut_line`."""
    with writing(path), path.open("a", encoding="utf-8") as file:
        file.write("".join(map(_line, rows)))


def drop_cut_line(path: Path) -> None:
    """Remove what follows the last line break of a file, which a crash cut off."""
    with writing(path), path.open("r+b") as file:
        file.truncate(file.read().rfind(b"\n") + 1)


def _line(row: Any) -> str:
    return json.dumps(row, separators=(",", ":")) + "\n"


def writable_folder(path: Path) -> Path:
    """Return the folder; create it if it does not exist."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(path, f"the output folder cannot be created ({error.strerror})", "choose another") from None
    if not _can_create_files(path):
        raise WriteError(path, "the output folder is not writable", "choose another or change its permissions")
    return path


def _can_create_files(folder: Path) -> bool:
    """Whether a file can be created in a folder. Permissions alone are not enough: they allow root everything."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return os.access(folder, os.W_OK)
    except OSError:
        return False


def sha256(*paths: Path) -> str:
    """Return the hexadecimal SHA-256 of the bytes of files, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        with Path(path).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
