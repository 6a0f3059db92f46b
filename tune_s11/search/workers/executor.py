"""Runs functions as Ray tasks, each with a trial's resources: all training and timing except the trials."""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import ray
import torch

from tune_s11.config import InputError
from tune_s11.hardware import Hardware, Precision, choose_hardware, why_no_gpu
from tune_s11.search.failures import Watchdog
from tune_s11.search.ray_internals import Heartbeat
from tune_s11.search.workers.cluster import Workers
from tune_s11.search.workers.parts import Parts, Worker
from tune_s11.storage.sync import SECONDS
from tune_s11.storage.workspace import Workspace
from tune_s11.training.metrics import RunFolder

Folder = TypeVar("Folder", bound=RunFolder)


@dataclass(frozen=True)
class Executor:
    """A runner of functions on the workers of a search.

    Attributes:
        workers: Workers that run at once.
        precision: Requested precision; ``auto`` is resolved on the worker.
        stall_timeout: Seconds without a report; see :class:`tune_s11.search.failures.Watchdog`.
        max_failures: Number of times that a call is repeated if its worker dies, hangs or raises.
        matrix_products: See :func:`tune_s11.hardware.choose_hardware`; a search that began without continues without.
    """

    workers: Workers
    precision: Precision
    stall_timeout: float | None = None
    max_failures: int = 0
    matrix_products: bool = True

    def hardware(self, *, compiled: bool = False) -> Hardware:
        """Return the hardware of the calling worker: a GPU only if Ray assigned it one, although it may see others.

        Args:
            compiled: See :attr:`tune_s11.hardware.Hardware.compiled`.

        Raises:
            InputError: Ray assigned it a GPU that torch cannot use. On the CPU it would hold up the search, silently.
        """
        in_ray = ray.is_initialized()
        assigned = in_ray and bool(ray.get_gpu_ids())
        if assigned and (why := why_gpu_is_unusable()):
            raise InputError(f"node {ray.util.get_node_ip_address()}: {why}")
        cpus, products, gpu = self.workers.cpus, self.matrix_products, assigned or not in_ray
        return choose_hardware(self.precision, cpus, compiled=compiled, matrix_products=products, gpu=gpu)

    def run(
        self,
        task: Callable[..., Any],
        calls: Iterable[tuple[Any, ...]],
        on_wait: Callable[[], None] = lambda: None,
        on_result: Callable[[int, Any], None] = lambda call, result: None,
        on_failure: Callable[[int, str], None] = lambda call, reason: None,
        *,
        compiled: bool = False,
    ) -> list[Any]:
        """Run a task with each tuple of arguments, with at most as many calls at a time as trials.

        A call whose node or worker is lost, hangs or raises is run again elsewhere. Calls that train in a folder resume
        from their checkpoint there. A few calls get more of a GPU than trials that share one.

        Args:
            task: Function to run. Its first argument is a :class:`tune_s11.search.workers.parts.Worker`.
            calls: Other arguments of the function, one tuple per call; object references in them are resolved.
            on_wait: Function that is called every two seconds, and when calls end.
            on_result: Function that is called with the number of a call and its result, as soon as it is there.
            on_failure: Function that is called with the number of a call that will be run again, and the reason.
            compiled: See :attr:`tune_s11.hardware.Hardware.compiled`.

        Returns:
            The results in the order of the calls, with a :class:`tune_s11.search.workers.parts.Failed` for each call
            that has failed for good.

        Raises:
            InputError: A call raised it.
            RayError: A call met a disk error that only the user can fix.
        """
        with_task = [(task, self, compiled, *arguments) for arguments in calls]
        workers = _over_all_gpus(self.workers, len(with_task))
        remote = ray.remote(num_cpus=workers.cpus, num_gpus=workers.gpus, max_retries=0)(_on_hardware)
        name = task.__name__  # for the dashboard and tracebacks
        parts = Parts(remote, name, workers, Watchdog(self.stall_timeout), self.max_failures)
        return parts.run(with_task, on_wait, on_result, on_failure)

    def run_in_folders(
        self,
        task: Callable[..., Any],
        calls: Mapping[Folder, tuple[Any, ...]],
        epochs: int,
        workspace: Workspace,
        on_progress: Callable[[int, int], None],
        on_failure: Callable[[int, str], None],
    ) -> list[Any]:
        """Run tasks that each train for ``epochs`` in a folder of their own; see :meth:`run`.

        Args:
            task: Function of the worker, its folder as a :class:`tune_s11.storage.sync.Shared`, and its arguments.
            calls: Arguments by folder.
            epochs: Epochs of each task.
            workspace: Workspace that contains the folders.
            on_progress: Function that is called repeatedly with the number of epochs done and the total.
            on_failure: See :meth:`run`.
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
        results = self.run(task, with_folders, on_wait, on_failure=on_failure)
        for folder in calls:
            workspace.fetch(folder.path)
        return results


def why_gpu_is_unusable() -> str | None:
    """Return why torch cannot use the GPU that Ray gives to this process; None if it can."""
    if torch.cuda.is_available():
        return None
    return f"Ray gives it a GPU, but {why_no_gpu()}; expected --gpus 0, or a driver and a torch that can use it"


def _over_all_gpus(workers: Workers, calls: int) -> Workers:
    """Return the workers for a stage of a few calls, of which as few as possible share a GPU.

    Ray puts fractions of a GPU onto the first one with room, so with a trial's share they would leave the others idle.
    Where nodes have the CPUs, all calls that would run at once with that share still do.
    """
    gpus = math.ceil(workers.slots * workers.gpus)
    return replace(workers, gpus=max(workers.gpus, 1 / math.ceil(calls / gpus))) if gpus and calls else workers


def _on_hardware(
    alive: Heartbeat, task: Callable[..., Any], executor: Executor, compiled: bool, *arguments: Any
) -> Any:
    alive()
    hardware = executor.hardware(compiled=compiled)
    hardware.activate()
    return task(Worker(hardware, alive, alive.waiting), *arguments)


def _last_epoch(folder: RunFolder) -> int:
    epochs = folder.epochs()
    return epochs[-1].epoch if epochs else 0
