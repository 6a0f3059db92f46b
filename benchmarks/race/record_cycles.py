"""Record short complete cycles of a pool's configurations, to replay rungs that are judged after annealing.

    uv run python -m benchmarks.race.record_cycles digits-s11 --epochs 4 --epochs 2

A cycle is the whole training in fewer epochs: its peak scales with the length. Each is one line of JSON, appended when
it finishes, in ``pools/<problem>-cycles.jsonl``. The same command resumes where an interrupted one stopped.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.race.pool import POOLS, Floats, Pool, cycles_file
from benchmarks.race.problems import SEED, Inputs, draw, find_problem, load_inputs
from benchmarks.race.record import subject
from benchmarks.race.trial import FRESH, processor_kind, rounded
from benchmarks.tools.lines import read_lines
from benchmarks.tools.processes import Worker, missing_tasks, run_all
from benchmarks.tools.recording import recording_hardware
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.config import InputError
from tune_s11.hardware import Hardware
from tune_s11.training.trainer import Trainer


@dataclass(frozen=True)
class Task:
    """A cycle to train."""

    number: int
    """Number of the configuration."""
    epochs: int
    """Length of the cycle in epochs."""


def train(inputs: Inputs, hardware: Hardware, task: Task) -> dict[str, Any]:
    """Train one cycle and return its line: the task, the EMA weights' accuracies, processor time and kind.

    ``validation`` is the accuracy on the validation images after the last epoch, ``held_out`` that on the held-out
    images; both are None if the cycle diverged. Its seed differs from all seeds of the pool.
    """
    start = time.process_time()
    recipe = inputs.recipe.model_copy(update=draw(task.number))
    seed = SEED + task.number + FRESH * (100 + task.epochs)
    trainer = Trainer(recipe.resized(task.epochs), inputs.data, hardware, seed)
    score = None
    for metrics in trainer:
        score = metrics.score
    validation = held_out = None
    if not trainer.diverged:
        validation = rounded(score)
        held_out = rounded(trainer.evaluate(trainer.average.model, trainer.on_device(inputs.held_out))[1])
    return {
        "number": task.number,
        "epochs": task.epochs,
        "validation": validation,
        "held_out": held_out,
        "trained": trainer.epoch,
        "seconds": round(time.process_time() - start, 2),
        "processor": processor_kind(),
    }


def read_cycles(pool: Pool, name: str, pools: Path = POOLS) -> dict[int, Floats]:
    """Return the validation accuracy of each configuration's cycle by length, (n,); 0 where it diverged.

    Lengths that are not recorded for every configuration of the pool are left out.
    """
    by_length: dict[int, dict[int, float]] = {}
    for line in read_lines(cycles_file(name, pools))[1:]:
        by_length.setdefault(line["epochs"], {})[line["number"]] = line["validation"] or 0.0
    return {
        epochs: np.array([scores[number] for number in pool.numbers.tolist()])
        for epochs, scores in sorted(by_length.items())
        if scores.keys() >= set(pool.numbers.tolist())
    }


app = new_app("Record short cycles of a pool's configurations.")


@app.command()
def main(
    problem: Annotated[str, typer.Argument(metavar="PROBLEM", help="Name from benchmarks/race/problems.py.")],
    epochs: Annotated[
        list[int], typer.Option("--epochs", parser=whole_number(1), metavar="N", help="Length; may be repeated.")
    ],
    count: Annotated[int, typer.Option("--count", parser=whole_number(1), metavar="N", help="Configurations.")] = 256,
    workers: Annotated[int, typer.Option("--workers", parser=whole_number(1), metavar="N", help="Processes.")] = 1,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="CIFAR-10 as an image folder.")] = None,
    aside: Annotated[bool, typer.Option("--aside", help="Record the held-out problem.")] = False,
    pools: Annotated[Path, typer.Option("--pools", help="Folder of the pools.")] = POOLS,
) -> None:
    """Record the cycles of configurations 0 to N-1, except those that the file already holds."""
    chosen = find_problem(problem, aside, "records it, once")
    inputs, dataset = load_inputs(chosen, data_dir)
    for length in epochs:
        if length > inputs.recipe.epochs:
            raise InputError(f"--epochs {length}: must be at most {inputs.recipe.epochs}")
    hardware = recording_hardware()
    path = cycles_file(problem, pools)
    of = subject(inputs, dataset.fingerprint, hardware)
    tasks = [Task(number, length) for length in epochs for number in range(count)]
    missing = missing_tasks(path, of, dataset, tasks, lambda line: Task(line["number"], line["epochs"]))
    run_all(Worker(inputs, hardware, train), missing, path, workers, _summary)


def _summary(line: dict[str, Any]) -> str:
    result = "diverged" if line["held_out"] is None else f"{line['held_out']:.4f} held out"
    return f"t{line['number']:04d}  {line['epochs']} epochs  {result}  {line['seconds']:.1f} s"


if __name__ == "__main__":
    run(app, "benchmarks.race.record_cycles")
