"""Profile where the time of a training step goes: in the trainer, and in the same network trained the plain way.

    uv run python -m benchmarks.speed.profile_step

The plain way is fp32, NCHW, an optimizer that is not fused, and EMA weights that are updated tensor by tensor. Both
sides take their batches from the device's memory and augment them there. Shares are fractions of the time of all
operators in torch's profiler.
"""

from collections import Counter
from collections.abc import Callable
from typing import Annotated

import torch
import torch.nn.functional as F
import typer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.profiler import ProfilerActivity, profile

from benchmarks.speed.noise import noise_data
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import PrecisionOption, whole_number
from tune_s11.config import Recipe
from tune_s11.hardware import Hardware, choose_hardware
from tune_s11.models import build_model
from tune_s11.training.trainer import Trainer

PARTS = {
    "convolution": ("convolution", "conv2d", "mkldnn_conv", "cudnn_conv"),
    "batch norm": ("batch_norm",),
    "pooling": ("max_pool",),
    "ReLU": ("relu", "threshold", "clamp_min"),
    "optimizer": ("fused_sgd", "Optimizer"),
    "average": ("lerp",),
    "indexing and masking": ("index_select", "masked_fill", "where", "randint"),
    "copies and casts": ("copy_", "contiguous", "clone", "zero_", "fill_"),
    "matrix products and loss": ("mm", "softmax", "nll_loss", "cross_entropy"),
}
"""Parts of a step, each with substrings of the names of its torch operators."""


def part_of(operator: str) -> str:
    return next((part for part, names in PARTS.items() if any(name in operator for name in names)), "other")


def shares(step: Callable[[], object], steps: int, device: str) -> tuple[Counter[str], float]:
    """Return the milliseconds per step by part, and in total."""
    step()
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device == "cuda" else [])
    with profile(activities=activities) as measured:
        for _ in range(steps):
            step()
        if device == "cuda":
            torch.cuda.synchronize()
    parts: Counter[str] = Counter()
    for event in measured.key_averages():
        microseconds = event.self_device_time_total if device == "cuda" else event.self_cpu_time_total
        parts[part_of(event.key)] += microseconds / 1000 / steps
    return parts, sum(parts.values())


def trainers_step(trainer: Trainer) -> Callable[[], object]:
    generator = torch.Generator(trainer.device).manual_seed(0)
    pixels, labels = (each[: trainer.recipe.batch_size] for each in trainer.train)

    def step() -> None:
        trainer.step(trainer.augment(pixels, generator), labels, 1e-3)
        trainer.average.update()

    return step


def plain_step(trainer: Trainer) -> Callable[[], object]:
    recipe, device = trainer.recipe, trainer.device
    generator = torch.Generator(device).manual_seed(0)
    pixels, labels = (each[: recipe.batch_size] for each in trainer.train)
    model = build_model(recipe, 10).to(device)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(trainer.average.decay), use_buffers=True)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=1e-3, momentum=recipe.momentum, nesterov=True, weight_decay=recipe.weight_decay,
        foreach=False,
    )  # fmt: skip

    def step() -> None:
        images = trainer.augment(pixels, generator).contiguous()
        loss = F.cross_entropy(model(images) * recipe.logit_scale, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(model)

    return step


app = new_app("Profile a training step.")


@app.command()
def main(
    precision: PrecisionOption = "auto",
    steps: Annotated[int, typer.Option("--steps", parser=whole_number(1), metavar="N", help="Profiled steps.")] = 3,
) -> None:
    """Print a table for widths 64 and 16, in milliseconds per step."""
    hardware: Hardware = choose_hardware(precision)
    hardware.activate()
    for width in (64, 16):
        recipe = Recipe(width=width, max_lr=1e-3)
        trainer = Trainer(recipe, noise_data(recipe.batch_size), hardware, seed=0)
        (plain, plain_sum), (own, own_sum) = (
            shares(step, steps, hardware.device) for step in (plain_step(trainer), trainers_step(trainer))
        )
        print(f"\nwidth {width}, {hardware.device}{'plain fp32':>22}{'':10}{f'trainer {hardware.precision}':>16}")
        for part in sorted(plain | own, key=lambda part: -plain[part]):
            print(
                f"{part:22}{plain[part]:12,.1f} ms {plain[part] / plain_sum:6.1%}"
                f"{own[part]:14,.1f} ms {own[part] / own_sum:6.1%}"
            )
        print(f"{'in all':22}{plain_sum:12,.1f} ms{own_sum:21,.1f} ms   {plain_sum / own_sum:.2f}x", flush=True)


if __name__ == "__main__":
    run(app, "benchmarks.speed.profile_step")
