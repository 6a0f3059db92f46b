"""Measure how many trials should share a GPU, or a machine's cores: trials per minute with one to four at a time.

    uv run python -m benchmarks.speed.packing

Steps of the full recipe are timed in all workers at once; the images are noise, as many as CIFAR-10 has. There is no
goal: the result on CPUs is the default there, and on GPUs ``--trials-per-gpu auto`` times the same steps on its own.
"""

import json
from statistics import median
from typing import Annotated

import ray
import torch
import typer

from benchmarks.speed.noise import FULL, noise_data
from benchmarks.tools.goals import judged
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import PrecisionOption, whole_number
from tune_s11.config import Recipe
from tune_s11.hardware import usable_cores
from tune_s11.search.workers.cluster import MOST_ON_A_GPU, Resources, connect
from tune_s11.search.workers.executor import Executor
from tune_s11.search.workers.timing import Timing, start_all, time_workers
from tune_s11.text import format_bytes

app = new_app("Measure how many trials should share a GPU, or the cores.")


@app.command()
def main(
    precision: PrecisionOption = "auto",
    width: Annotated[int, typer.Option("--width", parser=whole_number(1), metavar="N", help="Network width.")] = 64,
    rounds: Annotated[int, typer.Option("--rounds", parser=whole_number(1), metavar="N", help="Turns of each.")] = 5,
) -> None:
    """Print a step's time, trials per minute and a worker's memory, for each number of trials at a time."""
    recipe = Recipe(width=width)
    images = noise_data(*FULL)
    on_gpu = torch.cuda.is_available()
    numbers = range(1, MOST_ON_A_GPU + 1) if on_gpu else range(1, min(MOST_ON_A_GPU, usable_cores()) + 1)
    found: dict[int, list[Timing]] = {number: [] for number in numbers}
    for _ in range(rounds):
        for number in numbers:  # on a single GPU, even if there are more
            asked = Resources(gpus=1, trials_per_gpu=number) if on_gpu else Resources(gpus=0, workers=number)
            with connect(asked) as cluster:
                executor = Executor(cluster.workers, precision)
                start_all(executor)
                found[number].append(time_workers(executor, recipe, ray.put(images), FULL[1]))
    rates = {n: [timing.trials_a_minute(n, recipe.epochs) for timing in timings] for n, timings in found.items()}
    print(f"{'at a time':>9}{'ms a step':>12}{'trials a minute':>30}{'a worker holds':>18}{'of its GPU':>14}")
    for number, timings in found.items():
        spread = f"{median(rates[number]):.3g} ({min(rates[number]):.3g} to {max(rates[number]):.3g})"
        memory, gpu = (max(getattr(timing, name) for timing in timings) for name in ("memory", "gpu_memory"))
        step = 1000 * median(timing.step for timing in timings)
        print(f"{number:9}{step:12,.1f}{spread:>30}{format_bytes(memory):>18}{format_bytes(gpu):>14}")
    best = max(rates, key=lambda number: median(rates[number]))
    print(f"{best} at a time, {median(rates[best]) / median(rates[1]):.2f}x one")
    print(json.dumps(judged({}) | {"at_a_time": best, "n": rounds}))


if __name__ == "__main__":
    run(app, "benchmarks.speed.packing")
