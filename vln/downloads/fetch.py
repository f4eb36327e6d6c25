"""Fetching parts of the data folder: interrupted downloads go on, and a file is there whole or not at all."""

import gzip
import hashlib
import shutil
import ssl
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pooch
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from vln.console import Console
from vln.downloads.parts import File, Part
from vln.downloads.verify import add_checksums
from vln.errors import InputError
from vln.files import writing
from vln.lock import locked

FETCHING = ".fetching"  # folder for unfinished downloads, in the data folder
PATIENCE = 60  # seconds without a byte
BLOCK = 1 << 16
AGAIN = "run the same command again, which goes on from there"
Advance = Callable[[int, int | None], None]
"""Told how many bytes of a file are there, and how many it has, if that is known."""


def fetch_part(part: Part, data: Path) -> list[File]:
    """Fetch what is missing of a part into the data folder, and return it; what is there stays as it is."""
    part.check_fetchable()
    missing = part.missing(data)
    with locked(data / FETCHING), progress() as bars:
        for left in (data / FETCHING).glob("tmp*"):  # pooch's, of a process that was killed
            left.unlink()
        for file in missing:
            bar = bars.add_task(file.path, total=None)
            _fetch(file, part, data, lambda done, whole: bars.update(bar, completed=done, total=whole))  # noqa: B023
            bars.remove_task(bar)
    with suppress(OSError):  # something unfinished may be in it
        (data / FETCHING).rmdir()
    return missing


def progress() -> Progress:
    """Return progress bars on stderr, which vanish at the end; hidden if that is no terminal."""
    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    name = TextColumn("{task.description}", markup=False)
    return Progress(name, *columns, console=console, transient=True, disable=not console.is_terminal)


def _fetch(file: File, part: Part, data: Path, advance: Advance) -> None:
    """Fetch one file, bring it into its layout, and note the checksums of what it became."""
    place, to = data / FETCHING, data / file.path
    key = hashlib.sha256(file.url.encode()).hexdigest()[:16]
    fetched, made = place / key, place / f"{key}.made"
    pooch.get_logger().setLevel("WARNING")  # it would say the checksums of files that have none yet
    try:
        with writing(to):
            _remove(made)
            pooch.retrieve(file.url, file.sha256 or None, key, place, downloader=Resuming(place, part.page, advance))
            if file.unpack:
                _unpack(file, fetched, made)
            to.parent.mkdir(parents=True, exist_ok=True)
            (made if file.unpack else fetched).replace(to)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        fix = f"run the same command again, and if it stays so, see {part.page}"
        raise InputError(file.url, "what came has another checksum than what was published", fix) from None
    finally:
        _remove(made)
        _remove(fetched)
    add_checksums(data, file.path)


def _unpack(file: File, fetched: Path, made: Path) -> None:
    assert file.unpack is not None
    try:
        file.unpack(fetched, made)
    except InputError:
        raise
    except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError) as error:
        raise InputError(file.url, f"is no archive that can be unpacked ({error})", "fetch it again") from None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


class Resuming:
    """Downloads a file for pooch, which checks it. What an interrupted download has got stays, and the next goes on."""

    def __init__(self, place: Path, page: str, advance: Advance) -> None:
        """Keep unfinished files in the folder `place`; `page` is where people read about the file."""
        self.place, self.page, self.advance = place, page, advance

    def __call__(self, url: str, output_file: str, _: Any) -> None:
        """Download an address to a file; an InputError if that fails."""
        partial = self.place / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.part"
        version = partial.with_suffix(".version")  # the server's name for the version that the partial file is of
        try:
            with closing(_open(url, partial, version)) as answer:
                done, whole = self._receive(answer, partial, version)
        except HTTPError as error:
            error.close()
            fix = f"see {self.page} for where it is now"
            raise InputError(url, f"the server answers {error.code} ({error.reason})", fix) from None
        except (URLError, TimeoutError, ConnectionError, ssl.SSLError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise InputError(url, f"cannot be fetched ({reason or type(error).__name__})", AGAIN) from None
        if whole is not None and done != whole:
            raise InputError(url, f"the connection ended after {done} of {whole} bytes", AGAIN)
        partial.replace(output_file)
        version.unlink(missing_ok=True)

    def _receive(self, answer: HTTPResponse, partial: Path, version: Path) -> tuple[int, int | None]:
        """Write what comes to the partial file; return its bytes, and those of the whole file, if that is known."""
        if answer.headers.get_content_type() == "text/html":
            problem = "a web page came instead of the file; too many may have fetched it today"
            raise InputError(answer.url, problem, f"try later, or fetch it by hand from {self.page}")
        done = partial.stat().st_size if answer.status == 206 else 0
        length = answer.headers.get("Content-Length")
        whole = done + int(length) if length else None
        version.write_text(_version(answer), encoding="utf-8")
        with partial.open("ab" if done else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                done += len(block)
                self.advance(done, whole)
        return done, whole


def _open(url: str, partial: Path, version: Path) -> HTTPResponse:
    """Ask for a file, or for the rest of it if the server says that it is still the same."""
    headers = {"User-Agent": "vln", "Accept-Encoding": "identity"}
    have = partial.stat().st_size if partial.exists() and version.exists() else 0
    known = version.read_text(encoding="utf-8") if have else ""
    if known:
        headers |= {"Range": f"bytes={have}-", "If-Range": known}
    try:
        answer: HTTPResponse = urlopen(Request(url, headers=headers), timeout=PATIENCE)
    except HTTPError as error:
        if error.code != 416:  # there is nothing after what is there
            raise
        error.close()
        version.unlink()
        return _open(url, partial, version)
    if answer.status == 206 and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        answer.close()
        version.unlink()
        return _open(url, partial, version)
    return answer


def _version(answer: HTTPResponse) -> str:
    """Return what If-Range takes: a strong ETag, or the date of the last change; empty if there is neither."""
    tag: str = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
