"""Convolutions as matrix products are convolutions, gradients included, and take the place of small ones alone."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.speed.small_convolutions import SmallConvolution, convolve, main, replace
from tune_s11.hardware import Hardware
from tune_s11.models import S11ResNet


@settings(max_examples=25, deadline=None)
@given(st.tuples(*[st.integers(1, 6)] * 5), st.integers(0, 99))
def test_values_and_gradients_are_those_of_conv2d(shape: tuple[int, ...], seed: int) -> None:
    (n, c, o, height, width), generator = shape, torch.Generator().manual_seed(seed)
    images = torch.randn(n, c, height, width, generator=generator).to(memory_format=torch.channels_last)
    weight = torch.randn(o, c, 3, 3, generator=generator)
    upstream = torch.randn(n, o, height, width, generator=generator)
    found = []
    for side in (convolve, lambda images, weight: F.conv2d(images, weight, padding=1)):
        leaves = [each.detach().clone().requires_grad_() for each in (images, weight)]
        output = side(*leaves)
        output.backward(upstream)
        found.append([output.detach(), *(leaf.grad for leaf in leaves)])
    for ours, reference in zip(*found, strict=True):
        torch.testing.assert_close(ours, reference, atol=1e-5, rtol=1e-5)


def test_the_network_computes_what_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, images = S11ResNet(width=4).to(memory_format=torch.channels_last), torch.randn(8, 3, 32, 32)
    before, seen = model(images), []

    def spy(images: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        seen.append(images.shape[2:])
        return convolve(images, weight)

    monkeypatch.setattr("benchmarks.speed.small_convolutions.convolve", spy)
    replace(model)
    torch.testing.assert_close(model(images), before, atol=1e-5, rtol=1e-5)
    assert seen == [(4, 4), (4, 4)]  # the last layer's residual
    assert sum(isinstance(module, SmallConvolution) for module in model.modules()) == 8


def test_the_command_prints_a_row_for_each_width(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one_thread = Hardware(device="cpu", precision="fp32", threads=1)
    monkeypatch.setattr("benchmarks.speed.small_convolutions.choose_hardware", lambda precision, gpu: one_thread)
    main("fp32", widths=[16, 8], rounds=1, batch=2)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[2:]] == ["| 16", "| 8"]
