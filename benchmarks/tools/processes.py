"""Do tasks in worker processes, and append one line of JSON per task to a file."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from benchmarks.tools.lines import append_line, completed_subject, read_lines
from tune_s11.config import InputError
from tune_s11.data import Dataset
from tune_s11.hardware import Hardware
from tune_s11.results.manifest import build_manifest

Line = dict[str, Any]

Missing = TypeVar("Missing", bound=Hashable)


@dataclass(frozen=True)
class Worker:
    """Inputs and task function of a worker process, which receives them once."""

    inputs: Any
    hardware: Hardware
    work: Callable[[Any, Hardware, Any], Line]
    """Function that does one task; module-level, because it is pickled."""

    def run(self, task: Any) -> Line:
        """Do one task and return its line."""
        return self.work(self.inputs, self.hardware, task)


_worker: Worker


def _start(worker: Worker) -> None:
    global _worker
    _worker = worker
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # The parent handles them, and the workers exit with it.
    threading.Thread(target=exit_with_parent, daemon=True).start()
    worker.hardware.activate()


def exit_with_parent() -> None:
    """Exit as soon as the process that started this one is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _run(task: Any) -> Line:
    return _worker.run(task)


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Handle SIGTERM like Ctrl-C."""
    raise KeyboardInterrupt


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
    lines = read_lines(path)
    recorded = completed_subject(lines[0].get("of", {}) if lines else of)
    for field, value in completed_subject(of).items():
        if recorded.get(field) != value:
            raise InputError(f"{path}: was recorded with another {field}; expected the same, or no file")
    if not lines:
        append_line(path, {"of": of, "manifest": build_manifest(dataset, seed=0)})  # tasks have seeds of their own
    done = {key(line) for line in lines[1:]}
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
    start = time.monotonic()
    spawn = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(min(workers, len(tasks)), spawn, initializer=_start, initargs=(worker,))
    try:
        futures = [executor.submit(_run, task) for task in tasks]
        for finished, future in enumerate(as_completed(futures), start=1):
            line = future.result()
            append_line(path, line)
            left = (time.monotonic() - start) / finished * (len(tasks) - finished)
            print(f"{finished}/{len(tasks)}  {summarise(line)}  {left / 60:.0f} min left", flush=True)
    except KeyboardInterrupt:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for child in multiprocessing.active_children():
            child.kill()  # Waiting for their work would take long.
        print("interrupted; the same command resumes", flush=True)
        raise
    finally:
        executor.shutdown(cancel_futures=True)
