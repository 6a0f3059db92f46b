"""Runs the LR range test on its own: ``tune-s11 lr``."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from tune_s11.cli.arguments import refuse_unused, resolve_config
from tune_s11.cli.options import (
    DataDirOption,
    ModelOption,
    PrecisionOption,
    SeedOption,
    SpaceOption,
    ThreadsOption,
    set_option,
)
from tune_s11.config import InputError
from tune_s11.hardware import Hardware, choose_hardware
from tune_s11.lr_range.curve import Floats, LRCurve
from tune_s11.lr_range.cycles import Cycle, Outcome
from tune_s11.lr_range.rule import ask, expected_epochs, recommend
from tune_s11.results.lr_range import RangeTest
from tune_s11.search_space import SearchConfig

_USED = ("seed", "lr_range", "lr_range_steps", "lr_range_seeds", "lr_range_trials")
"""Settings of a search that the range test uses."""

if TYPE_CHECKING:  # torch takes seconds to import, and neither --help nor shell completion needs it
    from tune_s11.training.trainer import TrainingData


def lr(
    space: SpaceOption = "s11",
    settings: Annotated[list[str] | None, set_option("a field of the recipe, search.seed or search.lr_range*")] = None,
    data_dir: DataDirOption = None,
    model: ModelOption = None,
    seed: SeedOption = None,
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    linear: Annotated[
        bool, typer.Option("--linear", help="Raise the rate linearly in ramps (default: exponentially).")
    ] = False,
    out: Annotated[Path, typer.Option("--out", help="New file to write; its picture is written beside it.")] = Path(
        "lr_range.json"
    ),
) -> None:
    """Runs the LR range test. Prints its recommendation, and writes its measurements and their picture."""
    from tune_s11.data import load_dataset
    from tune_s11.lr_range.measuring import ramp
    from tune_s11.training.trainer import TrainingData, try_out

    picture = out.with_suffix(".png") if out.name else out
    if out.exists() or picture.exists() or picture == out or not os.access(out.parent, os.W_OK | os.X_OK):
        raise InputError(f"--out {out}: must name a new file in a writable folder, with no {picture.name} beside it")
    refuse_unused(settings, "the range test", *(f"search.{name}" for name in _USED), unused=("max_lr",))
    config = resolve_config(space, settings, data_dir, model, seed)
    recipe, search = config.recipe, config.search
    hardware = choose_hardware(precision, threads)
    hardware.activate()
    dataset = load_dataset(recipe)
    for note in dataset.notes:
        print(f"data: {note}")
    data = TrainingData.with_validation(dataset, recipe, search.seed)
    try_out(recipe, data)
    lrs = ramp("linear" if linear else "exponential", *search.lr_range, search.lr_range_steps)
    measured = _measure(config, data, hardware, lrs)
    for name, rate in measured.suggestions.items():
        print(f"{name:12s} {rate:.4g}  (read off the ramps)")
    for name, reason in measured.bounds.reasons.items():
        print(f"{name:12s} {getattr(measured.bounds, name):.4g}  ({reason})")
    from tune_s11.report import figures  # Matplotlib takes a second to import.

    measured.write(out)
    figures.save(figures.draw_range_test(measured), picture)
    print(f"range test: {out}, {picture}")


def _measure(config: SearchConfig, data: "TrainingData", hardware: Hardware, lrs: Floats) -> RangeTest:
    """Train the ramps and cycles one after another."""
    from tune_s11.lr_range.measuring import range_test, train_cycle

    recipe, search = config.recipe, config.search
    assert data.validation is not None
    question = ask(recipe, search, data.validation.labels)
    seeds = range(search.seed, search.seed + search.lr_range_seeds)
    steps_per_epoch = len(data.train) // recipe.batch_size
    trained: dict[Cycle, Outcome] = {}
    with Progress(*Progress.get_default_columns(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(
            "range test", total=len(lrs) * len(seeds) + expected_epochs(question) * steps_per_epoch
        )

        def train(cycles: Sequence[Cycle]) -> Mapping[Cycle, Outcome]:
            for cycle in cycles:
                trained[cycle] = train_cycle(
                    recipe, data, hardware, cycle, lambda: progress.advance(task, steps_per_epoch)
                )
            return trained

        ramps = [range_test(recipe, data, hardware, lrs, seed, lambda: progress.advance(task)) for seed in seeds]
        answer = recommend(question, train)
    return RangeTest.of(LRCurve(lrs, np.stack(ramps)), trained, answer, recipe.min_lr_fraction)
