"""SIGINT and SIGTERM: the first unwinds the program, the second leaves at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
from rich.console import Console


class SearchInterruptedError(Exception):
    """The user or the system asked the search to stop; all that a resume needs is on disk.

    Attributes:
        exit_code: 130 after SIGINT, 143 after SIGTERM, as a shell has it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.strsignal(number))
        self.exit_code = 128 + number


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it the first SIGINT or SIGTERM ends as a :class:`SearchInterruptedError`.

    Entered anew once Ray is started, for Ray sets a handler of its own, which exits with the bare number of SIGTERM.
    Ray turns a signal that meets it while it waits into a KeyboardInterrupt that no longer says which it was, so
    the handler keeps the number.

    Raises:
        SearchInterruptedError: At the end of the block, whatever became of the KeyboardInterrupt inside it.
    """
    received: list[int] = []

    def on_signal(number: int, frame: object) -> None:
        if received:
            _kill_children()
            with suppress(RuntimeError):  # The signal may have met a write to the same stream.
                Console().show_cursor()  # which the panel hides
            os._exit(128 + number)
        received.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except BaseException as error:
        if isinstance(error, SystemExit) and error.code == signal.SIGTERM:
            received.append(signal.SIGTERM)
        if received:
            raise SearchInterruptedError(received[0]) from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        raise SearchInterruptedError(received[0])


def _kill_children() -> None:
    """And theirs: two of Ray's processes would outlive it for a minute, in which they tell a dead one of its death."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            process.kill()
