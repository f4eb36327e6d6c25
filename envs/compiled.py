"""Compiled code on disk. Numba notices when the file of a function changes, not when one that it calls into does."""

import hashlib
from pathlib import Path

from vln.files import replacing

STAMP = "sources.sha256"


def forget_stale(package: Path) -> None:
    """Delete what numba has kept of the modules of a folder if any of them has changed since."""
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
        return  # where nothing can be written, nothing has been kept
