"""Five hundred trials of one second: nothing grows in the driver or its workers, and no zombie is left."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tune_s11.results import load_search

TRIALS = 500
MIB = 2**20
LIMITS = (15.0, 2.0, 2.0)
"""What memory (MiB), file handles and threads may grow by in 100 trials. Tune and the study keep each trial."""


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


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_soak(program: Any, faults: Any, started: Callable[..., Any]) -> None:
    path = program.storage / "soak"
    short = ("--set", "width=8", "--set", "epochs=4", "--set", "peak_epoch=1", "--no-asha")
    running = started(*faults.arguments, "--name", "soak", "--samples", str(TRIALS), *short)
    seen: dict[int, list[tuple[int, Use]]] = {}
    zombies: set[int] = set()
    while running.poll() is None:
        time.sleep(1.0)
        ended = len(list(path.glob("trials/t*/result.json")))
        if (path / "best").exists():
            break
        family = program.family(running.pid)
        zombies = {pid for pid in family if state(pid) == "Z"}
        for pid in (running.pid, *faults.workers(running.pid)):
            if (used := use(pid)) is not None:
                seen.setdefault(pid, []).append((ended, used))
    assert running.wait(timeout=120) == 0, program.output.read_text()
    assert zombies == set()
    assert [trial.state for trial in load_search("soak", program.storage).trials] == ["complete"] * TRIALS
    measured = 0
    for pid, uses in seen.items():
        trials = np.array([ended for ended, _ in uses])
        settled = trials >= TRIALS // 5  # by then all is loaded
        if settled.sum() < 20:  # a worker that was there for a short while
            continue
        measured += 1
        table = np.array([used for _, used in uses])[settled]
        slopes = np.polyfit(trials[settled], table, 1)[0] * 100
        grown = (
            f"{what} {first:.0f} to {last:.0f} ({slope:+.2f} in 100 trials)"
            for what, first, last, slope in zip(Use._fields, table[0], table[-1], slopes, strict=True)
        )
        print("driver" if pid == running.pid else "worker", ", ".join(grown))
        assert np.all(slopes < LIMITS)
    assert measured >= 2
