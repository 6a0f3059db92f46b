"""Measure how much memory a worker holds, and whether a machine holds the images once rather than once per worker.

    uv run python -m benchmarks.speed.memory

Workers with the full data set (noise) train a few steps and then count their unshared and their shared memory. As many
workers with a twentieth of the images show how much unshared memory has other causes.
"""

import json
import mmap
import time
from typing import Annotated, NamedTuple

import numpy as np
import psutil
import ray
import torch
import typer
from ray import ObjectRef

from benchmarks.speed.noise import FULL, MEAN, STD, noise
from benchmarks.tools.goals import at_most, judged
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.config import Recipe
from tune_s11.data import Images
from tune_s11.hardware import choose_hardware
from tune_s11.search.workers.timing import peak_memory
from tune_s11.training.trainer import Trainer, TrainingData

MIB = 2**20


class Held(NamedTuple):
    """Memory that a worker's process holds, in bytes.

    Attributes:
        peak: Peak resident memory, including shared parts.
        alone: Memory that no other process shares.
        images: Share of the object store's shared memory, with each page divided among its users.
        on_gpu: Peak memory that torch reserved on its GPU; 0 on a CPU.
    """

    peak: int
    alone: int
    images: int
    on_gpu: int


class Worker:
    """A worker that trains and reports its memory. All must train before any reports, because they share pages."""

    def train(self, data: TrainingData, width: int, steps: int) -> None:
        hardware = choose_hardware(threads=1)
        hardware.activate()
        self._trainer = Trainer(Recipe(width=width, max_lr=1e-3), data, hardware, seed=0)
        for _, (images, labels) in zip(range(steps), self._trainer.batches(0), strict=False):
            self._trainer.step(images, labels, 1e-3)
            self._trainer.average.update()
        # Touches every page of the images, as an epoch does; a sum would first copy them as integers of eight bytes.
        self._trainer.train[0].view(-1)[:: mmap.PAGESIZE].clone()

    def held(self) -> Held:
        process = psutil.Process()
        shared = [place for place in process.memory_maps(grouped=False) if "plasma" in place.path]
        return Held(
            peak=peak_memory(),
            alone=process.memory_full_info().uss,
            images=sum(place.pss for place in shared),
            on_gpu=torch.cuda.max_memory_reserved() if torch.cuda.is_available() else 0,
        )


app = new_app("Measure how much memory a worker holds.")


@app.command()
def main(
    workers: Annotated[
        int, typer.Option("--workers", parser=whole_number(1), metavar="N", help="Most workers at once.")
    ] = 8,
    width: Annotated[int, typer.Option("--width", parser=whole_number(1), metavar="N", help="Network width.")] = 16,
    steps: Annotated[int, typer.Option("--steps", parser=whole_number(1), metavar="N", help="Training steps.")] = 2,
) -> None:
    """Print, for 1, 2, 4, ... workers, the memory that each holds and that the images take in all of them."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    ray.init(
        address="local", num_cpus=workers, num_gpus=gpus, include_dashboard=False, log_to_driver=False,
        logging_level="ERROR",
    )  # fmt: skip
    train, validation = (noise(count) for count in FULL)
    size = train.pixels.nbytes + validation.pixels.nbytes
    shared = ray.put(TrainingData(train, validation, 10, MEAN, STD))
    print(f"width {width}, {sum(FULL):,} images, {size / MIB:.0f} MiB")
    print(f"{'workers':>7}{'peak of each':>16}{'its own':>12}{'images, all workers':>24}{'on its GPU':>14}")
    counts = sorted({*(2**k for k in range(10) if 2**k < workers), workers})

    def hold(data: ObjectRef, count: int) -> list[Held]:
        crew = [
            ray.remote(Worker).options(num_cpus=1, num_gpus=gpus / count if gpus else 0).remote() for _ in range(count)
        ]
        ray.get([worker.train.remote(data, width, steps) for worker in crew])
        held = [Held(*each) for each in ray.get([worker.held.remote() for worker in crew])]
        for worker in crew:
            ray.kill(worker)
        time.sleep(2)
        return held

    def alone(held: list[Held]) -> float:
        return float(np.mean([each.alone for each in held]))

    for count in counts:
        held = hold(shared, count)
        times = sum(each.images for each in held) / size
        print(
            f"{count:7}{max(each.peak for each in held) / MIB:12,.0f} MiB"
            f"{alone(held) / MIB:8,.0f} MiB"
            f"{times * size / MIB:12,.0f} MiB, {times:4.2f}x{max(each.on_gpu for each in held) / MIB:10,.0f} MiB",
            flush=True,
        )
    few, fewer = (
        Images(part.pixels[: len(part) // 20], part.labels[: len(part) // 20]) for part in (train, validation)
    )
    without = hold(ray.put(TrainingData(few, fewer, 10, MEAN, STD)), counts[-1])
    ray.shutdown()
    own = (alone(held) - alone(without)) / size
    print(f"With a twentieth of the images each of {counts[-1]} holds {alone(without) / MIB:,.0f} MiB of its own.")
    print(json.dumps(judged({f"of the images, each of {counts[-1]} workers' own": at_most(own, 0.5)})))


if __name__ == "__main__":
    run(app, "benchmarks.speed.memory")
