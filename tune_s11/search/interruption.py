"""Handles SIGINT and SIGTERM: the first signal unwinds the program, and the command line exits at once on a second."""

import os
import signal
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import psutil
from rich.console import Console

_SIGNALS = (int(signal.SIGINT), int(signal.SIGTERM))


class SearchInterruptedError(Exception):
    """Raised when the user or the system stops the search; everything that a resume needs is on disk.

    Attributes:
        exit_code: Exit code by the shell's convention: 130 after SIGINT, 143 after SIGTERM.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.strsignal(number))
        self.exit_code = 128 + number


class _Handler:
    """A handler of SIGINT and SIGTERM that turns the first signal into a KeyboardInterrupt.

    Any later signal has the effect that it had before this handler, and the handlers of this class around it, were
    installed.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self._before = {number: signal.signal(number, self) for number in _SIGNALS}

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self.received:
            self.received.append(number)
            raise KeyboardInterrupt
        handler = self._before[number]
        while isinstance(handler, _Handler):
            handler = handler._before[number]
        if callable(handler):
            handler(number, frame)
        else:
            signal.signal(number, handler)
            signal.raise_signal(number)

    def remove(self) -> None:
        """Install the earlier handlers again."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM within the block into a :class:`SearchInterruptedError`.

    It must be entered again once Ray has started, because Ray sets its own handler, which exits with code 15, the
    number of SIGTERM. If a signal arrives while Ray waits, Ray raises a KeyboardInterrupt that does not say which
    signal it was, so the handler here keeps the number.

    Raises:
        SearchInterruptedError: At the end of the block, even if the KeyboardInterrupt was caught inside it.
    """
    if not _in_main_thread():
        yield
        return
    handler = _Handler()
    try:
        yield
    except BaseException as error:
        if isinstance(error, SystemExit) and error.code == signal.SIGTERM:
            handler.received.append(signal.SIGTERM)
        if handler.received:
            raise SearchInterruptedError(handler.received[0]) from None
        raise
    finally:
        handler.remove()
    if handler.received:
        raise SearchInterruptedError(handler.received[0])


@contextmanager
def exiting_at_once() -> Iterator[None]:
    """Let a signal within the block end the process and all that it has started; if also :func:`interruptible`, the
    second one. Only a program that owns its process may do so: a notebook's kernel has other children.
    """
    if not _in_main_thread():
        yield
        return
    before = {number: signal.signal(number, _exit_at_once) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def leaving_no_process() -> Iterator[None]:
    """Kill all processes that the block has started, and theirs, if it raises or is interrupted."""
    before = psutil.Process().children(recursive=True)
    try:
        yield
    except BaseException:
        _kill_descendants(but=before)
        raise


def _in_main_thread() -> bool:
    """Return whether signals can be handled: Python handles them in the main thread alone."""
    return threading.current_thread() is threading.main_thread()


def _kill_descendants(but: Collection[psutil.Process] = ()) -> None:
    for process in psutil.Process().children(recursive=True):
        if process not in but:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def _exit_at_once(number: int, frame: FrameType | None) -> None:
    """Kill all descendants and exit. Otherwise two of Ray's processes would survive for a minute."""
    _kill_descendants()
    with suppress(RuntimeError):  # The signal may have interrupted a write to this stream.
        Console().show_cursor()  # which the panel hides
    os._exit(128 + number)
