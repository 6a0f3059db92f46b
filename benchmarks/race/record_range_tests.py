"""Record range tests on a problem from several seeds, and a complete trial at the rate that each recommends.

    uv run python -m benchmarks.race.record_range_tests digits-s11

Three are recorded: the program's, by short cycles; its former one, by ramps; and the usual rate, which needs no test.
Each seed is one line of JSON in ``pools/<problem>-range-tests.jsonl``. The same command resumes where an interrupted
one stopped.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.race import ours, ours_now
from benchmarks.race.lab import SEEDS_APART, SEEDS_FROM, Lab
from benchmarks.race.pool import POOLS, range_tests_file
from benchmarks.race.problems import Inputs, defaults, find_problem, load_inputs
from benchmarks.race.record import subject
from benchmarks.race.trial import held_out_accuracy, processor_kind, rounded
from benchmarks.tools.processes import Worker, missing_tasks, run_all
from benchmarks.tools.recording import recording_hardware
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.config import InputError
from tune_s11.hardware import Hardware
from tune_s11.lr_range.rule import WIDEST, usual_rate
from tune_s11.training.trainer import Trainer

TESTS = ("cycles", "ramps", "usual")
"""The program's range test, its former one, and the rate that the program falls back on where cycles show nothing."""

BEYOND = 1_000_000
"""Budget in epochs that no range test reaches."""

FRESH_RUNS = 2
"""Complete trainings at the recommended rate, whose mean held-out accuracy is its quality; the first is the trial."""


def record(inputs: Inputs, hardware: Hardware, seed: int) -> dict[str, Any]:
    """Run all tests from a seed, and train at the rate that each recommends.

    Returns:
        ``seed``, ``processor``, and for each test ``low``, ``high``, ``first`` and ``epochs``, the trial's ``ema``
        (validation accuracy after each epoch) and ``quality``; None for a test that refuses.
    """
    line: dict[str, Any] = {"seed": seed, "processor": processor_kind()}
    return line | {test: _test(inputs, hardware, seed, test) for test in TESTS}


def _test(inputs: Inputs, hardware: Hardware, seed: int, test: str) -> dict[str, Any] | None:
    lab = Lab(inputs, hardware, BEYOND, seed)
    try:
        if test == "usual":
            usual, half = usual_rate("sgd", defaults()["momentum"], lab.recipe.logit_scale), 10 ** (WIDEST / 2)
            low, high, rates = usual / half, usual * half, {"max_lr": usual}
        else:
            bounds = ours_now.measure(lab) if test == "cycles" else ours.measure_bounds(lab)
            low, high, rates = bounds.low, bounds.high, bounds.first
    except InputError:
        return None
    first = defaults() | rates
    curves, scores = [], []
    for again in range(FRESH_RUNS):
        trainer = Trainer(
            inputs.recipe.model_copy(update=first), inputs.data, hardware, SEEDS_FROM + SEEDS_APART * (seed + 1) + again
        )
        curves.append([rounded(metrics.score) for metrics in trainer])
        scores.append(held_out_accuracy(trainer, inputs))
    return {
        "low": low,
        "high": high,
        "first": first,
        "epochs": lab.spent,
        "ema": curves[0],
        "quality": rounded(sum(scores) / len(scores)),
    }


app = new_app("Record range tests on a problem, from several seeds.")


@app.command()
def main(
    problem: Annotated[str, typer.Argument(metavar="PROBLEM", help="Name from benchmarks/race/problems.py.")],
    seeds: Annotated[int, typer.Option("--seeds", parser=whole_number(1), metavar="N", help="Seeds per test.")] = 10,
    workers: Annotated[int, typer.Option("--workers", parser=whole_number(1), metavar="N", help="Processes.")] = 1,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="CIFAR-10 as an image folder.")] = None,
    aside: Annotated[bool, typer.Option("--aside", help="Record the held-out problem.")] = False,
    pools: Annotated[Path, typer.Option("--pools", help="Folder of the pools.")] = POOLS,
) -> None:
    """Record seeds 0 to N-1, except those that the file already holds."""
    inputs, dataset = load_inputs(find_problem(problem, aside, "records it, once"), data_dir)
    hardware = recording_hardware()
    path = range_tests_file(problem, pools)
    of = subject(inputs, dataset.fingerprint, hardware)
    missing = missing_tasks(path, of, dataset, range(seeds), lambda line: int(line["seed"]))
    run_all(Worker(inputs, hardware, record), missing, path, workers, _summary)


def _summary(line: dict[str, Any]) -> str:
    def of(test: str) -> str:
        found = line[test]
        return f"{test} {'refused' if found is None else found['first']['max_lr']}"

    return f"seed {line['seed']}: {', '.join(map(of, TESTS))}"


if __name__ == "__main__":
    run(app, "benchmarks.race.record_range_tests")
