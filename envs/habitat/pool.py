"""Worker processes: starting them, asking them, and starting those again that died.

Requests hold all that a worker needs, so that nothing is lost with one: its successor is asked the same again.
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
READ = 1 << 16  # bytes of what a worker printed that are looked through for them
FOLDER = "vln-habitat-worker-"  # then the process that made it: what workers work in
# What habitat-sim 0.3 says of every scene that it opens without the light of an environment.
ALWAYS = re.compile(
    r"\b(ibl|pbr|brdf\w*|blut|envmap)\b|(pbr|ibl)\w*(helper|config|image|map)|light\w* texture", re.IGNORECASE
)
SHARED = Path("/dev/shm")  # memory that looks like a folder, on Linux
Request = tuple[str, dict[str, Any]]


@dataclass(eq=False)
class Process:
    """A running worker.

    Attributes:
        popen: The process.
        connection: To it.
        printed: What it prints.
        folder: That it works in.
        answered: Bytes that it had printed when it gave its last answer.
    """

    popen: subprocess.Popen[bytes]
    connection: socket.socket
    printed: IO[bytes]
    folder: "tempfile.TemporaryDirectory[str]"
    answered: int = 0

    def close(self) -> None:
        """End it: without requests it has nothing left to do."""
        self.connection.close()
        try:
            self.popen.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.printed.close()
        self.folder.cleanup()

    def last_lines(self) -> str:
        """The end of what it printed, in one line, without what it prints when all is well."""
        size = os.fstat(self.printed.fileno()).st_size
        usual = {_kind(line) for line in self._lines(0, min(self.answered, READ))}
        lines = self._lines(max(self.answered, size - READ), size) or self._lines(max(0, size - READ), size)
        telling = [line for line in lines if _kind(line) not in usual and not ALWAYS.search(line)]
        return " | ".join((telling or lines)[-LAST_LINES:]) or "it printed nothing"

    def _lines(self, first: int, last: int) -> list[str]:
        """What it printed from one byte to another, without empty lines."""
        text = os.pread(self.printed.fileno(), max(0, last - first), first).decode("utf-8", "replace")
        return [line.strip() for line in text.splitlines() if line.strip()]

    def send(self, request: Request, *files: int) -> None:
        """Ask something; that a worker is dead is noticed when its reply is read."""
        do, arguments = request
        body = json.dumps({"do": do, "with": arguments}).encode()
        with suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self.connection, [struct.pack("!I", len(body))], files)
            self.connection.sendall(body)

    def receive(self, patience: float) -> dict[str, Any]:
        """The reply.

        Raises:
            Died: If there comes none.
        """
        self.connection.settimeout(patience)
        try:
            (size,) = struct.unpack("!I", self._exactly(4))
            reply: dict[str, Any] = json.loads(self._exactly(size))
            self.answered = os.fstat(self.printed.fileno()).st_size
            return reply
        except TimeoutError:
            self.popen.kill()
            raise Died(
                f"gave no answer for {patience:.0f} s and was ended; its last lines: {self.last_lines()}"
            ) from None
        except (EOFError, ConnectionResetError):
            code = self.popen.wait()
            ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            raise Died(f"{ended}; its last lines: {self.last_lines()}") from None

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self.connection.recv(min(size - len(parts), 1 << 20))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)


def _kind(line: str) -> str:
    """A line without its numbers, such as times."""
    return re.sub(r"0x[0-9a-f]+|[0-9.]+", "#", line)


Key = tuple[str, str, int]
IDLE: dict[Key, list[Process]] = {}
"""Workers without work, by interpreter, program and GPU: starting one takes seconds."""


class Died(Exception):  # noqa: N818 - caught here
    """A worker that gives no answer any more."""


class WorkerPool:
    """A number of workers that fill the same images.

    Args:
        workers: How to run them.
        count: How many.
        settings: What they are told first; `images`, `gpu` and what belongs to a single one is added here.
        images: Shape (B, H, W, ...) and type of each image to share, by name.
    """

    def __init__(
        self,
        workers: Workers,
        count: int,
        settings: Mapping[str, Any],
        images: Mapping[str, tuple[tuple[int, ...], type[np.generic]]],
    ) -> None:
        self.workers, self.count, self._settings = workers, count, dict(settings)
        self._python = habitat_interpreter(workers.python)
        self._memory, self._layout, self.images = share(images)
        self._processes: dict[int, Process] = {}
        self._keys = {each: (self._python, str(workers.program), workers.gpu_of(each)) for each in range(count)}
        self.version: dict[str, Any] = {}
        self.restarted = 0
        self._finalizer = weakref.finalize(self, _close, self._processes, self._keys, self._memory)

    def close(self) -> None:
        """Let the workers go; the next pool may have them."""
        self._finalizer()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that run."""
        return [process.popen.pid for process in self._processes.values()]

    def ask(self, requests: Mapping[int, Request]) -> dict[int, Any]:
        """Ask several workers at once, each by its number; those that are not running are started.

        Raises:
            InputError: If one refuses, fails, or dies again and again.
        """
        try:
            self._open(number for number in requests if number not in self._processes)
            for number, request in requests.items():
                self._processes[number].send(request)
            replies = {number: self._reply(number, request) for number, request in requests.items()}
        except BaseException:
            # Replies that nobody has read would be taken for those to later requests.
            for number in requests:
                self._bury(number)
            raise
        return {number: self._result(reply) for number, reply in replies.items()}

    def ask_one(self, number: int, do: str, **arguments: Any) -> Any:
        """Ask one worker."""
        return self.ask({number: (do, arguments)})[number]

    def _reply(self, number: int, request: Request) -> dict[str, Any]:
        """The reply to what was asked last; asked again of a successor where a worker died over it."""
        for again in range(self.workers.restarts, -1, -1):
            process = self._processes[number]
            try:
                return process.receive(self.workers.patience)
            except Died as death:
                told = f"(process {process.popen.pid}) {death}"
                self._bury(number)
                if not again:
                    problem = f"{told}; that was {self.workers.restarts + 1} times in a row"
                    fix = "look at what it printed; fewer or smaller images need less memory"
                    raise InputError(f"habitat worker {number}", problem, fix) from None
                print(f"habitat worker {number} {told}; it is started again", file=sys.stderr)
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
        """Start workers, all at once, and tell them how to work.

        Raises:
            InputError: If one cannot be started, has no habitat-sim, or another version of it than the others.
        """
        taken = {number: self._take(number) for number in numbers}
        self._processes |= taken
        for number, process in taken.items():
            process.send(*self._opening(number))
        for number, process in taken.items():
            try:
                reply = process.receive(self.workers.patience)
            except Died as death:
                raise InputError(f"habitat worker {number} ({self._python})", f"it {death}", INSTALL) from None
            self._check_version(self._result(reply))

    def _opening(self, number: int) -> tuple[Request, int]:
        """The first request to a worker, and the file that goes with it."""
        settings = self._settings | {
            "images": self._layout,
            "gpu": self.workers.gpu_of(number),
            "cache": str(self.workers.cache.resolve()),
            "scenes": self.workers.scenes,
            "install": INSTALL,
        }
        return ("open", settings), self._memory.fileno()

    def _check_version(self, told: dict[str, Any]) -> None:
        self.version = self.version or told
        if told["habitat"] != self.version["habitat"]:
            problem = f"habitat-sim {told['habitat']} answers, and {self.version['habitat']} did before"
            raise InputError(self._python, problem, "keep to one version in a run, or start it anew")

    def _take(self, number: int) -> Process:
        """A worker without work, or a new one."""
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
        """The interpreter and its program, found from whatever folder it works in."""
        return str(Path(self._python).absolute()), str(self.workers.program.absolute())

    def _bury(self, number: int) -> None:
        """End and forget a worker, if it runs."""
        if process := self._processes.pop(number, None):
            process.popen.kill()
            process.close()


def work_folder() -> "tempfile.TemporaryDirectory[str]":
    """A new folder for a worker, which goes with its process, however that ends; those of dead runs are removed.

    In it is a lighting that names no images, as nothing is lit by them: habitat-sim 0.3 looks for one below the folder
    it works in. Without it, it computes the light of an environment for each scene, ten seconds in software.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{FOLDER}*"):
        owner = re.fullmatch(rf"{FOLDER}(\d+)-.*", left.name)
        if owner and not _runs(int(owner[1])):
            shutil.rmtree(left, ignore_errors=True)
    folder = tempfile.TemporaryDirectory(prefix=f"{FOLDER}{os.getpid()}-", ignore_cleanup_errors=True)
    told = Path(folder.name, "data", "default.pbr_config.json")
    told.parent.mkdir()
    told.write_text(json.dumps({"enable_ibl": False, "ibl_blut_filename": "none", "ibl_envmap_filename": "none"}))
    return folder


def _runs(pid: int) -> bool:
    """Whether a process does."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _environment(gpu: int) -> dict[str, str]:
    """Variables of a worker: quiet, and one thread each where the CPU draws."""
    quiet = {"MAGNUM_LOG": "quiet", "HABITAT_SIM_LOG": "quiet", "GLOG_minloglevel": "2"}
    return {**quiet, **os.environ, **({"LP_NUM_THREADS": "0"} if gpu < 0 else {})}


def share(
    images: Mapping[str, tuple[tuple[int, ...], type[np.generic]]],
) -> tuple[IO[bytes], dict[str, tuple[int, tuple[int, ...], str]], dict[str, np.ndarray]]:
    """Memory for images that other processes can map too.

    Args:
        images: Shape and type by name.

    Returns:
        The open file, where each image is in it (offset, shape, type), and the images.
    """
    layout: dict[str, tuple[int, tuple[int, ...], str]] = {}
    size = 0
    for name, (shape, kind) in images.items():
        layout[name] = (size, shape, np.dtype(kind).str)
        size += -(-int(np.prod(shape)) * np.dtype(kind).itemsize // 64) * 64
    # Without a name, it ends with its users.
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
    """End the workers without work."""
    processes = [process for idle in IDLE.values() for process in idle]
    IDLE.clear()
    for process in processes:
        process.connection.close()  # all at once; then each is waited for
    for process in processes:
        process.close()


def spread(rows: Sequence[int], owners: np.ndarray) -> dict[int, list[int]]:
    """Places in `rows` by the worker that owns each row."""
    found: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        found.setdefault(int(owners[row]), []).append(place)
    return found
