"""Handles SIGINT and SIGTERM: the first signal unwinds the program, the second exits at once."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
from rich.console import Console


class SearchInterruptedError(Exception):
    """Raised when the user or the system stops the search; everything that a resume needs is on disk.

    Attributes:
        exit_code: Exit code by the shell's convention: 130 after SIGINT, 143 after SIGTERM.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.strsignal(number))
        self.exit_code = 128 + number


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM within the block into a :class:`SearchInterruptedError`.

    It must be entered again once Ray has started, because Ray sets its own handler, which exits with code 15, the
    number of SIGTERM. If a signal arrives while Ray waits, Ray raises a KeyboardInterrupt that does not say which
    signal it was, so the handler here keeps the number.

    Raises:
        SearchInterruptedError: At the end of the block, even if the KeyboardInterrupt was caught inside it.
    """
    if threading.current_thread() is not threading.main_thread():  # Python handles signals in that one alone
        yield
        return
    received: list[int] = []

    def on_signal(number: int, frame: object) -> None:
        if received:
            _kill_children()
            with suppress(RuntimeError):  # The signal may have interrupted a write to this stream.
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
    """Kill all descendants. Otherwise two of Ray's processes would survive for a minute, reporting to a dead one."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            process.kill()
