"""The signals that end a program in good order: Ctrl-C, and those by which schedulers announce the end of a job."""

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
    """The program is to end because of a signal.

    Attributes:
        number: Of the signal.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(number)
        self.number = number


def exit_code(stop: KeyboardInterrupt) -> int:
    """What a program that ends because of a signal tells the shell: 128 and the number of the signal."""
    return 128 + (stop.number if isinstance(stop, Stopped) else signal.SIGINT)


@contextmanager
def handled(handlers: Mapping[int, Handler], heard: Collection[int] = ()) -> Iterator[None]:
    """Within the block signals have other handlers; those that were ignored stay so, unless they are to be `heard`.

    Only the main thread may do that; in others nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in handlers}
    try:
        for number, handler in handlers.items():
            if before[number] is not signal.SIG_IGN or number in heard:
                signal.signal(number, handler)
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextmanager
def stop_on_signal() -> Iterator[None]:
    """Within the block a signal raises `Stopped` wherever the program is; a second one ends it on the spot."""

    def stop(number: int, _frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Stopped(number)

    with handled(dict.fromkeys(SIGNALS, stop)):
        yield


@contextmanager
def deferred_signals(answer: str = "") -> Iterator[Callable[[], Collection[int]]]:
    """Within the block the yielded function tells the signals that came, which do nothing else.

    The first one is answered at once with a line on stderr, if there is an `answer`: what goes on may take a while.

    A second Ctrl-C raises `Stopped` at once; schedulers may send a signal twice, and that changes nothing. Ctrl-C is
    heard even if it was ignored, as it is where a shell has started the program in the background.
    """
    came: dict[int, None] = {}

    def note(number: int, _frame: Any) -> None:
        if number == signal.SIGINT and number in came:
            raise Stopped(number)
        if answer and not came:
            os.write(STDERR, f"\n{answer}\n".encode())  # not print, which may be what was interrupted
        came[number] = None

    with handled(dict.fromkeys(SIGNALS, note), heard=(signal.SIGINT,)):
        yield lambda: came


def ignoring_interrupts() -> AbstractContextManager[None]:
    """Within the block Ctrl-C is ignored; by processes that are started in it for good, as their parent ends them."""
    return handled({signal.SIGINT: signal.SIG_IGN})
