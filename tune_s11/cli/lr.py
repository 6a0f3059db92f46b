"""The LR range test alone: ``tune-s11 lr``."""

import shlex
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from tune_s11.cli.arguments import resolve_config
from tune_s11.cli.hints import program
from tune_s11.cli.options import (
    DataDirOption,
    ModelOption,
    PrecisionOption,
    SeedOption,
    SetOption,
    SpaceOption,
    ThreadsOption,
)
from tune_s11.config import InputError
from tune_s11.data import load_dataset
from tune_s11.hardware import choose_hardware
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.measuring import ramp, range_test
from tune_s11.results.range_test import RangeTest
from tune_s11.training.trainer import TrainingData


def lr(
    space: SpaceOption = "s11",
    settings: SetOption = None,
    data_dir: DataDirOption = None,
    model: ModelOption = None,
    seed: SeedOption = None,
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    linear: Annotated[bool, typer.Option("--linear", help="Raise the rate linearly (default: exponentially).")] = False,
    out: Annotated[Path, typer.Option("--out", help="File to write, new.")] = Path("lr_range.json"),
) -> None:
    """Runs the LR range test, prints its suggestions and bounds, and writes the curve."""
    if out.exists() or not out.parent.is_dir():
        raise InputError(f"--out {out}: allowed is a new file in a folder that exists")
    config = resolve_config(space, settings, data_dir, model, seed)
    recipe, search = config.recipe, config.search
    hardware = choose_hardware(precision, threads)
    hardware.activate()
    data = TrainingData.to_choose(load_dataset(recipe), recipe, search.seed)
    lrs = ramp("linear" if linear else "exponential", *search.lr_range, search.lr_range_steps)
    seeds = range(search.seed, search.seed + search.lr_range_seeds)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("range test", total=len(lrs) * len(seeds))
        ramps = [range_test(recipe, data, hardware, lrs, seed, lambda: progress.advance(task)) for seed in seeds]
    measured = RangeTest.of(LRCurve(lrs, np.stack(ramps)))
    measured.write(out)
    for name, rate in measured.suggestions.items():
        print(f"{name:12s} {rate:.4g}")
    for name, reason in measured.bounds.reasons.items():
        print(f"{name:12s} {getattr(measured.bounds, name):.4g}  ({reason})")
    print(f"curve: {out}; draw it with: {program('report')} lr {shlex.quote(str(out))}")
