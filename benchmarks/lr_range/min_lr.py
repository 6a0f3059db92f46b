"""Record how much ``min_lr`` matters, by complete trainings at the best ``max_lr``.

    uv run python -m benchmarks.lr_range.min_lr            # conditions with a momentum of 0.9 whose rates are recorded
    uv run python -m benchmarks.lr_range.min_lr --tell     # only print the table

``min_lr`` ranges from a ten-thousandth of ``max_lr`` to all of it. The table includes the fraction of the recordings
themselves, the recipe's default of 0.01. The first seed chose the best ``max_lr`` at that fraction, and so flatters it;
only the other seeds are compared.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from benchmarks.lr_range.record import RECORDINGS, SEEDS, Job, RecordingsOption, Task, WorkersOption, train_whole
from benchmarks.lr_range.recording import Recording, or_chance, read_recordings
from benchmarks.race.measures import estimate
from benchmarks.race.problems import Inputs
from benchmarks.race.trial import processor_kind
from benchmarks.tools.lines import read_lines
from benchmarks.tools.markdown import markdown_head, markdown_row
from tune_s11.cli.app import new_app, run
from tune_s11.hardware import Hardware
from tune_s11.training.trainer import Trainer

FRACTIONS = (1e-4, 1e-3, 0.03, 0.1, 0.3, 1.0)
"""Values of ``min_lr``/``max_lr``, other than that of the recordings."""


class Lowest(NamedTuple):
    """A training to run."""

    max_lr: float
    min_lr_fraction: float
    seed: int


def train(inputs: Inputs, hardware: Hardware, task: Lowest) -> dict[str, Any]:
    """Train once and return the task's fields with what a recording keeps of a complete training."""
    start = time.process_time()
    rates = {"max_lr": task.max_lr, "min_lr_fraction": task.min_lr_fraction}
    trainer = Trainer(inputs.recipe.model_copy(update=rates), inputs.data, hardware, task.seed)
    line = task._asdict() | train_whole(trainer, inputs)
    return line | {"seconds": round(time.process_time() - start, 2), "processor": processor_kind()}


def file_of(name: str, recordings: Path = RECORDINGS) -> Path:
    """Return the file of a condition."""
    return recordings / "min_lr" / f"{name}.jsonl"


def plan(recording: Recording) -> list[Lowest]:
    """Return the trainings to run under a condition."""
    return [Lowest(recording.best, fraction, seed) for fraction in FRACTIONS for seed in SEEDS]


def accuracies(recording: Recording, recordings: Path = RECORDINGS) -> dict[float, list[float]] | None:
    """Return the held-out accuracies of the seeds that score, by ascending fraction; None if not recorded."""
    _, *lines = read_lines(file_of(recording.condition.name, recordings)) or [{}]
    by_task = {_task_of(line): or_chance(line["held_out"]) for line in lines}
    if not by_task.keys() >= set(plan(recording)):
        return None
    best, scoring, recipe = recording.best, SEEDS[1:], recording.recipe
    found = {fraction: [by_task[Lowest(best, fraction, seed)] for seed in scoring] for fraction in FRACTIONS}
    own = [or_chance(recording.lines[Task(recipe.epochs, best, seed)]["held_out"]) for seed in scoring]
    return dict(sorted((found | {recipe.min_lr_fraction: own}).items()))


def table(recordings: Sequence[Recording], folder: Path = RECORDINGS) -> list[str]:
    """Return the lines of a Markdown table: accuracy at each fraction minus that at the recipe's default, in points."""
    recorded = {each.condition.name: (each, found) for each in recordings if (found := accuracies(each, folder))}
    fractions = sorted({*FRACTIONS, *(each.recipe.min_lr_fraction for each, _ in recorded.values())})
    rows = markdown_head(["condition", *(f"{fraction:g}" for fraction in fractions)])
    differences: dict[float, list[float]] = {fraction: [] for fraction in fractions}
    for name, (each, found) in recorded.items():
        own = np.mean(found[each.recipe.min_lr_fraction])
        for fraction in fractions:
            differences[fraction].append(100 * float(np.mean(found[fraction]) - own))
        rows.append(markdown_row([name, *(f"{differences[fraction][-1]:+.1f}" for fraction in fractions)]))
    means = []
    for fraction in fractions:
        mean = estimate(np.array(differences[fraction]))
        means.append(f"{mean.mean:+.1f} ± {mean.high - mean.mean:.1f}")
    return [*rows, markdown_row(["mean", *means])]


def _task_of(line: dict[str, Any]) -> Lowest:
    return Lowest(line["max_lr"], line["min_lr_fraction"], line["seed"])


app = new_app("Record or show how much min_lr matters.")


@app.command()
def main(
    workers: WorkersOption = 1,
    tell: Annotated[bool, typer.Option("--tell", help="Only print the table.")] = False,
    recordings: RecordingsOption = RECORDINGS,
) -> None:
    """Record the named conditions on digits with a momentum of 0.9, except what their files already hold."""
    named = [each for each in read_recordings(False, recordings) if each.recipe.momentum == 0.9]
    digits = [each for each in named if each.recipe.dataset == "digits"]
    if not tell:
        job = Job(train, _task_of, _summary)
        for each in digits:
            job.record(each.condition, plan(each), file_of(each.condition.name, recordings), workers, None)
    print("\n".join(table(digits, recordings)))


def _summary(line: dict[str, Any]) -> str:
    result = "diverged" if line["held_out"] is None else f"{line['held_out']:.4f}"
    return f"min_lr/max_lr {line['min_lr_fraction']:g}, seed {line['seed']}: {result}"


if __name__ == "__main__":
    run(app, "benchmarks.lr_range.min_lr")
