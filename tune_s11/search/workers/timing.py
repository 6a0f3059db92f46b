"""How fast the workers are: some steps, timed in all of them at once."""

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
"""A worker's steps are timed for so long, and at least three of them."""


@dataclass(frozen=True)
class Timing:
    """What one worker takes while the others are as busy, in seconds and bytes.

    Attributes:
        warm_up: What a process's first trainer takes longer than the next ones, compiling included.
        begin: Of making a trainer, first step included.
        step: Of a training step.
        evaluation: Of what is evaluated after an epoch.
        steps: In an epoch, a count.
        memory: What its process held at most.
        gpu_memory: What torch took of its GPU at most; 0 on a CPU.
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
        """Of an epoch, evaluation included."""
        return self.steps * self.step + self.evaluation

    def run(self, epochs: int) -> float:
        """Of a whole run, in a process that has had one before."""
        return self.begin + epochs * self.epoch

    def trials_a_minute(self, workers: int, epochs: int) -> float:
        """Of so many epochs, trained by so many workers at this timing."""
        return 60 * workers / self.run(epochs)


def start_all(executor: Executor) -> float:
    """Has as many workers as run at once import what they need; returns the seconds that it takes."""
    begun = time.monotonic()
    _on_each(executor, _wake)
    return time.monotonic() - begun


def time_workers(
    executor: Executor, recipe: Recipe, data: ObjectRef, evaluated: int, *, compiled: bool = False
) -> Timing:
    """The mean timing of workers that are all busy; what the greediest of them holds.

    Args:
        executor: What it runs on.
        recipe: As :func:`time_steps`.
        data: The same in the object store.
        evaluated: As :func:`time_steps`.
        compiled: As :attr:`tune_s11.hardware.Hardware.compiled`.

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
    """Times what a run of the recipe consists of.

    Args:
        hardware: What it computes with, and active. Where it is compiled the first step compiles.
        recipe: Of the run.
        data: To learn from.
        evaluated: Images that are evaluated after each epoch, with the raw weights and, where there is one, the EMA.
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
    pixels, labels = (part[: recipe.batch_size] for part in trainer.train)
    trainer.evaluate(trainer.model, (pixels, labels))
    evaluation = now() - trained
    return Timing(
        warm_up=max(0.0, (warm - cold) - (ready - warm)),
        begin=ready - warm,
        step=(trained - ready) / steps,
        evaluation=(2 if trainer.average.on else 1) * evaluation * evaluated / len(labels),
        steps=trainer.steps_per_epoch,
        memory=peak_memory(),
        gpu_memory=torch.cuda.max_memory_reserved() if on_gpu else 0,
    )


def peak_memory() -> int:
    """Bytes that this process has held at most, shared ones included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _on_each(executor: Executor, function: Callable[..., Any], *arguments: object, compiled: bool = False) -> list[Any]:
    """Calls a function in as many workers as run at once, all at the same time.

    Raises:
        SearchFailedError: One of them has failed.
    """
    results = executor.run(_call, [(function, *arguments)] * executor.workers.slots, compiled=compiled)
    failed = next((result for result in results if isinstance(result, Failed)), None)
    if failed is not None:
        raise SearchFailedError(f"a worker fails in its first steps: {failed.reason}")
    return results


def _call(worker: Worker, function: Callable[..., Any], *arguments: Any) -> Any:
    return function(worker.hardware, *arguments)


def _wake(hardware: Hardware) -> None:
    """Has the worker imported what it needs."""
