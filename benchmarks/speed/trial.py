"""Measure how close a trial comes to what the machine could do, and how far the usual way stays behind.

    uv run python -m benchmarks.speed.trial

The training images per second of :class:`tune_s11.training.trainer.Trainer`, everything included, are compared with the
bare loop (the same network and precision on one fixed batch, and nothing else) and with the usual way: fp32, NCHW, one
image at a time through Albumentations or torchvision's transforms in a DataLoader. All sides take turns in one run;
ratios are taken within a turn. The images are noise, because their content does not affect the time.
"""

import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypedDict

import albumentations as A
import numpy as np
import torch
import torch.nn.functional as F
import typer
from albumentations.pytorch import ToTensorV2
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import VisionDataset
from torchvision.transforms import v2

from benchmarks.tools.goals import Goal, at_least, at_most, judged
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import PrecisionOption, whole_number
from tune_s11.config import Recipe
from tune_s11.data import Images, normalise
from tune_s11.data.pipeline import recipe_pipeline
from tune_s11.hardware import Hardware, choose_hardware, usable_cores
from tune_s11.models import build_model
from tune_s11.training.optimizer import build_optimizer
from tune_s11.training.trainer import Trainer, TrainingData

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
FULL = 45_000, 5_000
"""Numbers of training and validation images into which a search divides CIFAR-10's training images."""


class Length(TypedDict):
    """Steps of one stretch: of the lean sides, and of the usual way, which is much slower."""

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
CUDA_GOALS = {64: {"trainer / Albumentations": 10.0}}

Measure = Callable[[], float]
"""Function that trains for one stretch and returns its training images per second."""


def noise(count: int, size: int = 32) -> Images:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return Images(pixels, generator.integers(0, 10, count))


def wait(device: torch.device) -> None:
    """Wait until the device has done all its work."""
    if device.type == "cuda":
        torch.cuda.synchronize()


class Training:
    """The program's own trainer; a stretch is an epoch. With ``validate``, a tenth validates, as in a search."""

    def __init__(self, recipe: Recipe, hardware: Hardware, steps: int, *, validate: bool) -> None:
        count = steps * recipe.batch_size
        validation = noise(count // 9) if validate else None
        self._trainer = Trainer(recipe, TrainingData(noise(count), validation, 10, MEAN, STD), hardware, seed=0)

    def __call__(self) -> float:
        metrics = self._trainer.run_epoch()
        return len(self._trainer.train[1]) / metrics.seconds


class Bare:
    """Forward, backward and optimizer step of the trainer's network, on one batch that is ready."""

    def __init__(self, recipe: Recipe, hardware: Hardware, steps: int) -> None:
        self._trainer = Trainer(recipe, TrainingData(noise(recipe.batch_size), None, 10, MEAN, STD), hardware, seed=0)
        pixels, self._labels = self._trainer.train
        self._images, self._steps = normalise(pixels, MEAN, STD), steps

    def __call__(self) -> float:
        trainer, begun = self._trainer, time.perf_counter()
        trainer.model.train()
        for _ in range(self._steps):
            loss = F.cross_entropy(trainer.logits(trainer.model, self._images), self._labels)
            trainer.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            trainer.optimizer.step()
        wait(trainer.device)
        return self._steps * len(self._labels) / (time.perf_counter() - begun)


class NoiseDataset(VisionDataset):  # type: ignore[misc]  # untyped
    """Images in memory, returned as torchvision's CIFAR10 does."""

    def __init__(self, images: Images, transform: Callable[[Any], Tensor]) -> None:
        super().__init__(root="", transform=transform)
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        assert self.transform is not None
        return self.transform(Image.fromarray(self._images.pixels[index])), int(self._images.labels[index])


def albumentations_transform(recipe: Recipe) -> Callable[[Any], Tensor]:
    pipeline = A.Compose([recipe_pipeline(recipe, MEAN), A.Normalize(MEAN, STD), ToTensorV2()])
    return partial(_through, pipeline)


def _through(pipeline: A.Compose, image: Image.Image) -> Tensor:
    result: Tensor = pipeline(image=np.asarray(image))["image"]
    return result


def torchvision_transform(recipe: Recipe) -> Callable[[Any], Tensor]:
    share = (recipe.cutout / recipe.image_size) ** 2
    pipeline: Callable[[Any], Tensor] = v2.Compose(
        [
            v2.RandomCrop(recipe.image_size, padding=recipe.pad, padding_mode="reflect"),
            v2.RandomHorizontalFlip(),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
            v2.RandomErasing(p=1, scale=(share, share), ratio=(1, 1)),
        ]
    )
    return pipeline


class Usual:
    """The usual way: fp32, NCHW, images one by one in a DataLoader with a worker for each core.

    A stretch starts when the first batch is requested from workers that are already running. All of its images are
    augmented within it, as in an epoch, and none beforehand.
    """

    def __init__(self, recipe: Recipe, hardware: Hardware, steps: int, transform: Callable[[Any], Tensor]) -> None:
        self._device, self._batch = torch.device(hardware.device), recipe.batch_size
        torch.manual_seed(0)
        self._model = build_model(recipe, 10).to(self._device)
        self._optimizer = build_optimizer(self._model, recipe)
        self._loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
            NoiseDataset(noise(steps * self._batch), transform),
            self._batch,
            shuffle=True,
            drop_last=True,
            num_workers=usable_cores(),
            persistent_workers=True,
            pin_memory=hardware.device == "cuda",
        )

    def __call__(self) -> float:
        self._model.train()
        begun, count = time.perf_counter(), 0
        for batch in self._loader:
            images, labels = (each.to(self._device, non_blocking=True) for each in batch)
            loss = F.cross_entropy(self._model(images), labels)
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self._optimizer.step()
            count += len(labels)
        wait(self._device)
        return count / (time.perf_counter() - begun)


def sides(recipe: Recipe, hardware: Hardware, length: Length, *, compiled: bool = False) -> dict[str, Measure]:
    """Return the sides that take turns, by name."""
    steps, usual = length["steps"], length["usual_steps"]
    more = hardware.model_copy(update={"compiled": True})
    return ({"compiled": Training(recipe, more, steps, validate=False)} if compiled else {}) | {
        "bare": Bare(recipe, hardware, steps),
        "trainer": Training(recipe, hardware, steps, validate=False),
        "validating": Training(recipe, hardware, steps, validate=True),
        "Albumentations": Usual(recipe, hardware, usual, albumentations_transform(recipe)),
        "torchvision v2": Usual(recipe, hardware, usual, torchvision_transform(recipe)),
    }


def take_turns(measures: dict[str, Measure], rounds: int) -> dict[str, list[float]]:
    """Return each side's images per second in each round, after one for warm-up; each round starts with another."""
    names = list(measures)
    rates: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            rate = measures[name]()
            if turn:
                rates[name].append(rate)
    return rates


RATIOS = {
    "trainer / bare": ("trainer", "bare"),
    "validating / bare": ("validating", "bare"),
    "trainer / Albumentations": ("trainer", "Albumentations"),
    "trainer / torchvision v2": ("trainer", "torchvision v2"),
    "compiled / trainer": ("compiled", "trainer"),
}


def compare(rates: dict[str, list[float]]) -> dict[str, list[float]]:
    """Return the ratios of each round, by name."""
    return {
        name: [a / b for a, b in zip(rates[over], rates[under], strict=True)]
        for name, (over, under) in RATIOS.items()
        if over in rates
    }


def tell(width: int, rates: dict[str, list[float]], ratios: dict[str, list[float]]) -> None:
    print(f"\nwidth {width}: median (least to most) of {len(rates['bare'])} rounds")
    for name, values in rates.items():
        print(f"  {name:26}{statistics.median(values):10,.0f}  ({min(values):,.0f} to {max(values):,.0f}) images/s")
    for name, values in ratios.items():
        print(f"  {name:26}{statistics.median(values):10.3f}  ({min(values):.3f} to {max(values):.3f})", flush=True)


def share_of_augmentation(trainer: Trainer, steps: int = 50) -> float:
    """Return the time of the augmentation alone over that of whole steps with it."""
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
    train, validation = (noise(count) for count in FULL)
    data = TrainingData(train, validation, 10, MEAN, STD)
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
    compiled: Annotated[bool, typer.Option("--compiled", help="The trainer through torch.compile too.")] = False,
) -> None:
    """Print images per second and ratios at widths 64 and 16, and on a GPU whole trials too."""
    hardware = choose_hardware(precision)
    hardware.activate()
    print(f"{hardware.device}, {hardware.precision}, {hardware.threads} threads, torch {torch.__version__}")
    goals: dict[str, Goal] = {}
    wanted = CPU_GOALS if hardware.device == "cpu" else CUDA_GOALS
    for width, length in LENGTHS[hardware.device].items():
        recipe = Recipe(width=width, epochs=10_000, max_lr=1e-3)  # noise teaches nothing, and must not diverge
        rates = take_turns(sides(recipe, hardware, length, compiled=compiled), rounds)
        ratios = compare(rates)
        tell(width, rates, ratios)
        for name, goal in wanted.get(width, {}).items():
            goals[f"{name}, width {width}"] = at_least(statistics.median(ratios[name]), goal)
    if hardware.device == "cuda":
        seconds, share = whole_trials(hardware, rounds)
        print(f"\n24 epochs at width 64: {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")
        goals["seconds of a trial"] = at_most(statistics.median(seconds), 10.0, digits=2)
        goals["seconds of a trial, stretch"] = at_most(statistics.median(seconds), 7.0, digits=2)
        goals["augmentation's share of a step"] = at_most(share, 0.05)
    print(json.dumps(judged(goals, stretch=["seconds of a trial, stretch"])))


if __name__ == "__main__":
    run(app, "benchmarks.speed.trial")
