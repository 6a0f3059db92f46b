"""A signal ends the search as what it was, whatever Ray makes of it on the way."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import psutil
import pytest

from tune_s11.search.interruption import SearchInterruptedError, interruptible, leaving_no_process


def raise_as_ray_does(number: int) -> None:
    """Ray raises anew what meets it while it waits, without a word on which signal it was."""
    try:
        os.kill(os.getpid(), number)
        time.sleep(5)
    except KeyboardInterrupt:
        raise KeyboardInterrupt from None


def is_zombie(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def swallow(number: int) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        raise_as_ray_does(number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("meet", [raise_as_ray_does, swallow])
def test_first_signal_unwinds(number: signal.Signals, code: int, meet: Callable[[int], None]) -> None:
    before = signal.getsignal(number)
    with pytest.raises(SearchInterruptedError) as interruption, interruptible():
        meet(number)
    assert interruption.value.exit_code == code
    assert signal.getsignal(number) is before


def test_ray_s_own_handler_exits_with_the_bare_number() -> None:
    with pytest.raises(SearchInterruptedError) as interruption, interruptible():
        sys.exit(signal.SIGTERM)
    assert interruption.value.exit_code == 143


def test_beside_the_main_thread_signals_stay_as_they_are() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def run() -> None:
        with interruptible():
            seen.append(signal.getsignal(signal.SIGTERM))

    seen: list[object] = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), interruptible():
        _ = 1 / 0


def test_second_signal_leaves_at_once_with_all_that_was_started() -> None:
    program = """
import os, signal, subprocess, sys, time
from tune_s11.search.interruption import exiting_at_once, interruptible
nested = "import subprocess; child = subprocess.Popen(['sleep', '600']); print(child.pid, flush=True); child.wait()"
with exiting_at_once(), interruptible(), interruptible():  # as a search of the command line does
    try:
        child = subprocess.Popen([sys.executable, "-c", nested], stdout=subprocess.PIPE, text=True)
        print(child.pid, child.stdout.readline(), flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    finally:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(600)
"""
    done = subprocess.run([sys.executable, "-c", program], timeout=300, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 130
    child, grandchild = (int(pid) for pid in done.stdout.split())
    while any(psutil.pid_exists(pid) and not is_zombie(pid) for pid in (child, grandchild)):
        time.sleep(0.05)  # a process that stays fails the test by its timeout


def test_only_what_a_block_has_started_ends_and_only_if_the_block_fails() -> None:
    before = subprocess.Popen(["sleep", "600"])
    started: list[subprocess.Popen[bytes]] = []

    def start(then: Callable[[], object]) -> None:
        with leaving_no_process():
            started.append(subprocess.Popen(["sleep", "600"]))
            then()

    start(lambda: None)
    with pytest.raises(ZeroDivisionError):
        start(lambda: 1 / 0)
    kept, ended = started
    try:
        assert ended.wait() == -signal.SIGKILL
        assert (before.poll(), kept.poll()) == (None, None)
    finally:
        for child in (before, kept):
            child.kill()
            child.wait()


def test_a_second_interrupt_in_a_notebook_is_what_it_was_before() -> None:
    """Its kernel lives on, with whatever else it has started."""
    child = subprocess.Popen(["sleep", "600"])

    def interrupt_twice() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)

    try:
        with pytest.raises(SearchInterruptedError), interruptible(), interruptible():
            interrupt_twice()
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_a_second_sigterm_in_a_script_ends_it_as_ever() -> None:
    program = """
import signal
from tune_s11.search.interruption import interruptible
with interruptible():
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.raise_signal(signal.SIGTERM)
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=300).returncode == -signal.SIGTERM


def test_a_second_signal_gives_the_terminal_its_cursor_back() -> None:
    program = """
import os, signal, sys
from rich.console import Console
from tune_s11.search.interruption import exiting_at_once, interruptible
Console().show_cursor(False)
with exiting_at_once(), interruptible(), interruptible():  # as a search of the command line does
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        os.kill(os.getpid(), signal.SIGINT)
"""
    ours, its = pty.openpty()
    environment = os.environ | {"TERM": "xterm"}
    done = subprocess.run([sys.executable, "-c", program], stdout=its, stderr=its, env=environment, timeout=300)
    os.close(its)
    assert done.returncode == 130
    assert os.read(ours, 4096).decode().endswith("\x1b[?25l\x1b[?25h")
    os.close(ours)
