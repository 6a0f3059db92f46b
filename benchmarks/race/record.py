"""Record a problem's pool: random configurations of the wide space, each trained to completion.

    uv run python -m benchmarks.race.record digits-s11
    uv run python -m benchmarks.race.record cifar10-s11 --data-dir CIFAR10 --workers 2
    uv run python -m benchmarks.race.record digits-s11 --again 40
    uv run python -m benchmarks.race.record digits-s11 --defaults

``CIFAR10`` is an image folder. Each configuration is one line of JSON, appended when it finishes; the first line of the
file describes what was recorded and how. The same command resumes where an interrupted one stopped; Ctrl-C or SIGTERM
loses the trial in progress. ``--again`` trains the best of a complete pool again from fresh seeds, twice unless
``--runs`` says otherwise. ``--defaults`` trains the recipe's defaults three times, each from its own seed.
"""

from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks.race.pool import CONFIGURATIONS, POOLS, best_file, build_pool, defaults_file, pool_file
from benchmarks.race.problems import DEFAULTS, SEED, SPACE, Inputs, find_problem, load_inputs
from benchmarks.race.trial import train
from benchmarks.tools.lines import read_lines
from benchmarks.tools.processes import Worker, missing_tasks, run_all
from benchmarks.tools.recording import recording_hardware
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.config import InputError
from tune_s11.hardware import Hardware
from tune_s11.models import build_model

REPEATS = 2
"""Number of runs from fresh seeds: of the defaults, and of each of the best configurations unless told otherwise."""

Task = tuple[int, int]
"""Number of a configuration, and its repeat, which is 0 in the pool itself."""

Plan = tuple[Path, list[Task], dict[str, Any]]
"""File, runs that it must hold, and additional fields of its header."""


def train_task(inputs: Inputs, hardware: Hardware, task: Task) -> dict[str, Any]:
    """Train one run and return its line."""
    return train(inputs, hardware, *task)


def subject(inputs: Inputs, fingerprint: str, hardware: Hardware) -> dict[str, Any]:
    """Return the subject of a recording, which must match the header of a file to resume."""
    assert inputs.data.validation is not None
    torch.manual_seed(SEED)
    network = build_model(inputs.recipe, inputs.data.num_classes)
    return {
        "recipe": inputs.recipe.model_dump(mode="json", exclude={"data_dir"}),
        # An import path does not identify the network's code, so its number of parameters is recorded too.
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "space": {name: str(domain) for name, domain in SPACE.items()},
        "seed": SEED,
        "images": {
            "train": len(inputs.data.train),
            "validation": len(inputs.data.validation),
            "held_out": len(inputs.held_out),
        },
        "fingerprint": fingerprint,
        "hardware": hardware.model_dump(exclude_defaults=True),
    }


def choose_best(pool: Path, count: int, best: int) -> list[int]:
    """Return the numbers of the ``best`` configurations of a complete pool by held-out accuracy, best first.

    Raises:
        InputError: The pool is not complete.
    """
    header, *lines = read_lines(pool) or [{}]
    recorded = {line["number"] for line in lines} & set(range(count))
    if len(recorded) < count:
        raise InputError(f"--again {best}: {pool} must be complete, {len(recorded)} of {count} are recorded")
    arrays = build_pool(header, [line for line in lines if line["number"] < count], [])
    order = sorted(range(count), key=lambda row: (-arrays.score[row], -arrays.ema[row, -1], row))
    return [int(arrays.numbers[row]) for row in order[:best]]


def plan_again(name: str, pools: Path, count: int, best: int, runs: int) -> Plan:
    """Return the plan to train a problem's best configurations again, repeat by repeat.

    The first such command fixes the best known: the file's header announces its configurations and runs. A larger one
    adds further runs to the file, for :mod:`benchmarks.race.finalists`.

    Raises:
        InputError: The pool is not complete.
    """
    path, numbers = best_file(name, pools), choose_best(pool_file(name, pools), count, best)
    tasks = [(number, repeat) for repeat in range(1, runs + 1) for number in numbers]
    announced = {"numbers": numbers, "repeats": runs}
    for header in read_lines(path)[:1]:
        before = header["of"]["best"]
        if numbers[: len(before["numbers"])] == before["numbers"] and before["repeats"] <= runs:
            announced = before
    return path, tasks, {"best": announced}


def plan_defaults(name: str, pools: Path) -> Plan:
    """Return the plan to train the defaults: one run as in a pool, and the same number of repeats."""
    tasks = [(DEFAULTS, repeat) for repeat in range(REPEATS + 1)]
    return defaults_file(name, pools), tasks, {"defaults": {"number": DEFAULTS, "runs": len(tasks)}}


app = new_app("Record a problem's pool of random configurations.")


@app.command()
def record(
    problem: Annotated[str, typer.Argument(metavar="PROBLEM", help="Name from benchmarks/race/problems.py.")],
    count: Annotated[
        int, typer.Option("--count", parser=whole_number(1), metavar="N", help="Configurations.")
    ] = CONFIGURATIONS,
    workers: Annotated[int, typer.Option("--workers", parser=whole_number(1), metavar="N", help="Processes.")] = 1,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="CIFAR-10 as an image folder.")] = None,
    again: Annotated[
        int | None,
        typer.Option("--again", parser=whole_number(1), metavar="N", help="Train the N best again instead."),
    ] = None,
    runs: Annotated[
        int, typer.Option("--runs", parser=whole_number(1), metavar="N", help="Runs of each with --again.")
    ] = REPEATS,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="Train the recipe's defaults three times instead.")
    ] = False,
    aside: Annotated[bool, typer.Option("--aside", help="Record the held-out problem.")] = False,
    pools: Annotated[Path, typer.Option("--pools", help="Folder of the pools.")] = POOLS,
) -> None:
    """Record configurations 0 to N-1, except those that the file already holds."""
    chosen = find_problem(problem, aside, "records it, once")
    if defaults and again is not None:
        raise InputError("--defaults: must stand without --again")
    if defaults:
        path, tasks, extra = plan_defaults(problem, pools)
    elif again is not None:
        path, tasks, extra = plan_again(problem, pools, count, again, runs)
    else:
        path, tasks, extra = pool_file(problem, pools), [(number, 0) for number in range(count)], {}
    inputs, dataset = load_inputs(chosen, data_dir)
    hardware = recording_hardware()
    of = subject(inputs, dataset.fingerprint, hardware) | extra
    missing = missing_tasks(path, of, dataset, tasks, lambda line: (line["number"], line.get("repeat", 0)))
    run_all(Worker(inputs, hardware, train_task), missing, path, workers, _summary)


def _summary(line: dict[str, Any]) -> str:
    score = line["score"]
    result = f"diverged in epoch {line['diverged_at']}" if score is None else f"{score['ema']:.4f} held out"
    name = "defaults" if line["number"] == DEFAULTS else f"t{line['number']:04d}"
    return f"{name}  max_lr {line['config']['max_lr']:<8.4g}  {result}  {line['seconds']:.1f} s"


if __name__ == "__main__":
    run(app, "benchmarks.race.record")
