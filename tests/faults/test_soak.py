"""Searches of very many short trials: nothing grows in the driver or its workers, and no zombie is left."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tune_s11.results import load_search
from tune_s11.storage.remote import Remote

MIB = 2**20
LIMITS = (15.0, 2.0, 2.0)
"""What memory (MiB), file handles and threads may grow by in 100 trials. Tune and the study keep each trial."""

TINY = ("--set", "width=4", "--set", "epochs=2", "--set", "peak_epoch=1", "--no-asha")


class Use(NamedTuple):
    """What a process holds.

    Attributes:
        memory: Resident, in MiB.
        files: Open file handles.
        threads: Threads.
    """

    memory: float
    files: float
    threads: float


def use(pid: int) -> Use | None:
    """None where the process has just ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        files, threads = (len(os.listdir(f"/proc/{pid}/{kind}")) for kind in ("fd", "task"))
    except OSError:
        return None
    return Use(pages * os.sysconf("SC_PAGE_SIZE") / MIB, files, threads)


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"


class Watch:
    """Looks at a search's processes each second, until its refits begin.

    Attributes:
        ended: Trials that have reported; in these searches each does so once, at its end.
        zombies: Processes that nobody had waited for at the last look.
    """

    def __init__(self, program: Any, faults: Any, folder: Path, driver: int) -> None:
        self._program, self._faults, self._folder, self._driver = program, faults, folder, driver
        self._seen: dict[int, list[tuple[int, Use]]] = {}
        self._reached: dict[int, float] = {}
        self.ended, self.zombies = 0, set[int]()

    def workers(self) -> list[int]:
        return list(self._faults.workers(self._driver))

    def look(self) -> bool:
        """Whether trials are still running."""
        time.sleep(1.0)
        self.ended = len(list(self._folder.glob("trials/t*/result.json")))
        self._reached.setdefault(self.ended, time.monotonic())
        self.zombies = {pid for pid in self._program.family(self._driver) if state(pid) == "Z"}
        for pid in (self._driver, *self.workers()):
            if (used := use(pid)) is not None:
                self._seen.setdefault(pid, []).append((self.ended, used))
        return not (self._folder / "best").exists()

    def speed(self, first: int, last: int) -> float:
        """Trials per second between two counts of them."""
        counts = [count for count in self._reached if first <= count <= last]
        return (counts[-1] - counts[0]) / (self._reached[counts[-1]] - self._reached[counts[0]])

    def assert_nothing_grew(self, trials: int) -> None:
        measured = 0
        for pid, uses in self._seen.items():
            ended = np.array([ended for ended, _ in uses])
            settled = ended >= max(trials // 5, ended[0] + 25)  # by then all is loaded, in a worker that came late too
            if settled.sum() < 20 or np.ptp(ended[settled]) < 100:  # a worker that was there for a short while
                continue
            measured += 1
            table = np.array([used for _, used in uses])[settled]
            slopes = np.polyfit(ended[settled], table, 1)[0] * 100
            grown = (
                f"{what} {first:.0f} to {last:.0f} ({slope:+.2f} in 100 trials)"
                for what, first, last, slope in zip(Use._fields, table[0], table[-1], slopes, strict=True)
            )
            print("driver" if pid == self._driver else "worker", ", ".join(grown))
            assert np.all(slopes < LIMITS)
        assert measured >= 2
        print(f"trials a second: {self.speed(trials // 5, 2 * trials // 5):.2f} in the second fifth,", end=" ")
        print(f"{self.speed(4 * trials // 5, trials):.2f} in the last")


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_five_hundred_trials(program: Any, faults: Any, started: Callable[..., Any]) -> None:
    folder, trials = program.storage / "soak", 500
    running = started(*faults.arguments, "--name", "soak", "--samples", str(trials), *TINY)
    watch = Watch(program, faults, folder, running.pid)
    while running.poll() is None and watch.look():
        pass
    assert running.wait(timeout=120) == 0, program.output.read_text()
    assert watch.zombies == set()
    assert [trial.state for trial in load_search("soak", program.storage).trials] == ["complete"] * trials
    watch.assert_nothing_grew(trials)


@pytest.mark.soak
@pytest.mark.timeout(6000)
def test_fifteen_hundred_trials_ten_kills_and_a_storage_that_goes_away_twice(
    program: Any, faults: Any, reaped: Callable[[Any], Any], s3: Any, tmp_path: Path
) -> None:
    trials, chance = 1500, random.Random(0)
    program.environment |= s3.environment | {"XDG_CACHE_HOME": str(tmp_path)}
    storage = Remote(f"s3://{s3.BUCKET}/soak")
    arguments = (*faults.arguments, "--name", "long", "--samples", str(trials), *TINY)
    running = reaped(program.start(*arguments, "--storage", str(storage)))
    program.wait_for(lambda: any(tmp_path.rglob("long/trials")))
    (folder,) = (found.parent for found in tmp_path.rglob("long/trials"))
    watch = Watch(program, faults, folder, running.pid)
    kills = [trials * number // 11 for number in range(1, 11)]
    outages = [trials // 3, trials * 2 // 3]
    while running.poll() is None and watch.look():
        if kills and watch.ended >= kills[0] and (workers := watch.workers()):
            os.kill(chance.choice(workers), signal.SIGKILL)
            kills.pop(0)
        if outages and watch.ended >= outages[0]:
            away = 3 - len(outages)
            s3.pause()
            program.wait_for(lambda away=away: program.output.read_text().count("cannot be reached") == away)
            s3.resume()
            outages.pop(0)
    assert running.wait(timeout=300) == 0, program.output.read_text()
    assert kills + outages == []
    assert watch.zombies == set()
    assert program.output.read_text().count("is back and up to date") == 2
    search = load_search("long", storage)
    assert [trial.state for trial in search.trials] == ["complete"] * trials
    watch.assert_nothing_grew(trials)
