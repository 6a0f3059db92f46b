"""The S11 network against its specification and against a plain functional forward pass."""

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tune_s11.models import S11ResNet
from tune_s11.models.resnet import ResidualLayer


def randomised(model: nn.Module, seed: int = 0) -> nn.Module:
    """The model with batch norms that change their input, so that leaving one out shows."""
    generator = torch.Generator().manual_seed(seed)
    for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.weight.data.uniform_(0.5, 1.5, generator=generator)
        norm.bias.data.uniform_(-0.5, 0.5, generator=generator)
        norm.running_mean.uniform_(-0.5, 0.5, generator=generator)
        norm.running_var.uniform_(0.5, 1.5, generator=generator)
    return model


def test_parameter_count() -> None:
    assert sum(parameter.numel() for parameter in S11ResNet().parameters()) == 6_573_130


def test_convolutions_have_no_bias() -> None:
    assert all(module.bias is None for module in S11ResNet(width=4).modules() if isinstance(module, nn.Conv2d))


def test_order_of_the_layers() -> None:
    conv = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    conv_pool = [nn.Conv2d, nn.MaxPool2d, nn.BatchNorm2d, nn.ReLU]
    leaves = [type(module) for module in S11ResNet(width=4).modules() if not list(module.children())]
    residual_layer = conv_pool + conv + conv
    assert leaves == conv + residual_layer + conv_pool + residual_layer + [nn.MaxPool2d, nn.Linear]


def test_channels_double_from_layer_to_layer() -> None:
    channels = [module.out_channels for module in S11ResNet(width=64).modules() if isinstance(module, nn.Conv2d)]
    assert channels == [64, 128, 128, 128, 256, 512, 512, 512]


def test_forward_is_the_functional_reference() -> None:
    model = randomised(S11ResNet(width=4)).eval()
    state = model.state_dict()

    def block(x: Tensor, name: str, *, pool: bool = False) -> Tensor:
        x = F.conv2d(x, state[f"{name}.0.weight"], padding=1)
        if pool:
            x = F.max_pool2d(x, 2)
        norm = f"{name}.2" if pool else f"{name}.1"
        mean, var = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
        return F.relu(F.batch_norm(x, mean, var, state[f"{norm}.weight"], state[f"{norm}.bias"]))

    def residual(x: Tensor, name: str) -> Tensor:
        h = block(x, f"{name}.down", pool=True)
        return h + block(block(h, f"{name}.residual.0"), f"{name}.residual.1")

    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    x = block(images, "prep")
    x = residual(x, "layer1")
    x = block(x, "layer2", pool=True)
    x = residual(x, "layer3")
    expected = F.linear(x.amax(dim=(2, 3)), state["linear.weight"], state["linear.bias"])
    with torch.no_grad():
        torch.testing.assert_close(model(images), expected)


@pytest.mark.parametrize("name", ["layer1", "layer3"])
def test_a_silent_residual_leaves_the_shortcut(name: str) -> None:
    layer = getattr(randomised(S11ResNet(width=4)).eval(), name)
    assert isinstance(layer, ResidualLayer)
    x = torch.randn(2, layer.down[0].in_channels, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert not torch.equal(layer(x), layer.down(x))
        last_norm = layer.residual[1][1]
        last_norm.weight.zero_()
        last_norm.bias.zero_()
        assert torch.equal(layer(x), layer.down(x))


@pytest.mark.parametrize("image_size", [8, 16, 32, 64])
def test_one_row_of_logits_an_image(image_size: int) -> None:
    model = S11ResNet(width=4, num_classes=7, image_size=image_size)
    assert model(torch.zeros(2, 3, image_size, image_size)).shape == (2, 7)


def test_image_size_must_be_a_multiple_of_8() -> None:
    with pytest.raises(ValueError, match="image_size 20"):
        S11ResNet(image_size=20)
