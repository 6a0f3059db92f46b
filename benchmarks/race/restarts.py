"""Compare one restarted cyclic run with a complete training of each length: does it trace accuracy over length?

    uv run python -m benchmarks.race.restarts digits-s11

The run repeats the recipe's cycle, each time twice as long, and continues from the weights of the previous cycle, so it
finishes a cycle after 1, 3, 7, ... epochs. There it is compared with a complete training of as many epochs from fresh
weights (Portes et al., "Fast Benchmarking of Accuracy vs. Training Time with Cyclic Learning Rates", arXiv:2206.00832).
If both had the same accuracy, a search for the fewest epochs to a target could use one run instead of one per length.
"""

from itertools import accumulate
from typing import Annotated

import numpy as np
import typer

from benchmarks.race.measures import estimate
from benchmarks.race.problems import Inputs, defaults, find_problem, load_inputs
from benchmarks.race.trial import FRESH, held_out_accuracy, processor_kind
from benchmarks.tools.markdown import markdown_head, markdown_row
from benchmarks.tools.recording import recording_hardware
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.config import Recipe
from tune_s11.hardware import Hardware
from tune_s11.lr_range.rule import usual_rate
from tune_s11.training.trainer import Trainer

CYCLES = (1, 2, 4, 8)
"""Epochs of the run's cycles."""


def recipe_of(inputs: Inputs) -> Recipe:
    """Return the problem's recipe with the defaults, at the usual rate."""
    fields = defaults()
    rate = usual_rate("sgd", fields["momentum"], inputs.recipe.logit_scale)
    return inputs.recipe.model_copy(update=fields | {"max_lr": rate})


def run_restarted(inputs: Inputs, hardware: Hardware, seed: int) -> list[float]:
    """Return the accuracy at the end of each cycle of one run."""
    recipe, found, before = recipe_of(inputs), [], None
    for number, epochs in enumerate(CYCLES):
        trainer = Trainer(recipe.resized(epochs), inputs.data, hardware, seed + FRESH * number)
        if before is not None:
            trainer.model.load_state_dict(before.model.state_dict())
            trainer.average.model.load_state_dict(before.model.state_dict())
            trainer.optimizer.load_state_dict(before.optimizer.state_dict())
        found.append(held_out_accuracy(trainer, inputs))
        before = trainer
    return found


def run_complete(inputs: Inputs, hardware: Hardware, epochs: int, seed: int) -> float:
    """Return the accuracy of a complete training of this length."""
    return held_out_accuracy(Trainer(recipe_of(inputs).resized(epochs), inputs.data, hardware, seed), inputs)


app = new_app("Compare one restarted cyclic run with complete trainings.")


@app.command()
def main(
    problem: Annotated[str, typer.Argument(metavar="PROBLEM", help="Name from benchmarks/race/problems.py.")],
    seeds: Annotated[int, typer.Option(parser=whole_number(2), metavar="N", help="Runs of each.")] = 10,
) -> None:
    """Print a table."""
    inputs, _ = load_inputs(find_problem(problem, False, "runs it"), None)
    hardware = recording_hardware()
    hardware.activate()
    lengths = list(accumulate(CYCLES))
    restarted = np.array([run_restarted(inputs, hardware, seed) for seed in range(seeds)])
    complete = np.array([[run_complete(inputs, hardware, n, seed) for n in lengths] for seed in range(seeds)])
    print(f"{problem}, n = {seeds}, {processor_kind()}\n")
    print(*markdown_head(["epochs", "complete training", "restarted run", "points more"]), sep="\n")
    for column, epochs in enumerate(lengths):
        alone, cyclic = complete[:, column], restarted[:, column]
        mean, low, high = (100 * each for each in estimate(cyclic - alone))
        cells = [f"{each.mean():.3f} ± {each.std(ddof=1):.3f}" for each in (alone, cyclic)]
        print(markdown_row([str(epochs), *cells, f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"]))


if __name__ == "__main__":
    run(app, "benchmarks.race.restarts")
