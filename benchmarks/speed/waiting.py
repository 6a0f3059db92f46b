"""Measure how long the threads of a training should spin while they wait for one another.

    uv run python -m benchmarks.speed.waiting
    uv run python -m benchmarks.speed.waiting --width 4 --size 8 --batch 64

A thread that has finished its part of an operation waits for the others. GNU's OpenMP lets it spin first, because
waking it takes time, and puts it to sleep after ``GOMP_SPINCOUNT`` turns. But if another program has taken the core of
a thread that is waited for, a spinning thread keeps the core that this one could use. Each round trains in a fresh
process for each count, in turn, first with the cores to itself, then beside a search: one training with one thread for
each core.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NamedTuple

import typer

from benchmarks.speed.noise import noise_data, timed_steps
from benchmarks.tools.markdown import in_brackets, markdown_head, markdown_row
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.config import Recipe
from tune_s11.hardware import choose_hardware, usable_cores
from tune_s11.training.trainer import Trainer

DEFAULT = 300_000
COUNTS = (DEFAULT, 10_000, 1_000, 0)
"""Turns to spin before a thread sleeps; the first is that of GNU's OpenMP."""


class Sizes(NamedTuple):
    """Width of the network, side of an image in pixels, and images per step."""

    width: int
    size: int
    batch: int


Times = dict[int, dict[int, float]]
"""Seconds of a step: turns -> trainings beside it -> median."""


def steps_of(sizes: Sizes, threads: int | None) -> Iterator[float]:
    """Return the seconds of each step of a training without end."""
    hardware = choose_hardware(gpu=False, threads=threads)
    hardware.activate()
    recipe = Recipe(width=sizes.width, image_size=sizes.size, batch_size=sizes.batch, pad=1, cutout=2, max_lr=1e-3)
    trainer = Trainer(recipe, noise_data(2 * sizes.batch, size=sizes.size), hardware, seed=0)
    return timed_steps(trainer)


def train(sizes: tuple[int, int, int], steps: int) -> float:
    """Train in this process, on all cores, and return the median time of a step in seconds, after two others."""
    times = steps_of(Sizes(*sizes), None)
    return statistics.median([next(times) for _ in range(steps + 2)][2:])


def search(sizes: tuple[int, int, int]) -> None:
    """Train in this process with one thread, without end, and print a line after the first step."""
    times = steps_of(Sizes(*sizes), 1)
    print(next(times), flush=True)
    for _ in times:
        pass


@contextmanager
def beside(trainings: int, sizes: Sizes) -> Iterator[None]:
    """Run this many trainings of one thread."""
    call = f"from {__spec__.name} import search; search({tuple(sizes)})"
    begun = [subprocess.Popen([sys.executable, "-c", call], stdout=subprocess.PIPE) for _ in range(trainings)]
    try:
        for process in begun:
            assert process.stdout is not None
            process.stdout.readline()
        yield
    finally:
        for process in begun:
            process.kill()
            process.communicate()


def measure(turns: int, trainings: int, sizes: Sizes, steps: int) -> float:
    """Return what :func:`train` returns in a process whose threads spin for ``turns``, beside other trainings."""
    call = f"from {__spec__.name} import train; print(train({tuple(sizes)}, {steps}))"
    environment = os.environ | {"GOMP_SPINCOUNT": str(turns)}
    with beside(trainings, sizes):
        done = subprocess.run(
            [sys.executable, "-c", call], env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
    return float(done.stdout)


def table(found: list[Times]) -> list[str]:
    """Return the lines of a Markdown table: median, and least to most in brackets; speeds are within a round."""
    loads = list(found[0][DEFAULT])
    names = [f"beside {trainings}" if trainings else "alone" for trainings in loads]
    lines = markdown_head(["turns", *(f"{name}: {figure}" for name in names for figure in ("ms a step", "speed"))])
    for turns in COUNTS:
        cells = []
        for trainings in loads:
            cells.append(in_brackets([1000 * times[turns][trainings] for times in found], 1))
            cells.append(in_brackets([times[DEFAULT][trainings] / times[turns][trainings] for times in found], 2))
        lines.append(markdown_row([f"{turns:,}", *cells]))
    return lines


app = new_app("Measure how long the threads of a training should spin while they wait for one another.")


@app.command()
def main(
    width: Annotated[int, typer.Option(parser=whole_number(1), metavar="N", help="Width of the network.")] = 16,
    size: Annotated[int, typer.Option(parser=whole_number(8), metavar="N", help="Side of an image in pixels.")] = 32,
    batch: Annotated[int, typer.Option(parser=whole_number(1), metavar="N", help="Images per step.")] = 512,
    rounds: Annotated[int, typer.Option(parser=whole_number(1), metavar="N", help="Rounds, each with all counts.")] = 5,
    steps: Annotated[int, typer.Option(parser=whole_number(1), metavar="N", help="Measured steps per process.")] = 10,
) -> None:
    """Print a row per count: time per step, and speed relative to the default, alone and beside a search."""
    sizes, loads = Sizes(width, size, batch), (0, usable_cores())
    found = [
        {turns: {trainings: measure(turns, trainings, sizes, steps) for trainings in loads} for turns in COUNTS}
        for _ in range(rounds)
    ]
    print(f"width {width}, {batch} images of {size} x {size}, {usable_cores()} cores, n = {rounds}\n")
    print("\n".join(table(found)))


if __name__ == "__main__":
    run(app, "benchmarks.speed.waiting")
