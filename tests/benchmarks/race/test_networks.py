from typing import Literal

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from benchmarks.race.problems import PROBLEMS
from tune_s11.data import Images
from tune_s11.hardware import Hardware
from tune_s11.models import build_model
from tune_s11.training.optimizer import build_optimizer
from tune_s11.training.trainer import Trainer, TrainingData


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problems_network_trains(name: str) -> None:
    """On noise: of the problem that is kept for the end, nothing else may be seen."""
    torch.manual_seed(0)
    recipe = PROBLEMS[name].recipe().model_copy(update={"max_lr": 0.01, "min_lr_fraction": 1.0, "momentum": 0.5})
    images, labels = torch.randn(16, 3, 32, 32), torch.arange(16) % 10
    network = build_model(recipe, 10)
    optimizer = build_optimizer(network, recipe)
    losses = []
    for _ in range(10):
        logits = network(images)
        assert logits.shape == (16, 10)
        loss = F.cross_entropy(logits * recipe.logit_scale, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert losses[0] < 10  # nats: the scale of the logits fits the network


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problems_network_runs_in_the_trainer(name: str, precision: Literal["fp32", "bf16"]) -> None:
    """On noise too: steps, EMA weights and evaluation, whose fast paths differ from training's."""
    generator = np.random.default_rng(0)
    images = Images(generator.integers(256, size=(64, 32, 32, 3), dtype=np.uint8), np.arange(64) % 10)
    recipe = PROBLEMS[name].recipe().model_copy(update={"max_lr": 0.01, "epochs": 2, "peak_epoch": 1, "batch_size": 32})
    data = TrainingData(images, images, 10, (0.5, 0.5, 0.5), (0.3, 0.3, 0.3))
    trainer = Trainer(recipe, data, Hardware(device="cpu", precision=precision, threads=1), seed=0)
    metrics = list(trainer)
    assert len(metrics) == 2
    assert not trainer.diverged


@pytest.mark.parametrize("function", ["plain", "group_norm", "transformer"])
def test_widths_scale_and_bad_sizes_are_refused(function: str) -> None:
    from benchmarks.race import networks

    build = getattr(networks, function)
    sizes = [sum(parameter.numel() for parameter in build(width, 10, 32).parameters()) for width in (8, 16)]
    assert 2.5 < sizes[1] / sizes[0] < 4.5
    assert build(8, 7, 16)(torch.zeros(2, 3, 16, 16)).shape == (2, 7)
    with pytest.raises(ValueError, match="image_size 20: must be a multiple of 8"):
        build(8, 10, 20)


def test_the_recurrent_network_reads_rows_in_their_order() -> None:
    from benchmarks.race.networks import recurrent

    network, images = recurrent(8, 7, 20), torch.randn(2, 3, 20, 20)
    logits = network(images)
    assert logits.shape == (2, 7)
    assert not torch.allclose(network(images.flip(2)), logits)
    outputs, _ = network.read(images.permute(0, 2, 1, 3).reshape(2, 20, 60))
    torch.testing.assert_close(network.linear(outputs.mean(1)), logits)


def test_group_norm_is_the_librarys_own_in_another_layout() -> None:
    from benchmarks.race.networks import GroupNorm

    images = torch.randn(4, 8, 6, 6).to(memory_format=torch.channels_last)
    normalised = GroupNorm(2, 8)(images)
    assert normalised.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(normalised, torch.nn.GroupNorm(2, 8)(images))


def test_the_plain_network_normalises_nothing() -> None:
    from benchmarks.race.networks import plain

    names = {type(module).__name__ for module in plain(4, 10, 32).modules()}
    assert names == {"Sequential", "Conv2d", "ReLU", "MaxPool2d", "AdaptiveAvgPool2d", "Flatten", "Linear"}
