"""Measure how much time keeping freed memory saves per training step on CPUs, and how much memory it costs.

    uv run python -m benchmarks.speed.freed_memory
    uv run python -m benchmarks.speed.freed_memory --rounds 1 --trials 50   # does memory grow from trial to trial?

Each round trains in a fresh process for each side, in turn: with the C library's defaults; with
:func:`tune_s11.hardware.keep_freed_memory`, as the program does; and with huge pages in addition, which torch requests
if ``THP_MEM_ALLOC_ENABLE`` is set.
"""

import itertools
import json
import os
import statistics
import subprocess
import sys
from typing import Annotated, NamedTuple
from unittest.mock import patch

import typer

from benchmarks.speed.noise import noise_data, timed_steps
from benchmarks.tools.markdown import in_brackets, markdown_head, markdown_row
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.config import Recipe
from tune_s11.hardware import choose_hardware
from tune_s11.search.workers.timing import peak_memory
from tune_s11.training.trainer import Trainer

SIDES = {"default": {"DEFAULT": "1"}, "kept": {}, "kept, huge pages": {"THP_MEM_ALLOC_ENABLE": "1"}}
"""Environment of each side's process."""


class Used(NamedTuple):
    """Time and memory that the trials of a process used."""

    seconds: float
    """Median time of a training step of the first trial, without its first two steps, in which the process grows."""
    held_first: int
    """Peak memory in bytes by the end of the first trial."""
    held: int
    """Peak memory in bytes by the end of the last trial."""


def train(width: int, steps: int, trials: int) -> Used:
    """Train one trial after another in this process."""
    hardware = choose_hardware(gpu=False)
    if "DEFAULT" in os.environ:
        with patch("tune_s11.hardware.keep_freed_memory"):
            hardware.activate()
    else:
        hardware.activate()
    recipe = Recipe(width=width, max_lr=1e-3)
    data = noise_data(recipe.batch_size * 2)
    times: list[float] = []
    held = []
    for trial in range(trials):
        trainer = Trainer(recipe, data, hardware, seed=trial)
        times += itertools.islice(timed_steps(trainer), steps + 2)
        held.append(peak_memory())
    return Used(statistics.median(times[2 : steps + 2]), held[0], held[-1])


def measure(side: str, width: int, steps: int, trials: int) -> Used:
    """Train in a process of its own."""
    call = f"import json; from {__spec__.name} import train; print(json.dumps(train({width}, {steps}, {trials})))"
    done = subprocess.run(
        [sys.executable, "-c", call], env=os.environ | SIDES[side], check=True, capture_output=True, text=True
    )
    return Used(*json.loads(done.stdout))


app = new_app("Measure how much time keeping freed memory saves on CPUs.")


@app.command()
def main(
    width: Annotated[int, typer.Option(parser=whole_number(1), metavar="N", help="Width of the network.")] = 16,
    rounds: Annotated[int, typer.Option(parser=whole_number(1), metavar="N", help="Rounds, each with all sides.")] = 15,
    steps: Annotated[int, typer.Option(parser=whole_number(1), metavar="N", help="Measured steps per trial.")] = 5,
    trials: Annotated[int, typer.Option(parser=whole_number(1), metavar="N", help="Trials per process.")] = 1,
) -> None:
    """Print a row per side: time per step and memory, each also relative to the default in the same round."""
    found = [{side: measure(side, width, steps, trials) for side in SIDES} for _ in range(rounds)]
    print(f"width {width}, n = {rounds}, MiB held after the first trial, and after {trials}\n")
    print(*markdown_head(["", "ms a step", "speed", "MiB", "memory", "MiB at last"]), sep="\n")
    for side in SIDES:
        times = [1000 * used[side].seconds for used in found]
        speeds = [used["default"].seconds / used[side].seconds for used in found]
        held = [used[side].held_first / 2**20 for used in found]
        more = [used[side].held_first / used["default"].held_first for used in found]
        at_last = [used[side].held / 2**20 for used in found]
        cells = [in_brackets(times, 0), in_brackets(speeds, 2), in_brackets(held, 0), in_brackets(more, 2)]
        print(markdown_row([side, *cells, in_brackets(at_last, 0)]), flush=True)


if __name__ == "__main__":
    run(app, "benchmarks.speed.freed_memory")
