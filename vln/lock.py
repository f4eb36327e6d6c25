"""Locks on folders; the system releases the lock of a killed process."""

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
    """Hold an exclusive lock on a folder within the block, or raise InputError; the folder is created if need be.

    The lock is on a file in the folder. A killed process may leave the file behind, which does no harm. On file systems
    without locks the block runs unlocked.
    """
    folder = Path(folder)
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        descriptor = _acquire(writable_folder(folder) / LOCK)
        try:
            yield
        finally:
            with suppress(OSError):
                (folder / LOCK).unlink()  # while still locked, so that no other process can have locked it in between
            os.close(descriptor)
    finally:
        for each in made:
            with suppress(OSError):  # folders that are not empty stay
                each.rmdir()


def _acquire(path: Path) -> int:
    """Lock a file and return its descriptor."""
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
        os.close(descriptor)  # the previous holder has just removed the file


def _same(descriptor: int, path: Path) -> bool:
    """Whether a descriptor refers to the file at a path."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False
