"""Recordings use the same convolutions on every CPU."""

import pytest
import torch

from benchmarks.tools.recording import recording_hardware


def test_recordings_use_no_matrix_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    hardware = recording_hardware("bf16")
    assert (hardware.threads, hardware.device, hardware.matrix_products) == (1, "cpu", False)
