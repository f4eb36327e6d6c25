"""Validity of numba's cache on disk.

Numba notices a change of a function's own file, but not of the files of the functions that it calls.
"""

import hashlib
from pathlib import Path

from vln.files import replacing

STAMP = "sources.sha256"


def forget_stale(package: Path) -> None:
    """Delete numba's cache of a folder if any source file in the folder has changed since it was written."""
    kept, digest = package / "__pycache__", hashlib.sha256()
    for source in sorted(package.glob("*.py")):
        digest.update(source.read_bytes())
    stamp = kept / STAMP
    if stamp.is_file() and stamp.read_text() == digest.hexdigest():
        return
    try:
        for file in kept.glob("*.nb[ci]"):
            file.unlink(missing_ok=True)
        kept.mkdir(exist_ok=True)
        with replacing(stamp) as temporary:
            temporary.write_text(digest.hexdigest())
    except OSError:
        return  # in a folder without write permission there is no cache
