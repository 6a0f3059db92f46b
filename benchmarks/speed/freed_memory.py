"""Measure what keeping freed memory saves in a training step on CPUs, and what a process holds for it.

    uv run python -m benchmarks.speed.freed_memory

Each round trains in a fresh process for each side, in turn: with the C library's defaults; with
:func:`tune_s11.hardware.keep_freed_memory`, as the program does; and with huge pages in addition, which torch asks for
if ``THP_MEM_ALLOC_ENABLE`` is set.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from typing import Annotated, NamedTuple
from unittest.mock import patch

import typer

from benchmarks.speed.noise import MEAN, STD, noise
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.config import Recipe
from tune_s11.hardware import choose_hardware
from tune_s11.search.workers.timing import peak_memory
from tune_s11.training.trainer import Trainer, TrainingData

SIDES = {"default": {"DEFAULT": "1"}, "kept": {}, "kept, huge pages": {"THP_MEM_ALLOC_ENABLE": "1"}}
"""Environment of each side's process."""


class Used(NamedTuple):
    """Seconds of a training step, the median of several, and the most bytes that its process has held."""

    seconds: float
    held: int


def train(width: int, steps: int) -> Used:
    """Train in this process. The first two steps do not count, because in them the process grows."""
    hardware = choose_hardware(gpu=False)
    if "DEFAULT" in os.environ:
        with patch("tune_s11.hardware.keep_freed_memory"):
            hardware.activate()
    else:
        hardware.activate()
    recipe = Recipe(width=width, max_lr=1e-3)
    trainer = Trainer(recipe, TrainingData(noise(recipe.batch_size * 2), None, 10, MEAN, STD), hardware, seed=0)
    times: list[float] = []
    while len(times) < steps + 2:
        for images, labels in trainer.batches(0):
            begun = time.perf_counter()
            trainer.step(images, labels, 1e-3)
            trainer.average.update()
            times.append(time.perf_counter() - begun)
    return Used(statistics.median(times[2:]), peak_memory())


def measure(side: str, width: int, steps: int) -> Used:
    """Train in a process of its own."""
    command = [sys.executable, "-m", __spec__.name, "train", str(width), str(steps)]
    done = subprocess.run(command, env=os.environ | SIDES[side], check=True, capture_output=True, text=True)
    return Used(*json.loads(done.stdout))


def in_brackets(values: list[float], digits: int) -> str:
    """Return a median with the least and the greatest value in brackets."""
    middle, least, most = (f"{f(values):.{digits}f}" for f in (statistics.median, min, max))
    return f"{middle} ({least} to {most})"


app = new_app("Measure what keeping freed memory saves on CPUs.")


@app.command()
def main(
    width: Annotated[int, typer.Option(parser=whole_number(1), metavar="N", help="Width of the network.")] = 16,
    rounds: Annotated[int, typer.Option(parser=whole_number(1), metavar="N", help="Rounds in turn.")] = 15,
    steps: Annotated[int, typer.Option(parser=whole_number(1), metavar="N", help="Measured steps a process.")] = 5,
) -> None:
    """Print a row for each side: the time of a step, over the default's of the same round, and memory likewise."""
    found = [{side: measure(side, width, steps) for side in SIDES} for _ in range(rounds)]
    print(f"width {width}, n = {rounds}\n\n| | ms a step | speed | MiB held | memory |\n|---|---|---|---|---|")
    for side in SIDES:
        times = [1000 * used[side].seconds for used in found]
        speeds = [used["default"].seconds / used[side].seconds for used in found]
        held = [used[side].held / 2**20 for used in found]
        more = [used[side].held / used["default"].held for used in found]
        print(f"| {side} | {in_brackets(times, 0)} | {in_brackets(speeds, 2)} | {in_brackets(held, 0)} | ", end="")
        print(f"{in_brackets(more, 2)} |", flush=True)


@app.command("train", hidden=True)
def train_and_print(width: int, steps: int) -> None:
    """Train in this process, and print what it used."""
    print(json.dumps(train(width, steps)))


if __name__ == "__main__":
    run(app, "benchmarks.speed.freed_memory")
