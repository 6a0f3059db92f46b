"""Run the live arms, which train their own trials, and retrain what each would ship.

    uv run python -m benchmarks.race.contest digits-s11 --repeats 20
    uv run python -m benchmarks.race.contest digits-s11 --repeats 5 --defaults-first
    uv run python -m benchmarks.race.contest cifar10-s11 --repeats 6 --data-dir CIFAR10 --arm tpe-median --arm ours

Each search is one line of JSON, appended when it finishes. The same command resumes where an interrupted one stopped;
an interrupted search is lost. Arms take turns, so an unfinished file holds about as many repeats of each. The
problem's pool must be recorded, because its median and its best known accuracy are the scale of the regret.
"""

import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.race.lab import SEEDS_APART, SEEDS_FROM
from benchmarks.race.live_arms import LIVE_ARMS
from benchmarks.race.log import Log, candidates_of, ship_of
from benchmarks.race.measures import TRIALS
from benchmarks.race.problems import Inputs, find_problem, load_inputs
from benchmarks.race.record import subject
from benchmarks.race.trial import held_out_accuracy, processor_kind
from benchmarks.tools.processes import Worker, missing_tasks, run_all
from benchmarks.tools.recording import recording_hardware
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.config import InputError
from tune_s11.hardware import Hardware
from tune_s11.training.trainer import Trainer

CONTESTS = Path(__file__).parent / "contests"


@dataclass(frozen=True)
class Task:
    """A search to run."""

    arm: str
    defaults_first: bool
    repeat: int


def contest_file(name: str, folder: Path = CONTESTS) -> Path:
    """Return the file of a problem's searches."""
    return folder / f"{name}.jsonl"


def search(inputs: Inputs, hardware: Hardware, task: Task) -> dict[str, Any]:
    """Run one search, retrain what it would ship, and return its line.

    Returns:
        The fields of the task, the fields of :class:`benchmarks.race.log.Log`, ``fresh``, ``seconds`` of wall-clock
        time, the kind of ``processor`` and the ``date``. ``fresh`` holds every row of
        :func:`benchmarks.race.log.candidates_of` that is shipped after the epochs of one complete trial or later, with
        the held-out accuracy of its EMA weights when trained from the repeat's fresh seed.
    """
    start = time.perf_counter()
    epochs = inputs.recipe.epochs
    log = LIVE_ARMS[task.arm].run(inputs, hardware, TRIALS * epochs, task.repeat, task.defaults_first)
    fresh = retrain(inputs, hardware, log, task.repeat)
    return {
        **asdict(task),
        **asdict(log),
        "fresh": {str(row): accuracy for row, accuracy in fresh.items()},
        "seconds": round(time.perf_counter() - start, 1),
        "processor": processor_kind(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def retrain(inputs: Inputs, hardware: Hardware, log: Log, repeat: int) -> dict[int, float]:
    """Retrain each candidate that would be shipped from the repeat's fresh seed; return held-out accuracies by row."""
    epochs = inputs.recipe.epochs
    candidates = candidates_of(log, epochs)
    shipped = ship_of(log, candidates, TRIALS * epochs)[epochs:]
    seed = SEEDS_FROM + repeat * SEEDS_APART + SEEDS_APART - 1
    known: dict[str, float] = {}
    fresh: dict[int, float] = {}
    for row in sorted(set(shipped.tolist())):
        params = candidates.configs[row]
        key = json.dumps(params, sort_keys=True)
        if key not in known:
            known[key] = _train_fresh(inputs, hardware, params, seed)
        fresh[row] = known[key]
    return fresh


def _train_fresh(inputs: Inputs, hardware: Hardware, params: dict[str, float], seed: int) -> float:
    trainer = Trainer(inputs.recipe.model_copy(update=params), inputs.data, hardware, seed)
    return round(held_out_accuracy(trainer, inputs), 4)


def plan(arms: list[str], repeats: int, defaults_first: bool) -> list[Task]:
    """Return the searches to run, ordered by repeat and then by arm."""
    return [Task(arm, defaults_first, repeat) for repeat in range(repeats) for arm in arms]


app = new_app("Run the arms that train their own trials.")


@app.command()
def main(
    problem: Annotated[str, typer.Argument(metavar="PROBLEM", help="Name from benchmarks/race/problems.py.")],
    repeats: Annotated[
        int, typer.Option("--repeats", parser=whole_number(1), metavar="N", help="Repeats per arm.")
    ] = 20,
    arm: Annotated[
        list[str] | None, typer.Option("--arm", metavar="ARM", help="Default: all; may be repeated.")
    ] = None,
    defaults_first: Annotated[
        bool, typer.Option("--defaults-first", help="Every arm tries the recipe's defaults first.")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", parser=whole_number(1), metavar="N", help="Processes.")] = 1,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="CIFAR-10 as an image folder.")] = None,
    aside: Annotated[bool, typer.Option("--aside", help="Run on the held-out problem.")] = False,
    contests: Annotated[Path, typer.Option("--contests", help="Folder of the searches.")] = CONTESTS,
) -> None:
    """Run repeats 0 to N-1 of each arm, except those that the file already holds."""
    chosen = find_problem(problem, aside, "runs on it, once")
    for name in arm or []:
        if name not in LIVE_ARMS:
            raise InputError(f"--arm {name}: must be one of {', '.join(LIVE_ARMS)}")
    inputs, dataset = load_inputs(chosen, data_dir)
    hardware = recording_hardware()
    path, of = contest_file(problem, contests), subject(inputs, dataset.fingerprint, hardware)
    tasks = plan(arm or list(LIVE_ARMS), repeats, defaults_first)
    missing = missing_tasks(
        path, of, dataset, tasks, lambda line: Task(line["arm"], line["defaults_first"], line["repeat"])
    )
    run_all(Worker(inputs, hardware, search), missing, path, workers, _summary)


def _summary(line: dict[str, Any]) -> str:
    start = "defaults first" if line["defaults_first"] else "no defaults"
    result = line["refused"] or f"{list(line['fresh'].values())[-1]:.4f} held out"
    return f"{line['arm']}, {start}, repeat {line['repeat']}: {len(line['trials'])} trials, {result}"


if __name__ == "__main__":
    run(app, "benchmarks.race.contest")
