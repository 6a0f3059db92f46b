"""The LR range test for any torch model and loaders: finds a peak learning rate, and bounds for it."""

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from numbers import Integral
from typing import cast

import torch
import torch.nn as nn
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor
from torch.optim import SGD, Optimizer

from tune_s11.live import progress_bars
from tune_s11.lr_range.cycles import Cycle, Outcome
from tune_s11.lr_range.rule import Question, class_entropy, expected_epochs, recommend, usual_rate
from tune_s11.training.driving import drive
from tune_s11.training.schedule import OneCycle

Batches = Iterable[tuple[Tensor, Tensor]]
Loss = Callable[[Tensor, Tensor], Tensor]
MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]

PEAK = 5 / 24
"""Share of a cycle before its peak, as in the S11 recipe."""

FRACTION = 0.01
"""Learning rate at both ends of a cycle, divided by that at its peak."""

TRIALS = 2
"""Cost of the test in complete trainings, at most."""


@dataclass(frozen=True)
class LRRange:
    """The result of a range test."""

    lr: float
    """Peak learning rate to train with."""
    low: float
    """Lowest peak learning rate worth a try."""
    high: float
    """Highest peak learning rate worth a try."""
    unsure: bool
    """Whether no cycle was both long enough and clearly better than guessing; the rates are then common values."""
    cycles: Mapping[Cycle, Outcome]
    """Outcome of each cycle that was trained: its validation loss, with None for the accuracy."""


def sgd(parameters: Iterable[nn.Parameter]) -> Optimizer:
    """Build SGD with the defaults of the recipe."""
    return SGD(parameters, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)


def lr_range_test(
    model: nn.Module,
    loader: Batches,
    validation_loader: Batches,
    loss: Loss,
    epochs: int,
    optimizer: MakeOptimizer = sgd,
    lr_range: tuple[float, float] = (1e-4, 10.0),
) -> LRRange:
    """Find the peak learning rate of a one-cycle training.

    Short complete cycles, each on a copy of the model, are trained at rates over the whole range and compared by their
    validation loss. :func:`tune_s11.lr_range.rule.recommend` chooses the cycles. Together they take at most twice the
    epochs of the training. The model and torch's random state are left unchanged.

    Args:
        model: Model that the training will start from, on its device, pretrained or not.
        loader: Training batches: inputs and targets, a whole epoch each time it is iterated.
        validation_loader: Validation batches in the same form, of images that the model is not trained on.
        loss: Function of outputs and targets that returns a scalar mean; it is minimised, and it ranks the cycles.
        epochs: Epochs of the planned training.
        optimizer: Function that builds the optimizer from the parameters of a copy of the model, in the order of
            ``model.parameters()``. Of its learning rates only the ratios between parameter groups matter.
        lr_range: Lowest and highest rate to try.

    Raises:
        ValueError: ``epochs`` is not a whole number from 1, the range is not finite, not above 0 or spans less than a
            factor of 10, a loader yields nothing or can be iterated only once, or the optimizer has other parameters
            than those it was given, such as the model's own.
    """
    if isinstance(epochs, bool) or not (isinstance(epochs, Integral) and epochs >= 1):
        raise ValueError(f"epochs {epochs!r}: must be a whole number from 1")
    low, high = map(float, lr_range)
    if not 0 < 10 * low <= high < math.inf:
        raise ValueError(f"lr_range {lr_range}: must be finite and above 0, and span at least a factor of 10")
    # Loaders draw from torch whenever they are iterated. Without a list of devices, torch warns if there are several.
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        return _find(_Training(model, loader, validation_loader, loss), optimizer, int(epochs), (low, high))


@dataclass(frozen=True)
class _Training:
    """Everything that a cycle is trained and evaluated with."""

    model: nn.Module
    loader: Batches
    validation_loader: Batches
    loss: Loss


def _find(training: _Training, optimizer: MakeOptimizer, epochs: int, lr_range: tuple[float, float]) -> LRRange:
    question = Question(
        epochs=epochs,
        lr_range=lr_range,
        trials=TRIALS,
        chance=_chance(training),
        fallback=_usual(_build(optimizer, copy.deepcopy(training.model))),
        seed=0,
    )
    steps, trained = _count(training.loader, "loader"), dict[Cycle, Outcome]()
    with progress_bars(Console()) as progress:
        bar = progress.add_task("LR range test", total=expected_epochs(question))

        def train(cycles: Sequence[Cycle]) -> Mapping[Cycle, Outcome]:
            for cycle in cycles:
                trained[cycle] = _train(training, optimizer, steps, cycle)
                progress.advance(bar, cycle.epochs)
            return trained

        answer = recommend(question, train)
    return LRRange(answer.first, answer.low, answer.high, answer.unsure, trained)


def _train(training: _Training, make_optimizer: MakeOptimizer, steps: int, cycle: Cycle) -> Outcome:
    """Train one cycle on a copy of the model."""
    torch.manual_seed(cycle.seed)  # All cycles see the same batches, if the loader draws from torch.
    model = copy.deepcopy(training.model)
    optimizer = _build(make_optimizer, model)
    schedule = OneCycle(FRACTION * cycle.max_lr, cycle.max_lr, peak=PEAK * cycle.epochs, end=cycle.epochs)
    scheduler = drive(schedule, optimizer, steps)
    for epoch in range(1, cycle.epochs + 1):
        model.train()
        losses = []
        for inputs, targets in training.loader:
            optimizer.zero_grad()
            loss = training.loss(model(_to(inputs, model)), _to(targets, model))
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.detach())
        _check_any(losses, "loader")
        if not torch.stack(losses).isfinite().all():
            return Outcome(None, None, epoch)
    final = _evaluate(model, training)
    return Outcome(None, final if math.isfinite(final) else None, cycle.epochs)


def _build(make_optimizer: MakeOptimizer, model: nn.Module) -> Optimizer:
    """Build an optimizer of this model; a function that refers to the original would train nothing."""
    optimizer, own = make_optimizer(model.parameters()), set(model.parameters())
    if not all(parameter in own for group in optimizer.param_groups for parameter in group["params"]):
        raise ValueError("optimizer: must be built from the parameters that it is given, which are those of a copy")
    return optimizer


@torch.inference_mode()
def _evaluate(model: nn.Module, training: _Training) -> float:
    """Return the mean validation loss, each batch weighted by its size."""
    model.eval()
    total, count = 0.0, 0
    for inputs, targets in training.validation_loader:
        total += float(training.loss(model(_to(inputs, model)), _to(targets, model))) * len(targets)
        count += len(targets)
    _check_any(count, "validation_loader")
    return total / count


def _chance(training: _Training) -> float:
    """Return the loss before learning: the untrained model's, or the class frequencies' entropy if that is lower."""
    _count(training.validation_loader, "validation_loader")
    seen: list[Tensor] = []

    def keeping_targets(outputs: Tensor, targets: Tensor) -> Tensor:
        seen.append(targets)
        return training.loss(outputs, targets)

    before = _evaluate(copy.deepcopy(training.model), replace(training, loss=keeping_targets))
    if _is_plain_cross_entropy(training.loss):
        labels = torch.cat(seen)
        if labels.ndim == 1 and not labels.is_floating_point():
            counted = labels[labels != getattr(training.loss, "ignore_index", -100)]
            return min(before, class_entropy(counted.cpu().numpy()))
    return before


def _is_plain_cross_entropy(loss: Loss) -> bool:
    if isinstance(loss, nn.CrossEntropyLoss):
        # Otherwise the entropy is not what chance costs.
        return loss.weight is None and not loss.label_smoothing and loss.reduction == "mean"
    return loss is F.cross_entropy


def _usual(optimizer: Optimizer) -> float:
    if isinstance(optimizer, SGD):
        return usual_rate("sgd", optimizer.param_groups[0]["momentum"])
    return usual_rate("adamw", 0.0)  # the others scale their steps, too


def _count(batches: Batches, name: str) -> int:
    try:
        count = len(cast("Sized", batches))
    except TypeError:  # no length, or a DataLoader over an IterableDataset
        count = sum(1 for _ in batches)
    _check_any(count, name)
    return count


def _check_any(found: object, name: str) -> None:
    """Check that a loader has yielded something in a pass; a generator does so in its first one alone."""
    if not found:
        raise ValueError(f"{name}: must yield at least one batch whenever it is iterated")


def _to(tensor: Tensor, model: nn.Module) -> Tensor:
    return tensor.to(next(model.parameters()).device, non_blocking=True)
