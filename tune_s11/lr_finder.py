"""The LR range test: measure a curve, then read suggestions and bounds off it.

Leslie N. Smith, "Cyclical Learning Rates for Training Neural Networks" (arXiv:1506.01186), section 3.3.
:func:`range_test` measures; everything below it is a pure function of the curve. Nothing here draws.
"""

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.progress import Progress

from tune_s11.checkpoint import write_whole
from tune_s11.config import InputError, Recipe
from tune_s11.console import (
    DataDirOption,
    ModelOption,
    PrecisionOption,
    SeedOption,
    SetOption,
    SpaceOption,
    ThreadsOption,
    new_app,
    resolve_config,
    run,
)
from tune_s11.data import load_dataset
from tune_s11.hardware import Hardware, choose_hardware
from tune_s11.trainer import Trainer, TrainingData

Floats = npt.NDArray[np.float64]

DIVERGED = 4.0
"""A ramp ends when its smoothed loss exceeds where it began this many times.

Not the lowest loss so far, as in fastai: this network's loss often climbs in mid-ramp, back to where it began
and beyond, and then heals at rates a hundred times higher."""


@dataclass(frozen=True)
class LRCurve:
    """Training loss over a rising learning rate.

    Attributes:
        lrs: Learning rate of each step, (steps,), rising.
        losses: Loss of each step of each seed's ramp, (seeds, steps); infinite after a ramp has ended.
    """

    lrs: Floats
    losses: Floats

    @property
    def smoothed(self) -> Floats:
        """Each seed's ramp smoothed, (seeds, steps)."""
        return np.stack([smooth(ramp) for ramp in self.losses])

    @property
    def loss(self) -> Floats:
        """Median over the seeds of the smoothed ramps, (steps,): what every suggestion reads."""
        return np.median(self.smoothed, axis=0)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists for JSON; None stands for infinite."""
        return {
            "lrs": self.lrs.tolist(),
            "losses": [[x if math.isfinite(x) else None for x in ramp] for ramp in self.losses.tolist()],
        }

    @staticmethod
    def from_dict(plain: dict[str, Any]) -> "LRCurve":
        """Reads what :meth:`to_dict` wrote."""
        losses = [[math.inf if x is None else x for x in ramp] for ramp in plain["losses"]]
        return LRCurve(np.array(plain["lrs"]), np.array(losses))


@dataclass(frozen=True)
class LRBounds:
    """What a range test says of LRMAX and LRMIN, each with its reason.

    Attributes:
        low: Least LRMAX worth a trial.
        high: Greatest LRMAX worth a trial.
        suggestion: LRMAX to try first.
        min_lr: LRMIN to try first.
        reasons: One line for each of these names.
    """

    low: float
    high: float
    suggestion: float
    min_lr: float
    reasons: dict[str, str]

    @property
    def first(self) -> dict[str, float]:
        """The recipe's fields of the first trial."""
        return {"max_lr": self.suggestion, "min_lr_fraction": min(1.0, self.min_lr / self.suggestion)}


def ramp(kind: Literal["exponential", "linear"], low: float, high: float, steps: int) -> Floats:
    """Learning rates from ``low`` to ``high``, both included, (steps,)."""
    return np.geomspace(low, high, steps) if kind == "exponential" else np.linspace(low, high, steps)


def range_test(
    recipe: Recipe,
    data: TrainingData,
    hardware: Hardware,
    lrs: Floats,
    seed: int,
    on_step: Callable[[], None] | None = None,
) -> Floats:
    """Trains a fresh model while the learning rate climbs, until the loss diverges.

    Args:
        recipe: What to train; its schedule and learning rates play no part.
        data: Where the batches come from.
        hardware: What to compute with.
        lrs: Learning rate of each step, (steps,).
        seed: Of the initial weights and the batches.
        on_step: Called after each step.

    Returns:
        Loss of each step, (steps,); infinite from the step on at which the ramp ended.
    """
    trainer = Trainer(recipe, data, hardware, seed)
    batches = (batch for epoch in itertools.count() for batch in trainer.batches(epoch))
    losses = np.full(len(lrs), math.inf)
    for k, (lr, batch) in enumerate(zip(lrs, batches, strict=False)):
        losses[k] = float(trainer.step(*batch, lr=float(lr))[0])
        if on_step:
            on_step()
        if has_diverged(losses[: k + 1]):
            losses[k] = math.inf
            break
    return losses


def has_diverged(losses: Floats) -> bool:
    """Whether a ramp should end: its last loss is not finite, or the smoothed loss is far above its start."""
    return not math.isfinite(losses[-1]) or bool(smooth(losses)[-1] > DIVERGED * losses[:10].mean())


def smooth(losses: Floats, beta: float = 0.9) -> Floats:
    """Exponential moving average with bias correction, (steps,); once infinite, infinite."""
    average, smoothed = 0.0, []
    for step, loss in enumerate(losses, start=1):
        average = beta * average + (1 - beta) * loss
        smoothed.append(average / (1 - beta**step))
    return np.array(smoothed)


def _finite(curve: LRCurve) -> tuple[Floats, Floats]:
    """Learning rates and median losses up to where most ramps have ended."""
    keep = np.isfinite(curve.loss)
    return curve.lrs[keep], curve.loss[keep]


# The four suggestions follow fastai's definitions (fastai/callback/schedule.py).


def steepest(curve: LRCurve) -> float:
    """Where the loss falls fastest over log LR."""
    lrs, loss = _finite(curve)
    return float(lrs[:-1][np.argmin(np.diff(loss) / np.diff(np.log(lrs)))])


def minimum_over_10(curve: LRCurve) -> float:
    """A tenth of the rate at which the loss is lowest."""
    lrs, loss = _finite(curve)
    return float(lrs[np.argmin(loss)]) / 10


def valley(curve: LRCurve) -> float:
    """Half-way into the middle third of the longest falling subsequence of the loss."""
    lrs, loss = _finite(curve)
    lengths = np.ones(len(loss), dtype=int)
    starts = np.arange(len(loss))
    for end in range(1, len(loss)):
        before = np.flatnonzero(loss[:end] > loss[end])
        if len(before):
            best = before[np.argmax(lengths[before])]
            lengths[end], starts[end] = lengths[best] + 1, starts[best]
    end = int(np.argmax(lengths))
    third = (end - int(starts[end])) / 3
    return float(lrs[int(starts[end]) + int(third) + int(third / 2)])


def slide(curve: LRCurve, window: int = 15, threshold: float = 0.005) -> float:
    """Slides a window down from the high end until the slopes at its two ends agree within ``threshold``."""
    lrs, loss = _finite(curve)
    slope = np.gradient(loss)
    left = max(len(loss) - 1 - window, 0)
    while left > 0 and abs(slope[min(left + window, len(loss) - 1)] - slope[left]) > threshold:
        left -= 1
    return float(lrs[left])


SUGGESTIONS: dict[str, Callable[[LRCurve], float]] = {
    "steepest": steepest,
    "valley": valley,
    "minimum/10": minimum_over_10,
    "slide": slide,
}


def begins_to_fall(curve: LRCurve) -> float:
    """The rate at which the loss has made the first twentieth of its way down."""
    lrs, loss = _finite(curve)
    lowest = int(np.argmin(loss))
    level = loss[0] - 0.05 * (loss[0] - loss[lowest])
    return float(lrs[np.argmax(loss[: lowest + 1] <= level)])


MARGIN = 5.0
"""Between the rate at which ramps end and the greatest LRMAX worth a trial: a ramp passes through a rate in a
few steps, a trial stays near it for hundreds."""

SPAN = 30.0
"""Width of the bounds for LRMAX: just under 1.5 decades.

With both the bounds held the best LRMAX under 18 of 18 conditions (benchmarks/lr_bounds.py)."""


def find_bounds(curve: LRCurve) -> LRBounds:
    """Bounds for LRMAX and first values for LRMAX and LRMIN.

    The lowest loss, from which most rules start, does not serve here: with logits unscaled the loss has a first
    minimum near 0.03 on CIFAR-10, a tenth of the LRMAX that trains this network best.

    Raises:
        InputError: The loss never fell, so the curve says nothing.
    """
    lrs, loss = _finite(curve)
    if len(lrs) < 10 or loss.min() > 0.95 * loss[0]:
        raise InputError(
            f"range test: the loss did not fall between {curve.lrs[0]:g} and {curve.lrs[-1]:g}; "
            "allowed are other ends (search.lr_range) or bounds of your own (--lr-bounds LOW HIGH)"
        )
    last = float(lrs[-1])
    high = last / MARGIN
    if last < curve.lrs[-1]:
        end = f"the last rate before most ramps diverged, {last:.3g}"
    else:  # batch norm and small logits stand almost any rate: then the range's end is as good a limit as any
        end = f"the end of the range, {last:.3g}, which most ramps reached without diverging"
    low = high / SPAN
    return LRBounds(
        low=low,
        high=high,
        suggestion=math.sqrt(low * high),
        min_lr=begins_to_fall(curve),
        reasons={
            "high": f"{end}, over {MARGIN:g}",
            "low": f"the upper bound over {SPAN:g}",
            "suggestion": "the geometric middle of the bounds",
            "min_lr": "where the loss has made the first twentieth of its way down",
        },
    )


def write_curve(path: Path, curve: LRCurve, bounds: LRBounds) -> None:
    """Writes ``lr_range.json``: the curve, each rule's suggestion, the bounds."""
    suggestions = {name: rule(curve) for name, rule in SUGGESTIONS.items()}
    plain = {"curve": curve.to_dict(), "suggestions": suggestions, "bounds": asdict(bounds)}
    write_whole(path, json.dumps(plain, indent=1))


app = new_app("Measure a learning rate range, without Ray.")


@app.command()
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
    curve = LRCurve(lrs, np.stack(ramps))
    bounds = find_bounds(curve)
    write_curve(out, curve, bounds)
    for name, rule in SUGGESTIONS.items():
        print(f"{name:12s} {rule(curve):.4g}")
    for name, reason in bounds.reasons.items():
        print(f"{name:12s} {getattr(bounds, name):.4g}  ({reason})")
    print(f"curve: {out}; draw it with: python -m tune_s11.report lr {out}")


def main() -> None:
    """Entry point."""
    run(app, "python -m tune_s11.lr_finder")


if __name__ == "__main__":
    main()
