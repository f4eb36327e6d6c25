"""Handling of signals that end a program in good order: Ctrl-C, and those that schedulers send before a job's end."""

import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

Handler = Callable[[int, Any], Any] | signal.Handlers
STDERR = 2  # file descriptor
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Stopped(KeyboardInterrupt):
    """The signal of a number asks the program to end."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(number)
        self.number = number


def exit_code(stop: KeyboardInterrupt) -> int:
    """Return the exit code of a program that ended because of a signal: 128 plus the signal's number."""
    return 128 + (stop.number if isinstance(stop, Stopped) else signal.SIGINT)


@contextmanager
def signal_handlers(handlers: Mapping[int, Handler], even_if_ignored: Collection[int] = ()) -> Iterator[None]:
    """Install signal handlers within the block. Ignored signals stay ignored, except those in `even_if_ignored`.

    Only the main thread may install handlers; in others nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in handlers}
    try:
        for number, handler in handlers.items():
            if before[number] is not signal.SIG_IGN or number in even_if_ignored:
                signal.signal(number, handler)
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextmanager
def stop_on_signal() -> Iterator[None]:
    """Raise `Stopped` within the block when a signal comes; a second signal ends the program at once."""

    def stop(number: int, _frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Stopped(number)

    with signal_handlers(dict.fromkeys(SIGNALS, stop)):
        yield


@contextmanager
def deferred_signals(answer: str = "") -> Iterator[Callable[[], Collection[int]]]:
    """Record the signals that come within the block, and yield a function that returns them. They have no other effect.

    If there is an `answer`, the first signal prints it on stderr at once, as the block may still take a while.

    A second Ctrl-C raises `Stopped` at once; other signals may repeat, since schedulers may send one twice. Ctrl-C is
    recorded even if it was ignored, as it is in a program that a shell started in the background.
    """
    came: dict[int, None] = {}

    def note(number: int, _frame: Any) -> None:
        if number == signal.SIGINT and number in came:
            raise Stopped(number)
        if answer and not came:
            os.write(STDERR, f"\n{answer}\n".encode())  # not print(), in which the signal may have come
        came[number] = None

    with signal_handlers(dict.fromkeys(SIGNALS, note), even_if_ignored=(signal.SIGINT,)):
        yield lambda: came


def ignoring_interrupts() -> AbstractContextManager[None]:
    """Ignore Ctrl-C within the block. Processes started in it ignore it for good; their parent ends them."""
    return signal_handlers({signal.SIGINT: signal.SIG_IGN})
