"""Run hours of measurements in low-priority processes, and append each result to a file when it is done.

The same command resumes where an interrupted one stopped: results that the file already holds are not measured again.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from benchmarks.tools.lines import append_line, completed_subject, read_lines
from benchmarks.tools.processes import exit_with_parent
from tune_s11.config import InputError
from tune_s11.hardware import Hardware

NICENESS = 5
"""Niceness of the processes: measurements that take hours yield the cores to other work."""


class Material(Protocol):
    """Inputs of all measurements; each process receives them once."""

    @property
    def hardware(self) -> Hardware:
        """Hardware to compute with."""


Result = TypeVar("Result")

_material: Any


def _start(material: Material) -> None:
    global _material
    _material = material
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C, and this process exits with it
    threading.Thread(target=exit_with_parent, daemon=True).start()
    os.nice(NICENESS)
    material.hardware.activate()


def _call(method: Callable[..., Result], *arguments: Any) -> Result:
    return method(_material, *arguments)


class Background:
    """A pool of processes, as a context manager.

    The processes exit at the end of the context; after Ctrl-C, they exit immediately.

    Args:
        material: Inputs of the measurements.
        workers: Number of processes.
    """

    def __init__(self, material: Material, workers: int) -> None:
        self._executor = ProcessPoolExecutor(
            workers, multiprocessing.get_context("spawn"), initializer=_start, initargs=(material,)
        )

    def submit(self, method: Callable[..., Result], *arguments: Any) -> "Future[Result]":
        """Call a method of the material with these arguments in one of the processes."""
        return self._executor.submit(_call, method, *arguments)

    def append_results(
        self, tasks: Sequence["Future[dict[str, Any]]"], out: Path, summarise: Callable[[dict[str, Any]], str]
    ) -> None:
        """Append each task's line to ``out`` when it is done, and print its summary."""
        start = time.monotonic()
        for finished, task in enumerate(as_completed(tasks), start=1):
            line = task.result()
            append_line(out, line)
            left = (time.monotonic() - start) / finished * (len(tasks) - finished)
            print(f"{finished}/{len(tasks)}  {summarise(line)}  {left / 60:.0f} min left", flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is KeyboardInterrupt:
            print("interrupted; the same command resumes it", flush=True)
            os._exit(130)  # the processes notice and exit; their work in progress is lost
        self._executor.shutdown(cancel_futures=True)


def read_begun(out: Path, of: dict[str, Any]) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Return the header and lines of a file to resume; None and no lines if there is no file yet.

    Args:
        out: File to resume.
        of: Subject of the measurements, which must match the file's header.

    Raises:
        InputError: The file holds measurements of something else.
    """
    lines = read_lines(out)
    if not lines:
        return None, []
    header = lines[0]
    recorded = completed_subject(header.get("of", {}))
    for key, value in completed_subject(of).items():
        if recorded.get(key) != value:
            raise InputError(f"--out {out}: was recorded with another {key}; expected the same, or a new file")
    return header, lines[1:]
