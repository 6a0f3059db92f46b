"""Run hours of measurements in worker processes, and append one line of JSON per result to a file.

The same command resumes where an interrupted one stopped: results that the file already holds are not measured again.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, Self, TypeVar

from benchmarks.tools.lines import append_line, completed_subject, read_lines
from tune_s11.config import InputError
from tune_s11.data import Dataset
from tune_s11.hardware import Hardware
from tune_s11.results.manifest import build_manifest

NICENESS = 5
"""Niceness of the processes: measurements that take hours yield the cores to other work."""

Line = dict[str, Any]

Missing = TypeVar("Missing", bound=Hashable)
Result = TypeVar("Result")


class Material(Protocol):
    """Inputs of all measurements; each process receives them once."""

    @property
    def hardware(self) -> Hardware:
        """Hardware to compute with."""


_material: Any


def _start(material: Material) -> None:
    global _material
    _material = material
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # the parent handles them, and this process exits with it
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    os.nice(NICENESS)
    material.hardware.activate()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _call(method: Callable[..., Result], *arguments: Any) -> Result:
    return method(_material, *arguments)


class Background:
    """A pool of processes, as a context manager.

    The processes exit at the end of the context; after Ctrl-C or SIGTERM, they are killed, and their work in progress
    is lost.

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

    def append_results(self, tasks: Sequence["Future[Line]"], path: Path, summarise: Callable[[Line], str]) -> None:
        """Append each task's line to a file when it is done, and print its summary."""
        start = time.monotonic()
        for finished, task in enumerate(as_completed(tasks), start=1):
            line = task.result()
            append_line(path, line)
            left = (time.monotonic() - start) / finished * (len(tasks) - finished)
            print(f"{finished}/{len(tasks)}  {summarise(line)}  {left / 60:.0f} min left", flush=True)

    def __enter__(self) -> Self:
        self._handler = signal.signal(signal.SIGTERM, _interrupt)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is KeyboardInterrupt:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            for child in multiprocessing.active_children():
                child.kill()  # Waiting for their work would take long.
            print("interrupted; the same command resumes", flush=True)
        self._executor.shutdown(cancel_futures=True)
        signal.signal(signal.SIGTERM, self._handler)


@dataclass(frozen=True)
class Worker:
    """Material of measurements that are all done by one function."""

    inputs: Any
    hardware: Hardware
    work: Callable[[Any, Hardware, Any], Line]
    """Function that does one task; module-level, because it is pickled."""

    def run(self, task: Any) -> Line:
        """Do one task and return its line."""
        return self.work(self.inputs, self.hardware, task)


def read_begun(path: Path, of: dict[str, Any]) -> tuple[Line | None, list[Line]]:
    """Return the header and lines of a file to resume; None and no lines if there is no file yet.

    Args:
        path: File to resume.
        of: Subject of the measurements, which must match the file's header.

    Raises:
        InputError: The file holds measurements of something else.
    """
    lines = read_lines(path)
    if not lines:
        return None, []
    header = lines[0]
    recorded = completed_subject(header.get("of", {}))
    for field, value in completed_subject(of).items():
        if recorded.get(field) != value:
            raise InputError(f"{path}: was recorded with another {field}; expected the same, or no file")
    return header, lines[1:]


def missing_tasks(
    path: Path, of: dict[str, Any], dataset: Dataset, tasks: Sequence[Missing], key: Callable[[Line], Missing]
) -> list[Missing]:
    """Return the tasks whose lines a file does not hold yet, and print how many there are.

    If there is no file yet, its header is written.

    Args:
        path: File to resume.
        of: Subject of the recording, which must match the file's header.
        dataset: Dataset for the manifest.
        tasks: All tasks.
        key: Function that returns the task of a line.

    Raises:
        InputError: The file is a recording of something else.
    """
    header, lines = read_begun(path, of)
    if header is None:
        append_line(path, {"of": of, "manifest": build_manifest(dataset, seed=0)})  # tasks have seeds of their own
    done = {key(line) for line in lines}
    missing = [task for task in tasks if task not in done]
    print(f"{path}: {len(tasks) - len(missing)} recorded, {len(missing)} to go", flush=True)
    return missing


def run_all(worker: Worker, tasks: Sequence[Any], path: Path, workers: int, summarise: Callable[[Line], str]) -> None:
    """Do the tasks in order, append a line for each that is done, and print the progress.

    Args:
        worker: Worker that does the tasks.
        tasks: Arguments for the worker's function, one per task.
        path: File to append to.
        workers: Number of processes.
        summarise: Function that summarises a line in a few words.

    Raises:
        KeyboardInterrupt: The run was interrupted; the tasks in progress are lost.
    """
    if not tasks:
        return
    with Background(worker, min(workers, len(tasks))) as background:
        background.append_results([background.submit(Worker.run, task) for task in tasks], path, summarise)
