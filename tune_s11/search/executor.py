"""Functions as Ray tasks, each with a trial's resources: what is trained and timed beside the trials."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import ray
from ray import ObjectRef
from ray.exceptions import RayError

from tune_s11.hardware import Hardware, Precision, choose_hardware
from tune_s11.search.cluster import Workers
from tune_s11.storage.copies import SECONDS
from tune_s11.storage.workspace import Workspace
from tune_s11.training.metrics import RunFolder

Folder = TypeVar("Folder", bound=RunFolder)

POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Executor:
    """Runs functions on the workers of a search.

    Attributes:
        workers: What runs at once.
        precision: Requested; ``auto`` is resolved where the device is.
    """

    workers: Workers
    precision: Precision

    def hardware(self, *, compiled: bool = False) -> Hardware:
        """What the worker that asks computes with: on a GPU only if Ray gave it one, though it sees all there are.

        Args:
            compiled: As :attr:`tune_s11.hardware.Hardware.compiled`.
        """
        given = not ray.is_initialized() or bool(ray.get_gpu_ids())
        return choose_hardware(self.precision, self.workers.cpus, compiled=compiled, gpu=given)

    def run(
        self,
        task: Callable[..., Any],
        calls: Iterable[tuple[Any, ...]],
        on_wait: Callable[[], None] = lambda: None,
        on_result: Callable[[int, Any], None] = lambda call, result: None,
        *,
        compiled: bool = False,
    ) -> list[Any]:
        """Runs a task with each tuple of arguments, no more at a time than trials may run.

        One whose node or worker is lost Ray runs again, three times, elsewhere; those that train in a folder resume
        from their checkpoint there.

        Args:
            task: The function. Its first argument is the worker's hardware, which is active.
            calls: Its other arguments, a tuple a call; object references in them are resolved.
            on_wait: Called every other second, and as calls end.
            on_result: Called with the number of a call and its result, as soon as it has one.
            compiled: As :attr:`tune_s11.hardware.Hardware.compiled`.

        Returns:
            The results, in the order of the calls.
        """
        workers = self.workers
        remote = ray.remote(num_cpus=workers.cpus, num_gpus=workers.gpus)(_on_hardware)
        remote = remote.options(name=task.__name__)  # for the dashboard and tracebacks
        left, begun = deque(calls), []
        running: dict[ObjectRef, int] = {}
        while left or running:
            while left and (workers.cap is None or len(running) < workers.cap):
                begun.append(remote.remote(task, self, compiled, *left.popleft()))
                running[begun[-1]] = len(begun) - 1
            for done in ray.wait(list(running), timeout=POLL_SECONDS)[0]:
                call = running.pop(done)
                with suppress(RayError):  # The other calls finish before it is raised.
                    on_result(call, ray.get(done))
            on_wait()
        results: list[Any] = ray.get(begun)
        return results

    def run_in_folders(
        self,
        task: Callable[..., Any],
        calls: Mapping[Folder, tuple[Any, ...]],
        epochs: int,
        workspace: Workspace,
        on_progress: Callable[[int, int], None],
    ) -> list[Any]:
        """As :meth:`run`, for tasks that each train for ``epochs`` in a folder of their own.

        Args:
            task: Takes the hardware, its folder as a :class:`tune_s11.storage.copies.Shared`, and its arguments.
            calls: Arguments by folder.
            epochs: Of each.
            workspace: The folders are parts of.
            on_progress: Called now and then with epochs done and epochs in all.
        """
        looked = time.monotonic()

        def on_wait() -> None:
            nonlocal looked
            if time.monotonic() - looked >= SECONDS:
                for folder in calls:
                    workspace.peek(folder.path, folder.metrics.name)
                looked = time.monotonic()
            on_progress(sum(_last_epoch(folder) for folder in calls), epochs * len(calls))

        with_folders = ((workspace.shared(folder.path), *arguments) for folder, arguments in calls.items())
        results = self.run(task, with_folders, on_wait)
        for folder in calls:
            workspace.fetch(folder.path)
        return results


def _on_hardware(task: Callable[..., Any], executor: Executor, compiled: bool, *arguments: Any) -> Any:
    hardware = executor.hardware(compiled=compiled)
    hardware.activate()
    return task(hardware, *arguments)


def _last_epoch(folder: RunFolder) -> int:
    epochs = folder.epochs()
    return epochs[-1].epoch if epochs else 0
