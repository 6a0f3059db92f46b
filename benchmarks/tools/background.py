"""Hours of measurements in processes that stand back for other work, each result a line of a file when it is done.

The same command goes on where an interrupted one stopped: what is in the file is not measured again.
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

from benchmarks.tools.lines import append_line, read_lines
from tune_s11.config import InputError, Recipe, completed
from tune_s11.hardware import Hardware

NICENESS = 5
"""Of the processes: what takes hours can wait for whoever else needs the cores."""


class Material(Protocol):
    """What all measurements are made from; each process gets it once."""

    @property
    def hardware(self) -> Hardware:
        """What they compute with."""


Result = TypeVar("Result")

_material: Any


def _start(material: Material) -> None:
    global _material
    _material = material
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, and without it there is none of this
    threading.Thread(target=_die_with_parent, daemon=True).start()
    os.nice(NICENESS)
    material.hardware.activate()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _call(method: Callable[..., Result], *arguments: Any) -> Result:
    return method(_material, *arguments)


class Background:
    """The processes; as a context they end with it, after Ctrl-C at once.

    Args:
        material: What they measure with.
        workers: How many.
    """

    def __init__(self, material: Material, workers: int) -> None:
        self._executor = ProcessPoolExecutor(
            workers, multiprocessing.get_context("spawn"), initializer=_start, initargs=(material,)
        )

    def submit(self, method: Callable[..., Result], *arguments: Any) -> "Future[Result]":
        """Has a method of the material called with these arguments in one of the processes."""
        return self._executor.submit(_call, method, *arguments)

    def append_results(
        self, tasks: Sequence["Future[dict[str, Any]]"], out: Path, told: Callable[[dict[str, Any]], str]
    ) -> None:
        """Appends each task's line to ``out`` when it is done, and prints what ``told`` makes of it."""
        start = time.monotonic()
        for finished, task in enumerate(as_completed(tasks), start=1):
            line = task.result()
            append_line(out, line)
            left = (time.monotonic() - start) / finished * (len(tasks) - finished)
            print(f"{finished}/{len(tasks)}  {told(line)}  {left / 60:.0f} min left", flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is KeyboardInterrupt:
            print("interrupted; the same command goes on", flush=True)
            os._exit(130)  # the processes notice, and what they were at is lost
        self._executor.shutdown(cancel_futures=True)


def read_begun(out: Path, of: dict[str, Any]) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Header and lines of a file to resume; None and no lines where there is none yet.

    Args:
        out: The file.
        of: What is to be measured: lines belong into one file only where all of this is the same.

    Raises:
        InputError: The file is of something else.
    """
    lines = read_lines(out)
    if not lines:
        return None, []
    header = lines[0]
    recorded = _completed(header.get("of", {}))
    for key, value in _completed(of).items():
        if recorded.get(key) != value:
            raise InputError(f"--out {out}: was recorded with another {key}; expected the same, or a new file")
    return header, lines[1:]


def _completed(of: dict[str, Any]) -> dict[str, Any]:
    """Its recipe with the defaults of fields that it was recorded without."""
    return of | {"recipe": completed(Recipe, of["recipe"])} if "recipe" in of else of
