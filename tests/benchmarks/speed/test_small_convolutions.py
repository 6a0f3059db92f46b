"""The comparison trains on images of the requested size and prints one row per width."""

import pytest

from benchmarks.speed import small_convolutions
from benchmarks.speed.small_convolutions import main
from tune_s11.hardware import Hardware
from tune_s11.models import convolution


@pytest.mark.parametrize(("size", "small"), [(32, {4}), (8, {4, 2, 1})])
def test_the_command_prints_a_row_for_each_width(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], size: int, small: set[int]
) -> None:
    one_thread, seen, convolve = Hardware(device="cpu", precision="fp32", threads=1), set(), convolution.convolve
    monkeypatch.setattr(small_convolutions, "choose_hardware", lambda *_, gpu: one_thread)
    monkeypatch.setattr(convolution, "convolve", lambda x, weight: seen.add(x.shape[-1]) or convolve(x, weight))
    main("fp32", widths=[16, 8], rounds=1, batch=2, size=size, threads=None)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[2:]] == ["| 16", "| 8"]
    assert seen == small
