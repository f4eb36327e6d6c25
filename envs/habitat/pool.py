"""A pool of worker processes: starts them, sends requests, and restarts workers that died.

A request contains everything that a worker needs. If a worker dies, its successor gets the same request.
"""

import atexit
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from envs.habitat.settings import INSTALL, Workers, habitat_interpreter
from vln.errors import InputError

LAST_LINES = 5
READ = 1 << 16  # bytes of a worker's output in which the last lines are searched
FOLDER = "vln-habitat-worker-"  # prefix of the working folders, followed by the id of this process
# Messages that habitat-sim 0.3 prints for every scene without environment lighting.
ALWAYS = re.compile(
    r"\b(ibl|pbr|brdf\w*|blut|envmap)\b|(pbr|ibl)\w*(helper|config|image|map)|light\w* texture", re.IGNORECASE
)
SHARED = Path("/dev/shm")  # file system in memory, on Linux
Request = tuple[str, dict[str, Any]]
Images = Mapping[str, tuple[tuple[int, ...], type[np.generic]]]


@dataclass(eq=False)
class Process:
    """A running worker: its process, the socket to it, and its output and working folder."""

    popen: subprocess.Popen[bytes]
    connection: socket.socket
    printed: IO[bytes]
    folder: "tempfile.TemporaryDirectory[str]"
    answered: int = 0  # size of its output in bytes at its last reply

    def close(self) -> None:
        """End the process by closing its connection; kill it if it does not end."""
        self.connection.close()
        try:
            self.popen.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.printed.close()
        self.folder.cleanup()

    def last_lines(self) -> str:
        """Return the last lines of the output, joined, without the usual messages."""
        size = os.fstat(self.printed.fileno()).st_size
        usual = {_kind(line) for line in self._lines(0, min(self.answered, READ))}
        lines = self._lines(max(self.answered, size - READ), size) or self._lines(max(0, size - READ), size)
        telling = [line for line in lines if _kind(line) not in usual and not ALWAYS.search(line)]
        return " | ".join((telling or lines)[-LAST_LINES:]) or "it printed nothing"

    def _lines(self, first: int, last: int) -> list[str]:
        """Return the output between two byte offsets, without empty lines."""
        text = os.pread(self.printed.fileno(), max(0, last - first), first).decode("utf-8", "replace")
        return [line.strip() for line in text.splitlines() if line.strip()]

    def send(self, request: Request, *files: int) -> None:
        """Send a request. A dead worker is noticed by `receive`."""
        do, arguments = request
        body = json.dumps({"do": do, "with": arguments}).encode()
        with suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self.connection, [struct.pack("!I", len(body))], files)
            self.connection.sendall(body)

    def receive(self, timeout: float) -> dict[str, Any]:
        """Wait `timeout` seconds for the reply and return it; raises WorkerDied if there is none."""
        self.connection.settimeout(timeout)
        try:
            (size,) = struct.unpack("!I", self._exactly(4))
            reply: dict[str, Any] = json.loads(self._exactly(size))
            self.answered = os.fstat(self.printed.fileno()).st_size
            return reply
        except TimeoutError:
            self.popen.kill()
            problem = f"gave no answer for {timeout:.0f} s and was ended; its last lines: {self.last_lines()}"
            raise WorkerDied(problem) from None
        except (EOFError, ConnectionResetError):
            code = self.popen.wait()
            ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            raise WorkerDied(f"{ended}; its last lines: {self.last_lines()}") from None

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self.connection.recv(min(size - len(parts), 1 << 20))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)


def _kind(line: str) -> str:
    """Return a line with its numbers, such as times, replaced by "#"."""
    return re.sub(r"0x[0-9a-f]+|[0-9.]+", "#", line)


Key = tuple[str, str, int]
IDLE: dict[Key, list[Process]] = {}
"""Idle workers by interpreter, program and GPU, kept because a start takes seconds."""


class WorkerDied(Exception):  # noqa: N818 - caught here
    """A worker no longer replies."""


class WorkerPool:
    """A pool of workers that render into the same shared images.

    The settings are those of the first request, "open"; `images`, `gpu` and other entries of one worker are added.
    Images are given by shape (B, H, W, ...) and dtype.
    """

    def __init__(self, workers: Workers, count: int, settings: Mapping[str, Any], images: Images) -> None:
        self.workers, self.count, self._settings = workers, count, dict(settings)
        self._python = habitat_interpreter(workers.python)
        self._memory, self._layout, self.images = share(images)
        self._processes: dict[int, Process] = {}
        self._keys = {each: (self._python, str(workers.program), workers.gpu_of(each)) for each in range(count)}
        self.version: dict[str, Any] = {}
        self.restarted = 0
        self._finalizer = weakref.finalize(self, _close, self._processes, self._keys, self._memory)

    def close(self) -> None:
        """Release the workers to later pools."""
        self._finalizer()

    @property
    def pids(self) -> list[int]:
        """Process ids of the running workers."""
        return [process.popen.pid for process in self._processes.values()]

    def ask(self, requests: Mapping[int, Request]) -> dict[int, Any]:
        """Send requests to several workers at once and return their results, both by worker number.

        Workers that are not running are started. An InputError is raised if one refuses or fails, or dies more than
        `restarts` times in a row.
        """
        try:
            self._open(number for number in requests if number not in self._processes)
            for number, request in requests.items():
                self._processes[number].send(request)
            replies = {number: self._reply(number, request) for number, request in requests.items()}
        except BaseException:
            # An unread reply would be taken for the reply to the next request.
            for number in requests:
                self._kill(number)
            raise
        return {number: self._result(reply) for number, reply in replies.items()}

    def ask_one(self, number: int, do: str, **arguments: Any) -> Any:
        """Send a request to one worker and return its result."""
        return self.ask({number: (do, arguments)})[number]

    def _reply(self, number: int, request: Request) -> dict[str, Any]:
        """Return the reply to a request that was sent; if the worker dies, restart it and send the request again."""
        for again in range(self.workers.restarts, -1, -1):
            process = self._processes[number]
            try:
                return process.receive(self.workers.timeout)
            except WorkerDied as death:
                message = f"(process {process.popen.pid}) {death}"
                self._kill(number)
                if not again:
                    problem = f"{message}; that was {self.workers.restarts + 1} times in a row"
                    fix = "look at what it printed; fewer or smaller images need less memory"
                    raise InputError(f"habitat worker {number}", problem, fix) from None
                print(f"habitat worker {number} {message}; it is started again", file=sys.stderr)
                self.restarted += 1
                self._open([number])
                self._processes[number].send(request)
        raise AssertionError

    def _result(self, reply: Mapping[str, Any]) -> Any:
        if "refused" in reply:
            raise InputError(*reply["refused"])
        if "failed" in reply:
            problem = f"habitat-sim failed: {reply['failed'].strip().splitlines()[-1]}"
            raise InputError(self._python, problem, "check the scene, or the version of habitat-sim")
        return reply["result"]

    def _open(self, numbers: Iterable[int]) -> None:
        """Start workers in parallel and send each its settings.

        An InputError is raised if one cannot be started, lacks habitat-sim, or has another version than the others.
        """
        taken = {number: self._take(number) for number in numbers}
        self._processes |= taken
        for number, process in taken.items():
            process.send(*self._opening(number))
        for number, process in taken.items():
            try:
                reply = process.receive(self.workers.timeout)
            except WorkerDied as death:
                raise InputError(f"habitat worker {number} ({self._python})", f"it {death}", INSTALL) from None
            self._check_version(self._result(reply))

    def _opening(self, number: int) -> tuple[Request, int]:
        """Return the first request to a worker, and the file descriptor to send with it."""
        settings = self._settings | {
            "images": self._layout,
            "gpu": self.workers.gpu_of(number),
            "cache": str(self.workers.cache.resolve()),
            "scenes": self.workers.scenes,
            "install": INSTALL,
        }
        return ("open", settings), self._memory.fileno()

    def _check_version(self, version: dict[str, Any]) -> None:
        self.version = self.version or version
        if version["habitat"] != self.version["habitat"]:
            problem = f"habitat-sim {version['habitat']} answers, and {self.version['habitat']} did before"
            raise InputError(self._python, problem, "keep to one version in a run, or start it anew")

    def _take(self, number: int) -> Process:
        """Return an idle worker, or start a new one."""
        idle = IDLE.get(self._keys[number], [])
        while idle:
            process = idle.pop()
            if process.popen.poll() is None:
                return process
            process.close()
        return self._start(number)

    def _start(self, number: int) -> Process:
        ours, theirs = socket.socketpair()
        printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        folder = work_folder()
        try:
            popen = subprocess.Popen(
                [*self._command(), "--socket", str(theirs.fileno())],
                cwd=folder.name,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                pass_fds=[theirs.fileno()],
                env=_environment(self.workers.gpu_of(number)),
            )
        except OSError as error:
            folder.cleanup()
            raise InputError(self._python, f"cannot be run ({error.strerror})", INSTALL) from None
        finally:
            theirs.close()
        return Process(popen, ours, printed, folder)

    def _command(self) -> tuple[str, str]:
        """Return absolute paths of the interpreter and its program, since the worker has another working folder."""
        return str(Path(self._python).absolute()), str(self.workers.program.absolute())

    def _kill(self, number: int) -> None:
        """Kill and forget a worker, if it runs."""
        if process := self._processes.pop(number, None):
            process.popen.kill()
            process.close()


def work_folder() -> "tempfile.TemporaryDirectory[str]":
    """Create a temporary working folder for a worker, and remove the folders of dead runs.

    The folder contains a lighting configuration without images, which habitat-sim 0.3 reads from below its working
    folder. Without the file it computes environment lighting for each scene, ten seconds on the CPU.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{FOLDER}*"):
        owner = re.fullmatch(rf"{FOLDER}(\d+)-.*", left.name)
        if owner and not _runs(int(owner[1])):
            shutil.rmtree(left, ignore_errors=True)
    folder = tempfile.TemporaryDirectory(prefix=f"{FOLDER}{os.getpid()}-", ignore_cleanup_errors=True)
    config = Path(folder.name, "data", "default.pbr_config.json")
    config.parent.mkdir()
    config.write_text(json.dumps({"enable_ibl": False, "ibl_blut_filename": "none", "ibl_envmap_filename": "none"}))
    return folder


def _runs(pid: int) -> bool:
    """Return whether a process is running."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _environment(gpu: int) -> dict[str, str]:
    """Return the environment variables of a worker: quiet logs, and one thread if the CPU renders."""
    quiet = {"MAGNUM_LOG": "quiet", "HABITAT_SIM_LOG": "quiet", "GLOG_minloglevel": "2"}
    return {**quiet, **os.environ, **({"LP_NUM_THREADS": "0"} if gpu < 0 else {})}


def share(images: Images) -> tuple[IO[bytes], dict[str, tuple[int, tuple[int, ...], str]], dict[str, np.ndarray]]:
    """Allocate images in memory that other processes can map.

    Returns the open file, the place of each image in it (offset, shape, dtype), and the images.
    """
    layout: dict[str, tuple[int, tuple[int, ...], str]] = {}
    size = 0
    for name, (shape, kind) in images.items():
        layout[name] = (size, shape, np.dtype(kind).str)
        size += -(-int(np.prod(shape)) * np.dtype(kind).itemsize // 64) * 64
    # A file without a name disappears with its last user.
    file = tempfile.TemporaryFile(dir=SHARED if SHARED.is_dir() else None)  # noqa: SIM115 - closed with the pool
    file.truncate(max(size, 1))
    arrays = {
        name: np.memmap(file, kind, "r+", offset, shape).view(np.ndarray)
        for name, (offset, shape, kind) in layout.items()
    }
    return file, layout, arrays


def _close(processes: dict[int, Process], keys: Mapping[int, Key], memory: IO[bytes]) -> None:
    for number, process in processes.items():
        IDLE.setdefault(keys[number], []).append(process)
    processes.clear()
    memory.close()


@atexit.register
def end_idle_workers() -> None:
    """End all idle workers."""
    processes = [process for idle in IDLE.values() for process in idle]
    IDLE.clear()
    for process in processes:
        process.connection.close()  # first of all, so that they end in parallel
    for process in processes:
        process.close()


def group_by_owner(rows: Sequence[int], owners: np.ndarray) -> dict[int, list[int]]:
    """Group the indices of `rows` by the worker that owns each row."""
    found: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        found.setdefault(int(owners[row]), []).append(place)
    return found
