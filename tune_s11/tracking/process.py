"""Tracks a search in a separate process, and controls that process from the search.

Each side writes lines to the other. The process writes ``{"ready": LINE}`` or ``{"refused": REASON}``, then ``{"sent":
true}`` after each call of the tracker, and finally ``{"done": true}`` or ``{"failed": REASON}``. The search writes
``go`` once its folder exists, and closes its side when it ends.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from tune_s11.config import InputError
from tune_s11.results.folder import SearchFolder
from tune_s11.text import printable
from tune_s11.tracking.follower import Follower
from tune_s11.tracking.record import SentRecord
from tune_s11.tracking.trackers import Tracker, TrackerName, check_installed, tracker_name

SECONDS = 2.0
"""Seconds between two passes over the folder."""

PATIENCE = 60.0
"""Seconds without a line from the process after which the tracker is abandoned, once the search has ended."""

HURRY = 5.0
"""Replacement for :data:`PATIENCE` if the search was interrupted, because the next session sends the rest."""

_ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false"}
"""Variables that stop both libraries from reporting usage to their makers; the user's environment overrides them."""


@contextmanager
def tracked(name: TrackerName | None, folder: SearchFolder, say: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Track a search while the block runs; a no-op without a tracker. See :class:`Tracking` for the arguments.

    Yields:
        The function to call once the search's folder exists.

    Raises:
        InputError: The tracker is not usable, or not installed.
    """
    if name is None:
        yield lambda: None
        return
    with Tracking(name, folder, say) as tracking:
        yield tracking.begin


class Tracking:
    """The tracking of a search, as a context manager. If the tracker fails, one line says so; the search continues.

    Args:
        name: Name of the tracker.
        folder: Folder of the search; it need not exist yet.
        say: Function that prints a line for the user; a thread calls it too.
        patience: See :data:`PATIENCE`.
    """

    def __init__(
        self, name: TrackerName, folder: SearchFolder, say: Callable[[str], None], patience: float = PATIENCE
    ) -> None:
        self._name, self._folder, self._say, self._patience = name, folder, say, patience
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._heard, self._over = time.monotonic(), False

    def __enter__(self) -> "Tracking":
        """Start the process, and wait until the tracker is known to be usable.

        Raises:
            InputError: The tracker is not usable, or not installed. Nothing has been written.
        """
        check_installed(self._name)
        root = str(Path(__file__).parents[2])
        # -P keeps the working directory off the path: users of W&B have a folder named wandb there.
        start = f"import sys; sys.path.append({root!r}); from tune_s11.tracking.process import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", start, self._name, str(self._folder.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=_ENVIRONMENT | os.environ,
            start_new_session=True,  # Ctrl-C must reach the search alone, which then ends this process
        )
        answer = _parsed(_pipe(self._process.stdout).readline())
        if "ready" not in answer:
            self._kill()
            raise InputError(answer.get("refused", f"--track {self._name}: its process did not start"))
        self.where = str(answer["ready"])
        """Line for the user that says where the runs go and how to look at them."""
        return self

    def begin(self) -> None:
        """Start tracking. The folder must have the files that :func:`tune_s11.results.load_search` reads."""
        self._say(self.where)
        self._listener.start()
        with suppress(OSError):  # the process has died, which the listener notices
            print("go", file=_pipe(self._process.stdin), flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Wait while the rest is sent."""
        patience = self._patience if error is None else HURRY
        self._heard = time.monotonic()
        try:
            with suppress(OSError):
                _pipe(self._process.stdin).close()
            while self._listener.is_alive():
                silent = time.monotonic() - self._heard
                if silent > patience and error is None:
                    self._give_up(f"has accepted nothing for {patience:g} s")
                if silent > patience:
                    break
                self._listener.join(patience - silent + 0.01)
        finally:
            self._over = True
            self._kill()

    def _listen(self) -> None:
        """Read the lines of the process until it exits."""
        answer: dict[str, Any] = {}
        for line in _pipe(self._process.stdout):
            self._heard, answer = time.monotonic(), _parsed(line)
            if "failed" in answer:
                self._give_up(answer["failed"])
        if "done" not in answer:
            self._give_up("its process has died")

    def _give_up(self, reason: str) -> None:
        if not self._over:
            self._over = True
            self._say(
                f"--track {self._name}: {printable(reason)}; the search continues without it, --resume sends the rest"
            )

    def _kill(self) -> None:
        """Kill the process and its children if it has not exited, and close the pipes."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._listener.ident is not None:
            self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                _pipe(pipe).close()


def main() -> None:
    """Follow the search until it ends; this is the main function of the separate process."""
    name, folder = tracker_name(sys.argv[1]), SearchFolder(Path(sys.argv[2]))
    assert name is not None
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not reach the search

    def answer(**fields: Any) -> None:
        print(json.dumps(fields), file=channel, flush=True)

    try:
        tracker = _tracker(name, folder)
        answer(ready=tracker.check())
    except InputError as error:
        answer(refused=str(error))
        return
    except Exception as error:
        answer(refused=f"--track {name}: {_reason(error)}")
        return
    try:
        _follow(SentRecord(folder.tracked, name, tracker.destination), folder, tracker, lambda: answer(sent=True))
        answer(done=True)
    except Exception as error:
        answer(failed=_reason(error))


def _tracker(name: TrackerName, folder: SearchFolder) -> Tracker:
    """Build the tracker. Its library is imported only here."""
    if name == "wandb":
        from tune_s11.tracking.wandb_runs import WandbTracker

        return WandbTracker(folder)
    from tune_s11.tracking.mlflow_runs import MlflowTracker

    return MlflowTracker(folder)


def _follow(record: SentRecord, folder: SearchFolder, tracker: Tracker, on_sent: Callable[[], None]) -> None:
    if sys.stdin.readline() != "go\n":
        return
    record.begin()
    follower = Follower(folder, tracker, record, on_sent)
    ended = False
    while not ended:
        ended = bool(select.select([sys.stdin], [], [], SECONDS)[0])  # readable only at the end of the input
        follower.send()
    follower.leave()


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _parsed(line: str) -> dict[str, Any]:
    """Parse a line of the process; empty if the line is truncated."""
    try:
        return dict(json.loads(line))
    except ValueError:
        return {}


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
