"""Convolutions as matrix products are convolutions, gradients included, and take the place of small ones alone."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tune_s11.models import S11ResNet, convolution, use_matrix_products
from tune_s11.models.convolution import SmallConv2d, convolve

Side = Callable[[Tensor, Tensor], Tensor]


def reference(images: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(images, weight, padding=1)


def values_and_gradients(side: Side, images: Tensor, weight: Tensor, upstream: Tensor) -> list[Tensor]:
    leaves = [each.detach().clone().requires_grad_() for each in (images, weight)]
    output = side(*leaves)
    output.backward(upstream)
    gradients = [leaf.grad for leaf in leaves]
    assert all(gradient is not None for gradient in gradients)
    return [output.detach(), *(gradient for gradient in gradients if gradient is not None)]


@settings(max_examples=50, deadline=None)
@given(
    st.tuples(*[st.integers(1, 6)] * 5),
    st.sampled_from([torch.contiguous_format, torch.channels_last]),
    st.sampled_from([torch.contiguous_format, torch.channels_last]),
    st.integers(0, 99),
)
def test_values_and_gradients_are_those_of_conv2d(
    shape: tuple[int, ...], of_images: torch.memory_format, of_upstream: torch.memory_format, seed: int
) -> None:
    (n, c, o, height, width), generator = shape, torch.Generator().manual_seed(seed)
    images = torch.randn(n, c, height, width, generator=generator).to(memory_format=of_images)
    weight = torch.randn(o, c, 3, 3, generator=generator)
    upstream = torch.randn(n, o, height, width, generator=generator).to(memory_format=of_upstream)
    ours, theirs = (values_and_gradients(side, images, weight, upstream) for side in (convolve, reference))
    for found, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_gradients_are_those_of_finite_differences() -> None:
    images = torch.randn(2, 3, 4, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(5, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(convolve, (images, weight))


def test_in_bf16_it_is_as_exact_as_conv2d() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(32, 128, 4, 4, generator=generator)
    weight = torch.randn(64, 128, 3, 3, generator=generator) / (9 * 128) ** 0.5
    upstream = torch.randn(32, 64, 4, 4, generator=generator)
    exact = values_and_gradients(reference, images, weight, upstream)
    ours, theirs = (
        values_and_gradients(side, images.bfloat16(), weight.bfloat16(), upstream.bfloat16())
        for side in (convolve, reference)
    )
    for found, usual, expected in zip(ours, theirs, exact, strict=True):
        assert found.dtype == torch.bfloat16
        error, usual_error = ((each.float() - expected).norm() for each in (found, usual))
        assert error <= 1.1 * usual_error


def test_small_images_alone_are_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, images = S11ResNet(width=4).to(memory_format=torch.channels_last), torch.randn(8, 3, 32, 32)
    before, seen = model(images), []

    def spy(images: Tensor, weight: Tensor) -> Tensor:
        seen.append(tuple(images.shape[2:]))
        return convolve(images, weight)

    monkeypatch.setattr(convolution, "convolve", spy)
    names = list(model.state_dict())
    use_matrix_products(model)
    torch.testing.assert_close(model(images), before, atol=1e-5, rtol=1e-5)
    assert seen == [(4, 4), (4, 4)]  # the last layer's residual
    assert sum(isinstance(module, SmallConv2d) for module in model.modules()) == 8
    assert list(model.state_dict()) == names


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("settings", [{"bias": True}, {"bias": False}, {"padding": "same"}])
def test_a_layer_computes_what_it_did(settings: dict[str, Any], dtype: torch.dtype) -> None:
    layer = nn.Conv2d(**{"in_channels": 3, "out_channels": 5, "kernel_size": 3, "padding": 1} | settings)
    images = torch.randn(2, 3, 4, 4, requires_grad=True)
    outcomes = []
    for _ in range(2):
        layer.zero_grad()
        images.grad = None
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            output = layer(images)
        assert output.dtype == dtype
        output.float().square().sum().backward()
        outcomes.append([output.detach(), images.grad, *(parameter.grad for parameter in layer.parameters())])
        use_matrix_products(layer)
    assert type(layer) is SmallConv2d
    accuracy = {"atol": 1e-5, "rtol": 1e-5} if dtype == torch.float32 else {"atol": 0.1, "rtol": 0.05}
    for found, expected in zip(*reversed(outcomes), strict=True):
        torch.testing.assert_close(found, expected, **accuracy)


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 1, "padding": 0},
        {"padding": 0},
        {"stride": 2},
        {"dilation": 2},
        {"groups": 2},
        {"padding_mode": "reflect"},
    ],
)
def test_other_convolutions_are_left_alone(settings: dict[str, Any]) -> None:
    layer = nn.Conv2d(**{"in_channels": 4, "out_channels": 4, "kernel_size": 3, "padding": 1} | settings)
    use_matrix_products(layer)
    assert type(layer) is nn.Conv2d


def test_a_subclass_is_left_alone() -> None:
    class Own(nn.Conv2d):
        pass

    layer = Own(3, 3, 3, padding=1)
    use_matrix_products(layer)
    assert type(layer) is Own


@pytest.mark.parametrize("change", [Tensor.relu_, lambda output: output.add_(1), lambda output: output.mul_(2)])
def test_outputs_may_be_changed_in_place(change: Callable[[Tensor], Tensor]) -> None:
    layer, images = nn.Conv2d(3, 4, 3, padding=1, bias=False), torch.randn(2, 3, 4, 4, requires_grad=True)
    gradients = []
    for _ in range(2):
        change(layer(images)).square().sum().backward()
        gradients.append((images.grad, layer.weight.grad))
        images.grad = layer.weight.grad = None
        use_matrix_products(layer)
    assert type(layer) is SmallConv2d
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("of_images", "of_weight"), [(True, False), (False, True)])
def test_only_the_gradients_asked_for_are_computed(of_images: bool, of_weight: bool) -> None:
    images = torch.randn(2, 3, 4, 4, requires_grad=of_images)
    weight = torch.randn(5, 3, 3, 3, requires_grad=of_weight)
    gradients = []
    for side in (convolve, reference):
        side(images, weight).sum().backward()
        assert (images.grad is not None, weight.grad is not None) == (of_images, of_weight)
        gradients.append(images.grad if of_images else weight.grad)
        images.grad = weight.grad = None
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-4)


def test_a_batch_may_be_empty() -> None:
    assert convolve(torch.zeros(0, 3, 4, 4), torch.zeros(5, 3, 3, 3)).shape == (0, 5, 4, 4)


def test_images_without_a_batch_are_still_convolved() -> None:
    layer, image = nn.Conv2d(3, 4, 3, padding=1), torch.randn(3, 4, 4)
    expected = layer(image)
    use_matrix_products(layer)
    torch.testing.assert_close(layer(image), expected)
