"""Compare oneDNN's convolutions of small images with the program's matrix products, on CPUs.

    uv run python -m benchmarks.speed.small_convolutions

Both sides train the same network on one prepared batch; see :mod:`tune_s11.models.convolution`. They take turns, and
ratios are taken within a round. ``ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16`` in the environment hides AMX from oneDNN.
"""

import os
import statistics
from typing import Annotated

import torch
import typer

from benchmarks.race.trial import processor_kind
from benchmarks.speed.trial import Bare, take_turns
from benchmarks.tools.markdown import in_brackets, markdown_head, markdown_row
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import PrecisionOption, whole_number
from tune_s11.config import Recipe
from tune_s11.hardware import choose_hardware

app = new_app("Compare convolutions of small images as matrix products with oneDNN's.")


@app.command()
def main(
    precision: PrecisionOption = "auto",
    widths: Annotated[
        list[int] | None,
        typer.Option("--width", parser=whole_number(1), metavar="N", help="Width; repeatable.  [64, 32 and 16]"),
    ] = None,
    rounds: Annotated[int, typer.Option(parser=whole_number(1), metavar="N", help="Turns of each side.")] = 15,
    batch: Annotated[int, typer.Option(parser=whole_number(1), metavar="N", help="Images per batch.")] = 512,
    size: Annotated[int, typer.Option(parser=whole_number(8), metavar="N", help="Side of the images, in pixels.")] = 32,
    threads: Annotated[
        int | None, typer.Option(parser=whole_number(1), metavar="N", help="CPU threads.  [all cores]")
    ] = None,
) -> None:
    """Print images per second of both sides, and their ratio, at each width."""
    hardware = choose_hardware(precision, threads, gpu=False)
    hardware.activate()
    print(
        f"{os.environ.get('ONEDNN_MAX_CPU_ISA') or processor_kind()}, {hardware.precision}, {hardware.threads} "
        f"threads, torch {torch.__version__}, n = {rounds}\n"
    )
    print(*markdown_head(["width", "oneDNN, images/s", "matrix products, images/s", "ratio"]), sep="\n")
    for width in widths or [64, 32, 16]:
        recipe = Recipe(width=width, batch_size=batch, image_size=size, pad=size // 8, cutout=size // 4, max_lr=1e-3)
        steps = max(1, 64 * 32**2 // (width * size**2))
        sides = {
            name: Bare(recipe, hardware.model_copy(update={"matrix_products": name == "products"}), steps)
            for name in ("oneDNN", "products")
        }
        rates = take_turns(sides, rounds)
        ratios = [products / usual for products, usual in zip(rates["products"], rates["oneDNN"], strict=True)]
        middles = (f"{statistics.median(values):,.0f}" for values in rates.values())
        print(markdown_row([str(width), *middles, in_brackets(ratios, 2)]), flush=True)


if __name__ == "__main__":
    run(app, "benchmarks.speed.small_convolutions")
