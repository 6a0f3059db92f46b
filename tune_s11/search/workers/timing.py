"""Measures how fast the workers are, by timing some steps in all of them at once."""

import itertools
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from ray import ObjectRef

from tune_s11.config import Recipe
from tune_s11.hardware import Hardware
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.workers.executor import Executor
from tune_s11.search.workers.parts import Failed, Worker
from tune_s11.training.trainer import Trainer, TrainingData

MEASURED_SECONDS = 4.0
"""Seconds for which a worker's steps are timed, but at least three steps."""


@dataclass(frozen=True)
class Timing:
    """The costs of one worker while all others are equally busy, in seconds and bytes.

    Attributes:
        warm_up: Extra time of a process's first trainer over later ones, compilation included.
        begin: Time to build a trainer, first step included.
        step: Time of a training step.
        evaluation: Time of the evaluations after an epoch.
        steps: Number of steps in an epoch.
        memory: Peak memory of the worker's process.
        gpu_memory: Peak memory that torch has reserved on its GPU; 0 on a CPU.
    """

    warm_up: float
    begin: float
    step: float
    evaluation: float
    steps: int
    memory: int
    gpu_memory: int

    @property
    def epoch(self) -> float:
        """Seconds per epoch, evaluation included."""
        return self.steps * self.step + self.evaluation

    def run(self, epochs: int) -> float:
        """Return the seconds of a whole run, in a process that has already had one."""
        return self.begin + epochs * self.epoch

    def trials_a_minute(self, workers: int, epochs: int) -> float:
        """Return how many trials of this many epochs this many workers train per minute."""
        return 60 * workers / self.run(epochs)


def start_all(executor: Executor) -> float:
    """Make as many workers as run at once import what they need; return the seconds that this takes."""
    begun = time.monotonic()
    _on_each(executor, _wake)
    return time.monotonic() - begun


def time_workers(
    executor: Executor, recipe: Recipe, data: ObjectRef, evaluated: int, *, compiled: bool = False
) -> Timing:
    """Return the mean timing of workers that are all busy, with the memory of the one that needs most.

    Args:
        executor: Executor to run on.
        recipe: See :func:`time_steps`.
        data: Data for :func:`time_steps`, in the object store.
        evaluated: See :func:`time_steps`.
        compiled: See :attr:`tune_s11.hardware.Hardware.compiled`.

    Raises:
        SearchFailedError: A worker fails.
    """
    timings = _on_each(executor, time_steps, recipe, data, evaluated, compiled=compiled)
    return Timing(
        warm_up=float(np.mean([timing.warm_up for timing in timings])),
        begin=float(np.mean([timing.begin for timing in timings])),
        step=float(np.mean([timing.step for timing in timings])),
        evaluation=float(np.mean([timing.evaluation for timing in timings])),
        steps=timings[0].steps,
        memory=max(timing.memory for timing in timings),
        gpu_memory=max(timing.gpu_memory for timing in timings),
    )


def time_steps(hardware: Hardware, recipe: Recipe, data: TrainingData, evaluated: int) -> Timing:
    """Time the parts of a run of the recipe: start, training steps and evaluation.

    Args:
        hardware: Active hardware to compute with. If it is compiled, the first step compiles.
        recipe: Recipe of the run.
        data: Images to train on.
        evaluated: Number of images that are evaluated after each epoch, with the raw weights and any EMA weights.
    """
    on_gpu = hardware.device == "cuda"

    def now() -> float:
        if on_gpu:
            torch.cuda.synchronize()
        return time.perf_counter()

    def begin() -> tuple[Trainer, Callable[[], None]]:
        trainer = Trainer(recipe, data, hardware, seed=0)
        batches = itertools.chain.from_iterable(trainer.batches(epoch) for epoch in itertools.count())

        def step() -> None:
            trainer.step(*next(batches), lr=recipe.min_lr)
            trainer.average.update()

        step()
        return trainer, step

    cold = now()
    begin()
    warm = now()
    trainer, step = begin()
    ready, steps = now(), 0
    while steps < 3 or now() - ready < MEASURED_SECONDS:
        step()
        steps += 1
    trained = now()
    images = trainer.train[0][: recipe.batch_size], trainer.train[1][: recipe.batch_size]
    trainer.evaluate(trainer.model, images)  # the first one is slower: on a GPU it loads kernels and plans convolutions
    warmed = now()
    trainer.evaluate(trainer.model, images)
    evaluation = now() - warmed
    return Timing(
        warm_up=max(0.0, (warm - cold) - (ready - warm)),
        begin=ready - warm,
        step=(trained - ready) / steps,
        evaluation=(2 if trainer.average.on else 1) * evaluation * evaluated / len(images[1]),
        steps=trainer.steps_per_epoch,
        memory=peak_memory(),
        gpu_memory=torch.cuda.max_memory_reserved() if on_gpu else 0,
    )


def peak_memory() -> int:
    """Return the peak memory of this process in bytes, including shared memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _on_each(executor: Executor, function: Callable[..., Any], *arguments: object, compiled: bool = False) -> list[Any]:
    """Call a function in as many workers as run at once, all at the same time.

    Raises:
        SearchFailedError: A worker has failed.
    """
    results = executor.run(_call, [(function, *arguments)] * executor.workers.slots, compiled=compiled)
    failed = next((result for result in results if isinstance(result, Failed)), None)
    if failed is not None:
        raise SearchFailedError(f"a worker failed in its first steps: {failed.reason}")
    return results


def _call(worker: Worker, function: Callable[..., Any], *arguments: Any) -> Any:
    return function(worker.hardware, *arguments)


def _wake(hardware: Hardware) -> None:
    """Do nothing: a worker that runs this has imported what it needs."""
