"""Record conditions: complete trials and short cycles at every learning rate, and ramps.

    uv run python -m benchmarks.lr_range.record --data-dir CIFAR10 --workers 2    # all that are not held out
    uv run python -m benchmarks.lr_range.record mlp-m0.9-b64

``CIFAR10`` is an image folder; without it, the conditions on CIFAR-10 are left out. Each training is one line of JSON,
appended when it finishes; the same command resumes where an interrupted one stopped.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.lr_range.conditions import CONDITIONS, LADDER, LONGER, Condition, data_dir_of
from benchmarks.race.problems import Inputs, load_inputs
from benchmarks.race.record import subject
from benchmarks.race.trial import processor_kind, rounded
from benchmarks.tools.processes import Line, Worker, missing_tasks, run_all
from benchmarks.tools.recording import recording_hardware
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.config import InputError, SearchSettings
from tune_s11.hardware import Hardware
from tune_s11.lr_range.cycles import Cycle, shorten
from tune_s11.lr_range.measuring import ramp, range_test
from tune_s11.training.trainer import Trainer

RECORDINGS = Path(__file__).parent / "recordings"

SEEDS = (0, 1, 2)
"""Seeds of complete trials: the first one chooses the best rate, the others score. Cycles of twice the length are
trained from the first seed only."""

CYCLE_SEEDS = (10, 11)
"""Seeds of short cycles; no rule sees the seeds by which it is scored."""

RAMP_SEEDS = (20, 21, 22)


Task = Cycle
"""One training: a cycle, or a ramp over all rates if it has 0 epochs."""


def plan(condition: Condition) -> list[Task]:
    """Return the trainings to run under a condition, the short ones first."""
    complete = int(condition.problem.fields["epochs"])
    lengths = [(epochs, seed) for epochs in LADDER for seed in CYCLE_SEEDS]
    lengths += [(complete, seed) for seed in SEEDS]
    lengths += [(LONGER, SEEDS[0])] if condition.longer else []
    ramps = [Task(0, 0.0, seed) for seed in RAMP_SEEDS]
    return ramps + [Task(epochs, rate, seed) for epochs, seed in lengths for rate in condition.rates]


def train(inputs: Inputs, hardware: Hardware, task: Task) -> dict[str, Any]:
    """Train once and return the line of a recording.

    Returns:
        The task's fields, ``seconds`` of processor time and the kind of ``processor``. For a cycle: ``train_loss`` in
        nats by epoch; ``raw`` and ``ema``, the validation accuracies after the last epoch; ``raw_loss`` and
        ``ema_loss``, the validation losses there; and ``held_out``, the EMA weights' accuracy on images that no rule
        sees. If it diverged, in epoch ``diverged_at``, values from there on are None. For a ramp: ``losses``, one per
        step, None from the step at which it diverged.
    """
    start = time.process_time()
    line: dict[str, Any] = {"epochs": task.epochs, "max_lr": task.max_lr, "seed": task.seed}
    if task.epochs:
        line |= _train_cycle(inputs, hardware, task)
    else:
        settings = SearchSettings()
        rates = ramp("exponential", *settings.lr_range, settings.lr_range_steps)
        losses = range_test(inputs.recipe, inputs.data, hardware, rates, task.seed)
        line["losses"] = [round(loss, 4) if loss < float("inf") else None for loss in losses.tolist()]
    return line | {"seconds": round(time.process_time() - start, 2), "processor": processor_kind()}


def _train_cycle(inputs: Inputs, hardware: Hardware, task: Task) -> dict[str, Any]:
    return train_whole(Trainer(shorten(inputs.recipe, task), inputs.data, hardware, task.seed), inputs)


def train_whole(trainer: Trainer, inputs: Inputs) -> dict[str, Any]:
    """Run a trainer to completion and return what :func:`train` records of a cycle."""
    epochs = list(trainer)
    line: dict[str, Any] = {"train_loss": [rounded(epoch.train_loss) for epoch in epochs]}
    last = epochs[-1]
    found = {"raw": last.val_accuracy, "raw_loss": last.val_loss}
    found |= {"ema": last.ema_val_accuracy, "ema_loss": last.ema_val_loss, "held_out": None}
    if trainer.diverged:
        return line | dict.fromkeys(found) | {"diverged_at": trainer.epoch}
    found["held_out"] = trainer.evaluate(trainer.average.model, trainer.on_device(inputs.held_out))[1]
    return line | {name: rounded(value) for name, value in found.items()} | {"diverged_at": None}


def recording_file(name: str, recordings: Path = RECORDINGS) -> Path:
    """Return the file of a condition."""
    return recordings / f"{name}.jsonl"


@dataclass(frozen=True)
class Job:
    """A kind of recording: how its tasks are done, recognised and summarised."""

    train: Callable[[Inputs, Hardware, Any], Line]
    """Module-level function that does one task."""
    task_of: Callable[[Line], Any]
    """Function that returns the task of a line."""
    summary: Callable[[Line], str]
    """Function that summarises a line in a few words."""

    def record(
        self, condition: Condition, tasks: Sequence[Any], path: Path, workers: int, data_dir: Path | None
    ) -> None:
        """Do the tasks that a file does not hold yet.

        Args:
            condition: Condition to train.
            tasks: All tasks that the file must hold.
            path: File to append to.
            workers: Number of processes.
            data_dir: CIFAR-10 as an image folder.

        Raises:
            InputError: The file is a recording of something else.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        inputs, dataset = load_inputs(condition.problem, data_dir_of(condition, data_dir))
        hardware = recording_hardware()
        missing = missing_tasks(path, subject(inputs, dataset.fingerprint, hardware), dataset, tasks, self.task_of)
        run_all(Worker(inputs, hardware, self.train), missing, path, workers, self.summary)


ConditionsArgument = Annotated[list[str] | None, typer.Argument(metavar="[CONDITION]...", help="Default: all.")]
WorkersOption = Annotated[int, typer.Option("--workers", parser=whole_number(1), metavar="N", help="Processes.")]
DataDirOption = Annotated[Path | None, typer.Option("--data-dir", help="CIFAR-10 as an image folder.")]
AsideOption = Annotated[bool, typer.Option("--aside", help="Record the held-out conditions instead.")]
RecordingsOption = Annotated[Path, typer.Option("--recordings", help="Folder of the recordings.")]

app = new_app("Record the conditions of the range test's benchmark.")


@app.command()
def main(
    conditions: ConditionsArgument = None,
    workers: WorkersOption = 1,
    data_dir: DataDirOption = None,
    aside: AsideOption = False,
    recordings: RecordingsOption = RECORDINGS,
) -> None:
    """Record conditions, except what their files already hold."""
    job = Job(train, lambda line: Task(line["epochs"], line["max_lr"], line["seed"]), _summary)
    for condition in chosen(conditions, data_dir, aside):
        job.record(condition, plan(condition), recording_file(condition.name, recordings), workers, data_dir)


def chosen(names: list[str] | None, data_dir: Path | None, aside: bool) -> list[Condition]:
    """Return the conditions that a command must record.

    Args:
        names: Names from the command line; None: all of a kind.
        data_dir: CIFAR-10 as an image folder; None leaves its conditions out, unless they are named.
        aside: Whether held-out conditions may be named; if no condition is named, all held-out ones are chosen.

    Raises:
        InputError: There is no such condition, or it is held out.
    """
    for name in names or []:
        if name not in CONDITIONS:
            raise InputError(f"CONDITION {name!r}: must be one of {', '.join(CONDITIONS)}")
        if CONDITIONS[name].problem.aside and not aside:
            raise InputError(f"CONDITION {name}: is kept until the rule is fixed; --aside records it, once")
    if names:
        return [CONDITIONS[name] for name in names]
    here = [condition for condition in CONDITIONS.values() if condition.problem.aside is aside]
    return [each for each in here if data_dir or each.problem.fields["dataset"] != "cifar10"]


def _summary(line: dict[str, Any]) -> str:
    if not line["epochs"]:
        return f"ramp, seed {line['seed']}"
    result = "diverged" if line["ema"] is None else f"{line['ema']:.4f}"
    return f"{line['epochs']} epochs at {line['max_lr']:<8.4g}, seed {line['seed']}: {result}"


if __name__ == "__main__":
    run(app, "benchmarks.lr_range.record")
