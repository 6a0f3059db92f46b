"""Measure how close a trial's speed comes to what the machine can do, and how much slower the usual way is.

    uv run python -m benchmarks.speed.trial

The training images per second of :class:`tune_s11.training.trainer.Trainer`, everything included, are compared with the
bare loop (the same network and precision with torch's own convolutions on one fixed batch, and nothing else) and with
the usual way: one image at a time through Albumentations or torchvision's transforms in a DataLoader, in fp32 and NCHW,
or, tuned, in the trainer's precision and channels-last. All sides take turns in one run; ratios are taken within a
turn. The images are noise.
"""

import json
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Annotated, TypedDict

import torch
import torch.nn.functional as F
import typer

from benchmarks.speed.noise import FULL, MEAN, STD, noise_data, wait
from benchmarks.speed.usual import Usual, albumentations_transform, torchvision_transform
from benchmarks.tools.goals import Goal, at_least, at_most, judged
from benchmarks.tools.markdown import in_brackets
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import PrecisionOption, whole_number
from tune_s11.config import InputError, Recipe
from tune_s11.data import normalise
from tune_s11.hardware import Hardware, choose_hardware
from tune_s11.training.trainer import Trainer


class Length(TypedDict):
    """Steps of one stretch: for the fast sides, and for the usual way, which is much slower."""

    steps: int
    usual_steps: int


LENGTHS: dict[str, dict[int, Length]] = {
    "cpu": {64: {"steps": 2, "usual_steps": 3}, 16: {"steps": 8, "usual_steps": 16}},
    "cuda": {64: {"steps": 88, "usual_steps": 44}, 16: {"steps": 88, "usual_steps": 44}},
}
"""Lengths by device and width."""

CPU_GOALS = {
    64: {"trainer / bare": 0.95, "validating / bare": 0.90, "trainer / Albumentations": 2.7},
    16: {"trainer / bare": 0.85, "trainer / Albumentations": 3.0},
}
PRODUCTS_GOALS = CPU_GOALS | {64: CPU_GOALS[64] | {"trainer / bare": 1.25, "validating / bare": 1.18}}
"""Goals where convolutions of small images are matrix products."""
CUDA_GOALS = {64: {"trainer / Albumentations": 10.0}}

Measure = Callable[[], float]
"""Function that trains for one stretch and returns its training images per second."""


class Training:
    """The program's own trainer; a stretch is an epoch. With ``validate``, a tenth of the images is for validation."""

    def __init__(self, recipe: Recipe, hardware: Hardware, steps: int, *, validate: bool) -> None:
        count = steps * recipe.batch_size
        self._trainer = Trainer(recipe, noise_data(count, count // 9 if validate else 0), hardware, seed=0)

    def __call__(self) -> float:
        metrics = self._trainer.run_epoch()
        return len(self._trainer.train[1]) / metrics.seconds


class Bare:
    """Forward, backward and optimizer step of the trainer's network, on one prepared batch."""

    def __init__(self, recipe: Recipe, hardware: Hardware, steps: int) -> None:
        self.trainer = Trainer(recipe, noise_data(recipe.batch_size, size=recipe.image_size), hardware, seed=0)
        pixels, self._labels = self.trainer.train
        self._images, self._steps = normalise(pixels, MEAN, STD), steps

    def __call__(self) -> float:
        trainer, begun = self.trainer, time.perf_counter()
        trainer.model.train()
        for _ in range(self._steps):
            loss = F.cross_entropy(trainer.logits(trainer.model, self._images), self._labels)
            trainer.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            trainer.optimizer.step()
        wait(trainer.device)
        return self._steps * len(self._labels) / (time.perf_counter() - begun)


def sides(recipe: Recipe, hardware: Hardware, length: Length, *, compiled: bool = False) -> dict[str, Measure]:
    """Return the sides that take turns, by name."""
    steps, usual = length["steps"], length["usual_steps"]
    plain = hardware.model_copy(update={"matrix_products": False})
    more = plain.model_copy(update={"compiled": True})
    return ({"compiled": Training(recipe, more, steps, validate=False)} if compiled else {}) | {
        "bare": Bare(recipe, plain, steps),
        "trainer": Training(recipe, hardware, steps, validate=False),
        "validating": Training(recipe, hardware, steps, validate=True),
        "Albumentations": Usual(recipe, hardware, usual, albumentations_transform(recipe)),
        "Albumentations, tuned": Usual(recipe, hardware, usual, albumentations_transform(recipe), tuned=True),
        "torchvision v2": Usual(recipe, hardware, usual, torchvision_transform(recipe)),
        "torchvision v2, tuned": Usual(recipe, hardware, usual, torchvision_transform(recipe), tuned=True),
    }


def take_turns(measures: Mapping[str, Measure], rounds: int) -> dict[str, list[float]]:
    """Return each side's images per second by round, after a warm-up round; each round starts with another side."""
    names = list(measures)
    rates: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            rate = measures[name]()
            if turn:
                rates[name].append(rate)
    return rates


LIBRARIES = ("Albumentations", "Albumentations, tuned", "torchvision v2", "torchvision v2, tuned")

RATIOS = {
    "trainer / bare": ("trainer", "bare"),
    "validating / bare": ("validating", "bare"),
    **{f"trainer / {name}": ("trainer", name) for name in LIBRARIES},
    "compiled / trainer": ("compiled", "trainer"),
}


def compare(rates: dict[str, list[float]]) -> dict[str, list[float]]:
    """Return the ratios of each round, by name."""
    return {
        name: [a / b for a, b in zip(rates[over], rates[under], strict=True)]
        for name, (over, under) in RATIOS.items()
        if {over, under} <= rates.keys()
    }


def tell(width: int, rates: dict[str, list[float]], ratios: dict[str, list[float]]) -> None:
    print(f"\nwidth {width}: median (least to most) of {len(rates['bare'])} rounds")
    for name, values in rates.items():
        print(f"  {name:26}{statistics.median(values):10,.0f}  ({min(values):,.0f} to {max(values):,.0f}) images/s")
    for name, values in ratios.items():
        print(f"  {name:26}{statistics.median(values):10.3f}  ({min(values):.3f} to {max(values):.3f})", flush=True)


def share_of_augmentation(trainer: Trainer, steps: int = 50) -> float:
    """Return the augmentation's share of the time of whole steps."""
    generator = torch.Generator(trainer.device).manual_seed(0)
    pixels, labels = (each[: trainer.recipe.batch_size] for each in trainer.train)

    def seconds(once: Callable[[], object]) -> float:
        once()
        wait(trainer.device)
        begun = time.perf_counter()
        for _ in range(steps):
            once()
        wait(trainer.device)
        return time.perf_counter() - begun

    def step() -> None:
        trainer.step(trainer.augment(pixels, generator), labels, 1e-3)
        trainer.average.update()

    return seconds(lambda: trainer.augment(pixels, generator)) / seconds(step)


def whole_trials(hardware: Hardware, rounds: int) -> tuple[list[float], float]:
    """Return the seconds of 24 validated epochs of the recipe at width 64, and the augmentation's share of a step."""
    data = noise_data(*FULL)
    seconds = []
    for seed in range(rounds + 1):
        begun = time.perf_counter()
        trainer = Trainer(Recipe(), data, hardware, seed)
        for _ in trainer:
            pass
        seconds.append(time.perf_counter() - begun)
    return seconds[1:], share_of_augmentation(trainer)


app = new_app("Compare the trainer's speed with the bare loop and the usual way.")


@app.command()
def main(
    precision: PrecisionOption = "auto",
    rounds: Annotated[
        int, typer.Option("--rounds", parser=whole_number(1), metavar="N", help="Turns of each side.")
    ] = 5,
    widths: Annotated[
        list[int] | None,
        typer.Option("--width", parser=whole_number(1), metavar="N", help="Width, 64 or 16; may be repeated.  [both]"),
    ] = None,
    compiled: Annotated[bool, typer.Option("--compiled", help="Also time torch.compile.")] = False,
) -> None:
    """Print images per second and ratios at each width, and on a GPU whole trials too."""
    hardware = choose_hardware(precision)
    hardware.activate()
    print(f"{hardware.device}, {hardware.precision}, {hardware.threads} threads, torch {torch.__version__}")
    goals: dict[str, Goal] = {}
    on_cpu = PRODUCTS_GOALS if hardware.matrix_products else CPU_GOALS
    wanted = on_cpu if hardware.device == "cpu" else CUDA_GOALS
    lengths = LENGTHS[hardware.device]
    for width in widths or lengths:
        if width not in lengths:
            raise InputError(f"--width {width}: must be one of {', '.join(map(str, lengths))}")
        length = lengths[width]
        recipe = Recipe(width=width, epochs=10_000, max_lr=1e-3)  # a rate at which training on noise does not diverge
        rates = take_turns(sides(recipe, hardware, length, compiled=compiled), rounds)
        ratios = compare(rates)
        tell(width, rates, ratios)
        for name, goal in wanted.get(width, {}).items():
            goals[f"{name}, width {width}"] = at_least(statistics.median(ratios[name]), goal)
    if hardware.device == "cuda":
        seconds, share = whole_trials(hardware, rounds)
        print(f"\n24 epochs at width 64: {in_brackets(seconds, 2)} s")
        goals["seconds of a trial"] = at_most(statistics.median(seconds), 10.0, digits=2)
        goals["seconds of a trial, stretch"] = at_most(statistics.median(seconds), 7.0, digits=2)
        goals["augmentation's share of a step"] = at_most(share, 0.05)
    print(json.dumps(judged(goals, stretch=["seconds of a trial, stretch"])))


if __name__ == "__main__":
    run(app, "benchmarks.speed.trial")
