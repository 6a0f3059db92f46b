"""Compare oneDNN's convolutions of small images with matrix products over gathered 3x3 neighbourhoods, on CPUs.

    uv run python -m benchmarks.speed.small_convolutions

Both sides train the same network on one batch that is ready; in one of them, the convolutions of images of at most 4x4
pixels are matrix products. They take turns, and ratios are taken within a round.
"""

import statistics
import time
from typing import Annotated

import torch
import torch.nn as nn
import torch.nn.functional as F
import typer
from torch import Tensor

from benchmarks.race.trial import processor_kind
from benchmarks.speed.noise import MEAN, STD, noise
from benchmarks.speed.trial import Measure, take_turns
from benchmarks.tools.markdown import markdown_row
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import PrecisionOption, whole_number
from tune_s11.config import Recipe
from tune_s11.data import normalise
from tune_s11.hardware import Hardware, choose_hardware
from tune_s11.training.trainer import Trainer, TrainingData


def convolve(images: Tensor, weight: Tensor) -> Tensor:
    """Return what ``conv2d`` with a padding of 1 does, as a single matrix product.

    Args:
        images: (N, C, H, W), in channels-last format.
        weight: (O, C, 3, 3).

    Returns:
        (N, O, H, W), in channels-last format.
    """
    count, channels, height, width = images.shape
    padded = F.pad(images.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    shifted = [padded[:, row : row + height, column : column + width] for row in range(3) for column in range(3)]
    neighbourhoods = torch.cat(shifted, dim=3).view(-1, 9 * channels)
    kernels = weight.permute(2, 3, 1, 0).reshape(9 * channels, -1)
    return (neighbourhoods @ kernels).view(count, height, width, -1).permute(0, 3, 1, 2)


class SmallConvolution(nn.Conv2d):
    """A convolution that is a matrix product where its images are small."""

    largest = 4
    """Most pixels of a side of a small image."""

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, O, H, W)."""
        return convolve(images, self.weight) if images.shape[-1] <= self.largest else super().forward(images)


def replace(model: nn.Module) -> None:
    """Make all 3x3 convolutions of a network without bias, of padding 1, small ones; their weights stay."""
    for module in model.modules():
        if type(module) is nn.Conv2d and module.kernel_size == (3, 3) and module.padding == (1, 1):
            module.__class__ = SmallConvolution


class Steps:
    """Steps of a trainer on one batch; called, it trains some and returns the images per second."""

    def __init__(self, recipe: Recipe, hardware: Hardware, steps: int, *, small: bool) -> None:
        self._trainer = Trainer(recipe, TrainingData(noise(recipe.batch_size), None, 10, MEAN, STD), hardware, seed=0)
        if small:
            replace(self._trainer.model)
        pixels, self._labels = self._trainer.train
        self._images, self._steps = normalise(pixels, MEAN, STD), steps

    def __call__(self) -> float:
        begun = time.perf_counter()
        for _ in range(self._steps):
            self._trainer.step(self._images, self._labels, 1e-3)
        return self._steps * len(self._labels) / (time.perf_counter() - begun)


app = new_app("Compare convolutions of small images as matrix products with oneDNN's.")


@app.command()
def main(
    precision: PrecisionOption = "auto",
    widths: Annotated[
        list[int] | None,
        typer.Option("--width", parser=whole_number(1), metavar="N", help="Width; repeatable.  [64 and 16]"),
    ] = None,
    rounds: Annotated[int, typer.Option(parser=whole_number(1), metavar="N", help="Turns of each side.")] = 15,
    batch: Annotated[int, typer.Option(parser=whole_number(1), metavar="N", help="Images of a batch.")] = 512,
) -> None:
    """Print images per second of both sides, and their ratio, at each width."""
    hardware = choose_hardware(precision, gpu=False)
    hardware.activate()
    print(f"{processor_kind()}, {hardware.precision}, torch {torch.__version__}, n = {rounds}\n")
    print(markdown_row(["width", "oneDNN, images/s", "matrix products, images/s", "ratio"]))
    print(markdown_row(["---"] * 4))
    for width in widths or [64, 16]:
        recipe, steps = Recipe(width=width, batch_size=batch, max_lr=1e-3), max(1, 64 // width)
        sides: dict[str, Measure] = {
            "oneDNN": Steps(recipe, hardware, steps, small=False),
            "products": Steps(recipe, hardware, steps, small=True),
        }
        rates = take_turns(sides, rounds)
        ratios = [products / usual for products, usual in zip(rates["products"], rates["oneDNN"], strict=True)]
        middles = (f"{statistics.median(values):,.0f}" for values in rates.values())
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(markdown_row([str(width), *middles, spread]), flush=True)


if __name__ == "__main__":
    run(app, "benchmarks.speed.small_convolutions")
