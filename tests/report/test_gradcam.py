"""Heat maps on generated images, where the place of what decides the class is known."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn as nn

from tune_s11.config import InputError, Recipe
from tune_s11.data import Images, normalise
from tune_s11.hardware import Hardware
from tune_s11.models import S11ResNet
from tune_s11.report.gradcam import BATCH, choose_layer, heat_maps
from tune_s11.training.trainer import Trainer, TrainingData

SIDE = 12
"""Of the object, in pixels of 32."""

TOLERANCE = 4
"""Pixels around the object that count as on it: half a cell of layer3, whose 4 x 4 cells are 8 pixels wide."""

MEAN, STD = (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)


def shapes(count: int, seed: int) -> tuple[Images, npt.NDArray[np.bool_]]:
    """A ring, an upright or a diagonal cross somewhere on noise, and the place of it, (N, 32, 32).

    The noise is fine and coarse at once and as strong as the shapes, whose channels are each bright or dark by
    chance: neither brightness, nor colour, nor place tells the class.

    Returns:
        The images, and for each its object's square, grown by the tolerance.
    """
    rng = np.random.default_rng(seed)
    fine, coarse = rng.normal(size=(count, 32, 32, 3)), rng.normal(size=(count, 8, 8, 3))
    pixels = 128 + 30 * fine + 30 * coarse.repeat(4, axis=1).repeat(4, axis=2)
    labels = rng.integers(0, 3, count)
    corners = rng.integers(0, 32 - SIDE + 1, (count, 2))
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    radius = np.hypot(y, x)
    masks = [(radius > 3.2) & (radius < 6), (abs(y) < 2) | (abs(x) < 2), (abs(y - x) < 2.5) | (abs(y + x) < 2.5)]
    places = np.zeros((count, 32, 32), dtype=np.bool_)
    for image, place, label, (top, left) in zip(pixels, places, labels, corners, strict=True):
        image[top : top + SIDE, left : left + SIDE][masks[label]] = 128 + 75 * rng.choice([-1, 1], size=3)
        around = [slice(max(0, start - TOLERANCE), start + SIDE + TOLERANCE) for start in (top, left)]
        place[*around] = True
    return Images(pixels.clip(0, 255).astype(np.uint8), labels), places


def pointing_game(model: nn.Module) -> tuple[float, float]:
    """Share of objects on which the heat map for their class is brightest, and what chance would make it.

    Zhang et al., "Top-down Neural Attention by Excitation Backprop" (arXiv:1608.00507). They allow 15 pixels on
    photographs; here the tolerance follows from the layer, which cannot tell places within one cell apart. Chance is
    the share of the image that counts as on the object: with the tolerance more than the object's own seventh.
    """
    images, places = shapes(300, seed=99)
    maps = heat_maps(
        model, normalise(torch.from_numpy(images.pixels), MEAN, STD), torch.from_numpy(images.labels), "layer3"
    )
    flat = maps.reshape(len(images), -1)
    # Lots are drawn among equals: a map that is all 0 points nowhere, and must not point to the first corner.
    lots = np.random.default_rng(0).random(flat.shape)
    brightest = np.where(flat == flat.max(axis=1, keepdims=True), lots, -1).argmax(axis=1)
    hits = places.reshape(len(images), -1)[np.arange(len(images)), brightest]
    return float(hits.mean()), float(places.mean())


def test_trained_network_looks_at_the_object() -> None:
    recipe = Recipe(width=8, epochs=2, peak_epoch=1, batch_size=32, max_lr=0.1, cutout=0)
    (train, _), (validation, _) = shapes(2400, seed=1), shapes(200, seed=2)
    data = TrainingData(train, validation, 3, MEAN, STD)
    trainer = Trainer(recipe, data, Hardware(device="cpu", precision="fp32", threads=1), seed=0)
    *_, last = trainer
    assert last.ema_val_accuracy is not None
    assert last.ema_val_accuracy > 0.97
    hits, _ = pointing_game(trainer.average.model)
    assert hits >= 0.9


def test_random_network_looks_anywhere() -> None:
    games = []
    for seed in range(8):
        torch.manual_seed(seed)
        games.append(pointing_game(S11ResNet(width=8, num_classes=3)))
    hits, (chance, *_) = (np.array(column) for column in zip(*games, strict=True))
    assert chance == pytest.approx(0.35, abs=0.02)
    assert np.mean(hits) == pytest.approx(chance, abs=0.1)


@pytest.fixture
def model() -> S11ResNet:
    torch.manual_seed(0)
    return S11ResNet(width=2)


def test_maps_have_the_images_shape_and_range(model: S11ResNet) -> None:
    maps = heat_maps(model, torch.randn(3, 3, 32, 32), torch.tensor([0, 5, 9]), "layer3")
    assert maps.shape == (3, 32, 32)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    assert maps.max() <= 1


def test_model_is_left_as_it_was(model: S11ResNet) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    heat_maps(model, torch.randn(2, 3, 32, 32), torch.tensor([0, 1]), layer="prep.1")
    assert model.training
    assert all(module.inplace for module in model.modules() if isinstance(module, nn.ReLU))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_frozen_weights_and_batches_change_nothing(model: S11ResNet) -> None:
    images, classes = torch.randn(BATCH + 1, 3, 32, 32), torch.arange(BATCH + 1) % 10
    whole = heat_maps(model, images, classes, "layer3")
    last = heat_maps(model.eval().requires_grad_(False), images[-1:], classes[-1:], "layer3")
    np.testing.assert_allclose(whole[-1:], last, atol=1e-5)


def test_layer_before_an_inplace_activation_is_seen_as_it_was() -> None:
    # Its negative outputs, which an activation in place would have set to 0, must count.
    first = nn.Conv2d(3, 1, 1, bias=False)
    nn.init.ones_(first.weight)
    model = nn.Sequential(first, nn.ReLU(inplace=True), nn.Conv2d(1, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    nn.init.constant_(model[2].weight, -1.0)
    images = torch.ones(1, 3, 8, 8)
    images[..., 4:, :] = -1.0
    (heat,) = heat_maps(model, images, torch.tensor([0]), layer="0")
    assert heat[6, 4] > 0.99
    assert heat[1, 4] == 0


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (
            "layer9",
            "--layer 'layer9': the network has no such layer; expected one of prep, layer1, layer2, layer3, pool",
        ),
        ("", "--layer '': the network has no such layer"),
        ("linear", r"--layer 'linear': its output is \(1, 10\); expected a layer that outputs maps"),
    ],
)
def test_layer_that_gives_no_maps(model: S11ResNet, layer: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        heat_maps(model, torch.randn(1, 3, 32, 32), torch.tensor([0]), layer)


def test_layer_that_is_not_passed_through(model: S11ResNet) -> None:
    model.add_module("spare", nn.Conv2d(3, 3, 1))
    with pytest.raises(InputError, match="--layer 'spare': the network does not use it"):
        heat_maps(model, torch.randn(1, 3, 32, 32), torch.tensor([0]), "spare")


def test_the_network_names_its_layer_or_its_last_maps_are_taken(model: S11ResNet) -> None:
    image = torch.randn(1, 3, 32, 32)
    assert choose_layer(model, image) == "layer3"
    pooled = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)]
    assert choose_layer(nn.Sequential(*pooled), image) == "1"
    assert not any(module._forward_hooks for module in pooled)
    with pytest.raises(InputError, match="no layer that outputs maps"):
        choose_layer(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2)), image)
