"""A lock on a folder, which the system takes back from whoever is killed."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vln.errors import InputError
from vln.files import writable_folder, writing

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within the block a folder, which is made if need be, is this process's alone.

    The lock lies on a file in it. That a killed process leaves the file behind does not matter. Where the file system
    has no locks there is none.

    Raises:
        InputError: If another process has it.
        WriteError: If it cannot be made or written.
    """
    folder = Path(folder)
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        descriptor = _taken(writable_folder(folder) / LOCK)
        try:
            yield
        finally:
            with suppress(OSError):
                (folder / LOCK).unlink()  # while it is locked, so that nobody can have locked it anew
            os.close(descriptor)
    finally:
        for each in made:
            with suppress(OSError):  # of those that are not empty
                each.rmdir()


def _taken(path: Path) -> int:
    """The descriptor of a file that is locked now.

    Raises:
        InputError: If another process has locked it.
    """
    while True:
        with writing(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 100).decode(errors="replace") or "another process"
            os.close(descriptor)
            raise InputError(path.parent, f"{holder} is at work here", "wait until it has ended") from None
        except OSError:
            return descriptor
        if _same(descriptor, path):
            with writing(path):
                os.truncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} of {socket.gethostname()}".encode())
            return descriptor
        os.close(descriptor)  # who had the lock has just removed the file


def _same(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one at a path."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False
