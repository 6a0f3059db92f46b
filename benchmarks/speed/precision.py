"""Measure whether bf16 costs accuracy, with the same runs in fp32 and in bf16 from the same seeds.

    uv run python -m benchmarks.speed.precision

The network is narrow and the images are handwritten digits, so that a seed takes seconds.
"""

import json
from statistics import mean
from typing import Annotated, Literal

import typer

from benchmarks.tools.goals import Goal, at_least, judged
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.data import load_dataset
from tune_s11.hardware import Hardware, choose_hardware
from tune_s11.search.steps.finalists import half_interval
from tune_s11.search_space import load_space
from tune_s11.training.trainer import Trainer, TrainingData

PRECISIONS: tuple[Literal["fp32", "bf16"], ...] = ("fp32", "bf16")

MARGIN = 0.005
"""Largest loss of accuracy allowed for bf16, as a fraction."""


def interval(differences: list[float]) -> tuple[float, float]:
    """Return the mean of paired differences, and half the width of its 95% confidence interval (Student's t)."""
    return mean(differences), half_interval(differences)


app = new_app("Compare the accuracy of bf16 with that of fp32.")


@app.command()
def main(
    seeds: Annotated[int, typer.Option("--seeds", parser=whole_number(2), metavar="N", help="Pairs of runs.")] = 10,
) -> None:
    """Print each pair's final validation accuracy (EMA weights) and whether they differ beyond noise."""
    recipe = load_space("quick").with_overrides({"max_lr": "0.2"}).recipe
    data = TrainingData.with_validation(load_dataset(recipe), recipe, 0)
    base = choose_hardware()
    differences = []
    print(f"{base.device}; {recipe.dataset}, width {recipe.width}, {recipe.epochs} epochs")
    print(f"{'seed':>4}" + "".join(f"{precision:>10}" for precision in PRECISIONS))
    for seed in range(seeds):
        scores = []
        for precision in PRECISIONS:
            hardware = Hardware(device=base.device, precision=precision, threads=base.threads)
            hardware.activate()
            *_, last = Trainer(recipe, data, hardware, seed)
            assert last.ema_val_accuracy is not None
            scores.append(last.ema_val_accuracy)
        differences.append(scores[1] - scores[0])
        print(f"{seed:4}" + "".join(f"{score:10.4f}" for score in scores), flush=True)
    difference, half = interval(differences)
    print(f"bf16 - fp32: {difference:+.4f}, 95% interval {difference - half:+.4f} to {difference + half:+.4f}")
    goals: dict[str, Goal] = {"lower end of the interval": at_least(difference - half, -MARGIN, digits=4)}
    print(json.dumps(judged(goals) | {"n": seeds}))


if __name__ == "__main__":
    run(app, "benchmarks.speed.precision")
