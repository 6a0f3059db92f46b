"""Builds the optimizer of a recipe, and maintains the EMA of the weights."""

import copy
import math

import torch
import torch.nn as nn

from tune_s11.config import Recipe

SECOND_BETA = 0.999
"""Second beta of AdamW, as in torch and in Loshchilov and Hutter, "Decoupled Weight Decay Regularization"
(arXiv:1711.05101)."""


def build_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Build the recipe's optimizer over all parameters; the schedule sets the learning rate before each step."""
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(
            model.parameters(),
            lr=recipe.min_lr,
            betas=(recipe.momentum, SECOND_BETA),
            weight_decay=recipe.weight_decay,
            fused=True,
        )
    return torch.optim.SGD(
        model.parameters(),
        lr=recipe.min_lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov and recipe.momentum > 0,
        weight_decay=recipe.weight_decay,
        fused=True,
    )


class WeightAverage:
    """Exponential moving average (EMA) of a model's weights and batch norm statistics.

    The contribution of a step's weights falls to 1/e after ``horizon_steps`` further steps. The values are those of
    ``torch.optim.swa_utils.AveragedModel`` with its EMA and ``use_buffers``, but no step has to read a
    counter from the device.

    With a horizon of 0 there is no average: ``model`` is the model itself, and an update is a no-op.

    Attributes:
        on: Whether there is an average.
        model: Copy of the model, in evaluation mode, that holds the average.
    """

    def __init__(self, model: nn.Module, horizon_steps: float) -> None:
        self.on = horizon_steps > 0
        self.model = copy.deepcopy(model).eval().requires_grad_(False) if self.on else model
        self.decay = math.exp(-1.0 / horizon_steps) if self.on else 0.0
        self._parameters = list(zip(self.model.parameters(), model.parameters(), strict=True))
        self._buffers = list(zip(_places(self.model), _places(model), strict=True))

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the current weights of the model."""
        if not self.on:
            return
        # Buffers are looked up each time, because a network may replace one by another tensor.
        pairs = [*self._parameters, *((getattr(*average), getattr(*current)) for average, current in self._buffers)]
        averages, currents = zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True)
        torch._foreach_lerp_(averages, currents, 1.0 - self.decay)
        for average, current in pairs:
            if not average.is_floating_point():
                average.copy_(current)


def _places(model: nn.Module) -> list[tuple[nn.Module, str]]:
    """Return the module and the attribute of each buffer."""
    names = (name.rpartition(".") for name, _ in model.named_buffers())
    return [(model.get_submodule(path), attribute) for path, _, attribute in names]
