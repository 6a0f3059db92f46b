"""Measure whether bf16, or matrix products, cost accuracy: the same runs with and without, from the same seeds.

    uv run python -m benchmarks.speed.accuracy bf16       # in place of fp32
    uv run python -m benchmarks.speed.accuracy products   # in place of oneDNN's convolutions of small images, in bf16

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

MARGIN = 0.005
"""Largest loss of accuracy allowed for the faster way, as a fraction."""

Way = Literal["bf16", "products"]


def sides(way: Way) -> dict[str, Hardware]:
    """Return the usual hardware and the faster one, by name."""
    bf16 = choose_hardware("bf16", matrix_products=False)
    if way == "bf16":
        return {"fp32": bf16.model_copy(update={"precision": "fp32"}), "bf16": bf16}
    return {"oneDNN": bf16, "products": bf16.model_copy(update={"matrix_products": True})}


def interval(differences: list[float]) -> tuple[float, float]:
    """Return the mean of paired differences, and half the width of its 95% confidence interval (Student's t)."""
    return mean(differences), half_interval(differences)


app = new_app("Compare the accuracy of a faster way to compute with that of the usual one.")


@app.command()
def main(
    way: Annotated[Way, typer.Argument(help="The faster way.")],
    seeds: Annotated[int, typer.Option("--seeds", parser=whole_number(2), metavar="N", help="Pairs of runs.")] = 10,
) -> None:
    """Print each pair's final validation accuracy (EMA weights) and whether they differ beyond noise."""
    recipe = load_space("quick").with_overrides({"max_lr": "0.2"}).recipe
    data = TrainingData.with_validation(load_dataset(recipe), recipe, 0)
    compared = sides(way)
    differences = []
    print(f"{compared[way].device}; {recipe.dataset}, width {recipe.width}, {recipe.epochs} epochs")
    print(f"{'seed':>4}" + "".join(f"{name:>10}" for name in compared))
    for seed in range(seeds):
        scores = []
        for hardware in compared.values():
            hardware.activate()
            *_, last = Trainer(recipe, data, hardware, seed)
            assert last.ema_val_accuracy is not None
            scores.append(last.ema_val_accuracy)
        differences.append(scores[1] - scores[0])
        print(f"{seed:4}" + "".join(f"{score:10.4f}" for score in scores), flush=True)
    difference, half = interval(differences)
    low, high = difference - half, difference + half
    print(f"{' - '.join(reversed(compared))}: {difference:+.4f}, 95% interval {low:+.4f} to {high:+.4f}")
    goals: dict[str, Goal] = {"lower end of the interval": at_least(low, -MARGIN, digits=4)}
    print(json.dumps(judged(goals) | {"n": seeds}))


if __name__ == "__main__":
    run(app, "benchmarks.speed.accuracy")
