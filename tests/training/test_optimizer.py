"""The optimizer and the moving average against torch's own."""

import copy
import math
from typing import Any

import pytest
import torch
import torch.nn as nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tune_s11.config import Recipe
from tune_s11.models import S11ResNet
from tune_s11.training.optimizer import WeightAverage, build_optimizer


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return S11ResNet(width=2, image_size=8)


def vector(model: nn.Module) -> torch.Tensor:
    return nn.utils.parameters_to_vector(model.parameters()).detach()


def train(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    optimizer.zero_grad()
    model.train()
    images = torch.randn(6, 3, 8, 8, generator=generator, dtype=next(model.parameters()).dtype)
    model(images).logsumexp(1).sum().backward()
    optimizer.step()


@pytest.mark.parametrize(
    ("fields", "momentum", "nesterov"),
    [
        ({}, 0.9, True),
        ({"momentum": 0.5}, 0.5, True),
        ({"momentum": 0.0}, 0.0, False),
        ({"nesterov": False}, 0.9, False),
        ({"nesterov": False, "momentum": 0.0}, 0.0, False),
    ],
)
def test_steps_are_those_of_plain_sgd(
    model: nn.Module, fields: dict[str, Any], momentum: float, nesterov: bool
) -> None:
    model = model.double()  # in which fused steps and plain ones round alike
    other = copy.deepcopy(model)
    optimizer = build_optimizer(model, Recipe(max_lr=0.01, min_lr_fraction=1.0, weight_decay=0.1, **fields))
    reference = torch.optim.SGD(
        other.parameters(), lr=0.01, momentum=momentum, nesterov=nesterov, weight_decay=0.1, foreach=False
    )
    start = vector(model)
    for seed in range(5):
        train(model, optimizer, seed)
        train(other, reference, seed)
        torch.testing.assert_close(vector(model), vector(other))
    assert (vector(model) - start).abs().max() > 1e-3


def test_steps_are_those_of_plain_adamw(model: nn.Module) -> None:
    model = model.double()
    other = copy.deepcopy(model)
    recipe = Recipe(optimizer="adamw", max_lr=0.01, min_lr_fraction=1.0, momentum=0.8, weight_decay=0.1)
    optimizer = build_optimizer(model, recipe)
    reference = torch.optim.AdamW(other.parameters(), lr=0.01, betas=(0.8, 0.999), weight_decay=0.1, foreach=False)
    start = vector(model)
    for seed in range(5):
        train(model, optimizer, seed)
        train(other, reference, seed)
        torch.testing.assert_close(vector(model), vector(other))
    assert (vector(model) - start).abs().max() > 1e-3


def test_weight_decay_reaches_every_parameter(model: nn.Module) -> None:
    for parameter in model.parameters():
        nn.init.constant_(parameter, 2.0)
        parameter.grad = torch.zeros_like(parameter)
    build_optimizer(model, Recipe(max_lr=0.1, min_lr_fraction=1.0, momentum=0.0, weight_decay=0.5)).step()
    torch.testing.assert_close(vector(model), torch.full_like(vector(model), 2.0 * (1 - 0.1 * 0.5)))


def test_the_average_is_torchs(model: nn.Module) -> None:
    average = WeightAverage(model, horizon_steps=7)
    reference = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(math.exp(-1 / 7)), use_buffers=True)
    reference.update_parameters(model)  # its first update copies, as WeightAverage does when it is made
    optimizer = build_optimizer(model, Recipe(max_lr=0.05, min_lr_fraction=1.0))
    for seed in range(10):
        train(model, optimizer, seed)
        average.update()
        reference.update_parameters(model)
    expected = reference.module.state_dict()
    for name, tensor in average.model.state_dict().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, expected[name])
    assert not torch.allclose(vector(average.model), vector(model))


class Replacing(nn.Module):
    """Keeps a moving average in a buffer, by assignment."""

    seen: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.register_buffer("seen", torch.zeros(1))

    def see(self, value: float) -> None:
        self.seen = 0.9 * self.seen + 0.1 * value


def test_a_buffer_that_the_network_replaces_is_averaged() -> None:
    model = Replacing()
    average = WeightAverage(model, horizon_steps=7)
    reference = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(math.exp(-1 / 7)), use_buffers=True)
    reference.update_parameters(model)
    for step in range(10):
        model.see(step)
        average.update()
        reference.update_parameters(model)
    assert isinstance(average.model, Replacing)
    torch.testing.assert_close(average.model.seen, reference.module.seen)
    assert average.model.seen > 0.5


def test_a_share_of_the_start_is_left_after_the_horizon() -> None:
    model = nn.Linear(1, 1)
    nn.init.ones_(model.weight)
    average = WeightAverage(model, horizon_steps=20)
    nn.init.zeros_(model.weight)
    for _ in range(20):
        average.update()
    assert average.model.weight.item() == pytest.approx(1 / math.e, rel=1e-5)


def test_without_a_horizon_the_average_is_the_model_itself(model: nn.Module) -> None:
    average = WeightAverage(model.train(), horizon_steps=0)
    before = vector(model)
    average.update()
    assert average.model is model
    assert torch.equal(vector(model), before)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_whole_numbers_are_copied(model: nn.Module) -> None:
    average = WeightAverage(model, horizon_steps=7)
    for counter in (buffer for buffer in model.buffers() if not buffer.is_floating_point()):
        counter.fill_(123)
    average.update()
    counters = [buffer.item() for buffer in average.model.buffers() if not buffer.is_floating_point()]
    assert counters == [123] * 8


def test_the_average_is_a_copy_in_evaluation_mode_that_cannot_be_trained(model: nn.Module) -> None:
    average = WeightAverage(model.train(), horizon_steps=7)
    assert not any(module.training for module in average.model.modules())
    assert not any(parameter.requires_grad for parameter in average.model.parameters())
    before = vector(average.model)
    nn.init.constant_(model.linear.weight, 3.0)
    assert torch.equal(vector(average.model), before)
    assert model.training
