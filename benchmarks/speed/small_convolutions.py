"""Compare oneDNN's convolutions of small images with matrix products over gathered 3x3 neighbourhoods, on CPUs.

    uv run python -m benchmarks.speed.small_convolutions

Both sides train the same network on one prepared batch; in one of them, the convolutions of images of at most 4x4
pixels are matrix products. They take turns, and ratios are taken within a round.
"""

import statistics
from typing import Annotated

import torch
import torch.nn as nn
import torch.nn.functional as F
import typer
from torch import Tensor

from benchmarks.race.trial import processor_kind
from benchmarks.speed.trial import Bare, take_turns
from benchmarks.tools.markdown import in_brackets, markdown_row
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import PrecisionOption, whole_number
from tune_s11.config import Recipe
from tune_s11.hardware import choose_hardware


def convolve(images: Tensor, weight: Tensor) -> Tensor:
    """Compute ``conv2d`` with a padding of 1 as a single matrix product.

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
    """A convolution that is computed as a matrix product if its images are small."""

    largest = 4
    """Largest side of a small image, in pixels."""

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, O, H, W)."""
        return convolve(images, self.weight) if images.shape[-1] <= self.largest else super().forward(images)


def replace(model: nn.Module) -> None:
    """Turn all 3x3 convolutions of padding 1, which must have no bias, into small ones; they keep their weights."""
    for module in model.modules():
        if type(module) is nn.Conv2d and module.kernel_size == (3, 3) and module.padding == (1, 1):
            module.__class__ = SmallConvolution


app = new_app("Compare convolutions of small images as matrix products with oneDNN's.")


@app.command()
def main(
    precision: PrecisionOption = "auto",
    widths: Annotated[
        list[int] | None,
        typer.Option("--width", parser=whole_number(1), metavar="N", help="Width; repeatable.  [64 and 16]"),
    ] = None,
    rounds: Annotated[int, typer.Option(parser=whole_number(1), metavar="N", help="Turns of each side.")] = 15,
    batch: Annotated[int, typer.Option(parser=whole_number(1), metavar="N", help="Images per batch.")] = 512,
) -> None:
    """Print images per second of both sides, and their ratio, at each width."""
    hardware = choose_hardware(precision, gpu=False)
    hardware.activate()
    print(f"{processor_kind()}, {hardware.precision}, torch {torch.__version__}, n = {rounds}\n")
    print(markdown_row(["width", "oneDNN, images/s", "matrix products, images/s", "ratio"]))
    print(markdown_row(["---"] * 4))
    for width in widths or [64, 16]:
        recipe, steps = Recipe(width=width, batch_size=batch, max_lr=1e-3), max(1, 64 // width)
        sides = {name: Bare(recipe, hardware, steps) for name in ("oneDNN", "products")}
        replace(sides["products"].trainer.model)
        rates = take_turns(sides, rounds)
        ratios = [products / usual for products, usual in zip(rates["products"], rates["oneDNN"], strict=True)]
        middles = (f"{statistics.median(values):,.0f}" for values in rates.values())
        print(markdown_row([str(width), *middles, in_brackets(ratios, 2)]), flush=True)


if __name__ == "__main__":
    run(app, "benchmarks.speed.small_convolutions")
