"""What a Ray worker trains on."""

import pytest
import ray
import torch

from tune_s11.trainable import worker_hardware


@pytest.mark.parametrize(("given", "device"), [([], "cpu"), (["1"], "cuda")])
def test_a_worker_takes_a_gpu_only_if_ray_gave_it_one(
    monkeypatch: pytest.MonkeyPatch, given: list[str], device: str
) -> None:
    """With ``--gpus 0`` on a machine that has GPUs, whose workers see them all."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "get_gpu_ids", lambda: given)
    assert worker_hardware("fp32", 1).device == device
