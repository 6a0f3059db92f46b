"""Record complete trainings with an optimizer that finds its own step size, which a range test competes with.

    uv run python -m benchmarks.lr_range.learning_rate_free --data-dir CIFAR10

This is D-Adaptation (Defazio and Mishchenko, arXiv:2301.07733) as its authors published it: ``DAdaptSGD``, or
``DAdaptAdam`` with decoupled weight decay if a condition has AdamW. Momentum, weight decay, batch, EMA and the shape of
the cycle are those of the condition. The peak rate is 1, a factor on the optimizer's own rate, as the authors advise.
Only seeds that score are trained.
"""

import time
from pathlib import Path
from typing import Any

from dadaptation import DAdaptAdam, DAdaptSGD
from torch.optim import Optimizer

from benchmarks.lr_range.record import (
    RECORDINGS,
    SEEDS,
    AsideOption,
    ConditionsArgument,
    DataDirOption,
    Job,
    RecordingsOption,
    WorkersOption,
    chosen,
    train_whole,
)
from benchmarks.race.problems import Inputs
from benchmarks.race.trial import processor_kind
from benchmarks.tools.lines import read_lines
from tune_s11.cli.app import new_app, run
from tune_s11.hardware import Hardware
from tune_s11.training.optimizer import SECOND_BETA
from tune_s11.training.trainer import Trainer


def train(inputs: Inputs, hardware: Hardware, seed: int) -> dict[str, Any]:
    """Train once and return ``seed`` with what a recording keeps of a complete training."""
    start = time.process_time()
    trainer = Trainer(inputs.recipe.model_copy(update={"max_lr": 1.0}), inputs.data, hardware, seed)
    trainer.optimizer = _optimizer(trainer)
    line = {"seed": seed} | train_whole(trainer, inputs)
    return line | {"seconds": round(time.process_time() - start, 2), "processor": processor_kind()}


def _optimizer(trainer: Trainer) -> Optimizer:
    recipe, parameters = trainer.recipe, list(trainer.model.parameters())
    if recipe.optimizer == "adamw":
        betas, decay = (recipe.momentum, SECOND_BETA), recipe.weight_decay
        adam: Optimizer = DAdaptAdam(parameters, betas=betas, weight_decay=decay, decouple=True)
        return adam
    sgd: Optimizer = DAdaptSGD(parameters, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    return sgd


def file_of(name: str, recordings: Path = RECORDINGS) -> Path:
    """Return the file of a condition."""
    return recordings / "learning_rate_free" / f"{name}.jsonl"


def read_held_out(name: str, recordings: Path = RECORDINGS) -> list[float | None]:
    """Return the held-out accuracies of a condition's trainings, None where one diverged; empty if not recorded."""
    _, *lines = read_lines(file_of(name, recordings)) or [{}]
    found = {line["seed"]: line["held_out"] for line in lines}
    return [found[seed] for seed in SEEDS[1:]] if found.keys() >= set(SEEDS[1:]) else []


app = new_app("Record trainings with an optimizer that needs no learning rate.")


@app.command()
def main(
    conditions: ConditionsArgument = None,
    workers: WorkersOption = 1,
    data_dir: DataDirOption = None,
    aside: AsideOption = False,
    recordings: RecordingsOption = RECORDINGS,
) -> None:
    """Record conditions, except what their files already hold."""
    job = Job(train, lambda line: line["seed"], _summary)
    for condition in chosen(conditions, data_dir, aside):
        job.record(condition, SEEDS[1:], file_of(condition.name, recordings), workers, data_dir)


def _summary(line: dict[str, Any]) -> str:
    return f"seed {line['seed']}: " + ("diverged" if line["held_out"] is None else f"{line['held_out']:.4f}")


if __name__ == "__main__":
    run(app, "benchmarks.lr_range.learning_rate_free")
