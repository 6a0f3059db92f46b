"""Measure on a GPU how a search should use it, within ten minutes.

    uv run python -m benchmarks.speed.gpu

Does ``torch.compile`` make steps faster, and in which mode? Should a whole epoch be augmented at once? Are narrow
trials trained faster by processes that share the GPU, or fused into one? Sides of a question take turns, and ratios are
taken within a turn. ``--dry-run`` measures tiny networks on the CPU, to check that the command works.
"""

import contextlib
import multiprocessing
import statistics
import time
import weakref
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import BrokenBarrierError
from typing import Annotated, NamedTuple

import torch
import typer
from torch import Tensor

from benchmarks.speed.fused import FusedTrials
from benchmarks.speed.noise import noise_data, wait
from benchmarks.speed.trial import Measure, take_turns
from benchmarks.tools.lines import append_line
from benchmarks.tools.markdown import in_brackets, markdown_head, markdown_row
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.config import InputError, Recipe
from tune_s11.hardware import Hardware, choose_hardware
from tune_s11.training.trainer import Trainer

PATIENCE = 120.0
"""Seconds of waiting after which processes that share the device count as failed."""


class Sizes(NamedTuple):
    """Sizes of the networks, epochs and groups of trials.

    Attributes:
        wide: Widths of networks that are trained one at a time.
        narrow: Widths of networks that are trained several at a time.
        steps: Steps per epoch.
        batch: Images per batch.
        processes: Numbers of processes that share the device.
        fused: Numbers of trials that are fused into one.
        modes: Modes of ``torch.compile``.
    """

    wide: tuple[int, ...]
    narrow: tuple[int, ...]
    steps: int
    batch: int
    processes: tuple[int, ...]
    fused: tuple[int, ...]
    modes: tuple[str, ...]


FULL = Sizes((64, 16), (16, 32), 88, 512, (1, 2, 4, 8), (4, 8, 16), ("default", "reduce-overhead"))
DRY = Sizes((4,), (2,), 2, 16, (1, 2), (2,), ())


def build_trainer(width: int, sizes: Sizes, hardware: Hardware, of: type[Trainer] = Trainer, seed: int = 0) -> Trainer:
    """Build a trainer on noise, with a learning rate at which it does not diverge."""
    recipe = Recipe(width=width, batch_size=sizes.batch, epochs=10_000, max_lr=1e-3)
    return of(recipe, noise_data(sizes.steps * sizes.batch), hardware, seed)


class OneEpoch:
    """An epoch of a trainer; a call trains it and returns the images per second."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    def __call__(self) -> float:
        return self._trainer.run_epoch().images_per_second


class AugmentedAtOnce(Trainer):
    """A trainer that augments a whole epoch before its first step."""

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches as :meth:`Trainer.batches` does, but with other random decisions."""
        generator = torch.Generator(self.device).manual_seed(epoch)
        pixels, labels = self.train
        order = torch.randperm(len(labels), generator=generator, device=self.device)
        images = self.augment(pixels[order], generator)
        size = self.recipe.batch_size
        yield from list(zip(images.split(size), labels[order].split(size), strict=True))[: self.steps_per_epoch]


def compiling(width: int, sizes: Sizes, hardware: Hardware) -> dict[str, Measure]:
    """Return sides that differ in how the network is compiled."""
    trainers = {name: build_trainer(width, sizes, hardware) for name in ("eager", *sizes.modes)}
    for mode in sizes.modes:
        trainers[mode]._forward = torch.compile(trainers[mode].model, dynamic=False, mode=mode)
    return {name: OneEpoch(trainer) for name, trainer in trainers.items()}


def augmenting(width: int, sizes: Sizes, hardware: Hardware) -> dict[str, Measure]:
    """Return sides that differ in when images are augmented."""
    kinds = {"each step": Trainer, "an epoch at once": AugmentedAtOnce}
    return {name: OneEpoch(build_trainer(width, sizes, hardware, kind)) for name, kind in kinds.items()}


class Processes:
    """Trials in processes of their own that share the device; a call returns the images per second of all together.

    The processes start together at a barrier, and the slowest one determines the time. They wait while other sides
    have their turn, and exit when this object is deleted.
    """

    def __init__(self, number: int, width: int, sizes: Sizes, hardware: Hardware) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._images = number * sizes.steps * sizes.batch
        self._barrier = spawn.Barrier(number + 1)
        for seed in range(number):
            given = (self._barrier, width, sizes, hardware, seed)
            spawn.Process(target=train_on_barrier, args=given, daemon=True).start()
        weakref.finalize(self, self._barrier.abort)

    def __call__(self) -> float:
        self._barrier.wait(PATIENCE)
        begun = time.perf_counter()
        self._barrier.wait(PATIENCE)
        return self._images / (time.perf_counter() - begun)


def train_on_barrier(barrier: Barrier, width: int, sizes: Sizes, hardware: Hardware, seed: int) -> None:
    """Train an epoch between every two waits at the barrier, until the barrier is aborted."""
    hardware.activate()
    trainer = build_trainer(width, sizes, hardware, seed=seed)
    with contextlib.suppress(BrokenBarrierError):
        while True:
            barrier.wait()
            trainer.run_epoch()
            barrier.wait()


class Fused:
    """Trials fused into one; a call trains an epoch and returns the images per second of all together."""

    def __init__(self, number: int, width: int, sizes: Sizes, hardware: Hardware) -> None:
        self._images = number * sizes.steps * sizes.batch
        self._trials = FusedTrials([build_trainer(width, sizes, hardware, seed=seed) for seed in range(number)])

    def __call__(self) -> float:
        begun = time.perf_counter()
        self._trials.run_epoch(0)
        wait(self._trials.trainers[0].device)
        return self._images / (time.perf_counter() - begun)


def sharing(width: int, sizes: Sizes, hardware: Hardware) -> dict[str, Measure]:
    """Return sides that train several trials on one device."""
    processes = {f"{n} process{'es' * (n > 1)}": Processes(n, width, sizes, hardware) for n in sizes.processes}
    return processes | {f"{n} fused": Fused(n, width, sizes, hardware) for n in sizes.fused}


Question = Callable[[int, Sizes, Hardware], dict[str, Measure]]

app = new_app("Measure how a search should use a GPU.")


@app.command()
def main(
    rounds: Annotated[int, typer.Option(parser=whole_number(1), metavar="N", help="Turns of each side.")] = 5,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tiny networks on the CPU, not compiled.")] = False,
    rows: Annotated[Path | None, typer.Option(help="File to append each side's rates to, as JSON.")] = None,
) -> None:
    """Print each side's images per second, and their ratio to the first side's in the same round."""
    if not (dry_run or torch.cuda.is_available()):
        raise InputError("there is no GPU here; --dry-run measures tiny networks on the CPU")
    # vmap has no batch norm in bf16 on CPUs.
    hardware = choose_hardware("fp32", threads=1, gpu=False) if dry_run else choose_hardware()
    sizes = DRY if dry_run else FULL
    hardware.activate()
    name = torch.cuda.get_device_name() if hardware.device == "cuda" else "CPU"
    print(f"{name}, {hardware.precision}, torch {torch.__version__}, n = {rounds}\n")
    print(*markdown_head(["question", "width", "side", "images/s", "of the first side"]), sep="\n")
    asked: list[tuple[Question, int]] = [(compiling, width) for width in sizes.wide]
    asked += [(augmenting, width) for width in sizes.wide] + [(sharing, width) for width in sizes.narrow]
    for question, width in asked:
        rates = take_turns(question(width, sizes, hardware), rounds)
        base = next(iter(rates.values()))
        for side, values in rates.items():
            ratios = [value / first for value, first in zip(values, base, strict=True)]
            middle = f"{statistics.median(values):,.0f}"
            print(markdown_row([question.__name__, str(width), side, middle, in_brackets(ratios, 2)]), flush=True)
            if rows is not None:
                row = {"question": question.__name__, "width": width, "side": side, "rates": values}
                append_line(rows, {"device": name} | row)


if __name__ == "__main__":
    run(app, "benchmarks.speed.gpu")
