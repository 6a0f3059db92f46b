"""The process that tracks a search, and what the search sees of it.

Each writes lines to the other. The process: ``{"ready": LINE}`` or ``{"refused": REASON}``, then ``{"sent": true}``
after each call of the tracker, and last ``{"done": true}`` or ``{"failed": REASON}``. The search: ``go`` once its
folder is there; at its end it closes its side.
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
"""Between two passes over the folder."""

PATIENCE = 60.0
"""Seconds without a word after which a tracker is given up, once the search has ended."""

HURRY = 5.0
"""The same where the search was interrupted: the next session sends the rest."""

_ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false"}
"""Neither library reports its use to its makers, unless the user's environment says otherwise."""


@contextmanager
def tracked(name: TrackerName | None, folder: SearchFolder, say: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """A search that is tracked, or not: arguments as :class:`Tracking`, without a tracker a no-op.

    Yields:
        What to call when the search's folder is there.

    Raises:
        InputError: The tracker is not usable, or not installed.
    """
    if name is None:
        yield lambda: None
        return
    with Tracking(name, folder, say) as tracking:
        yield tracking.begin


class Tracking:
    """A search that is tracked, as a context. A failure of the tracker is one line, and the search continues.

    Args:
        name: Of the tracker.
        folder: Of the search; need not be there yet.
        say: Prints a line for the user; called from a thread too.
        patience: As :data:`PATIENCE`.
    """

    def __init__(
        self, name: TrackerName, folder: SearchFolder, say: Callable[[str], None], patience: float = PATIENCE
    ) -> None:
        self._name, self._folder, self._say, self._patience = name, folder, say, patience
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._heard, self._over = time.monotonic(), False

    def __enter__(self) -> "Tracking":
        """Starts the process and waits until the tracker is known to be usable.

        Raises:
            InputError: It is not, or not installed. Nothing has been written.
        """
        check_installed(self._name)
        root = str(Path(__file__).parents[2])
        # Without the working directory, where W&B's users have a folder of that name.
        start = f"import sys; sys.path.append({root!r}); from tune_s11.tracking.process import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", start, self._name, str(self._folder.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=_ENVIRONMENT | os.environ,
            start_new_session=True,  # Ctrl-C is for the search, which then ends this
        )
        answer = _parsed(_pipe(self._process.stdout).readline())
        if "ready" not in answer:
            self._kill()
            raise InputError(answer.get("refused", f"--track {self._name}: its process did not start"))
        self.where = str(answer["ready"])
        """A line for the user: where the runs go, and how to look at them."""
        return self

    def begin(self) -> None:
        """Tracks from here on. The folder has what :func:`tune_s11.results.load_search` reads."""
        self._say(self.where)
        self._listener.start()
        with suppress(OSError):  # it has died, which the listener hears
            print("go", file=_pipe(self._process.stdin), flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Waits while what is left is sent."""
        patience = self._patience if error is None else HURRY
        self._heard = time.monotonic()
        try:
            with suppress(OSError):
                _pipe(self._process.stdin).close()
            while self._listener.is_alive():
                silent = time.monotonic() - self._heard
                if silent > patience and error is None:
                    self._give_up(f"has taken nothing for {patience:g} s")
                if silent > patience:
                    break
                self._listener.join(patience - silent + 0.01)
        finally:
            self._over = True
            self._kill()

    def _listen(self) -> None:
        """Until the process has left."""
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
        """Ends the process, if it has not left, and what it has started."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._listener.ident is not None:
            self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                _pipe(pipe).close()


def main() -> None:
    """Runs in the process: follows the search until its end."""
    name, folder = tracker_name(sys.argv[1]), SearchFolder(Path(sys.argv[2]))
    assert name is not None
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is not for the search

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
        _follow(SentRecord(folder.tracked, name), folder, tracker, lambda: answer(sent=True))
        answer(done=True)
    except Exception as error:
        answer(failed=_reason(error))


def _tracker(name: TrackerName, folder: SearchFolder) -> Tracker:
    """Imports the tracker's library, which happens nowhere else."""
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
        ended = bool(select.select([sys.stdin], [], [], SECONDS)[0])  # nothing comes but the end
        follower.send()
    follower.leave()


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _parsed(line: str) -> dict[str, Any]:
    """A line of the process; nothing where it was interrupted."""
    try:
        return dict(json.loads(line))
    except ValueError:
        return {}


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
