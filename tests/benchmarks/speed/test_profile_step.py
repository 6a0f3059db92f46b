"""The profile is of whole steps that train, and the parts that matter are told apart."""

import pytest

from benchmarks.speed.noise import MEAN, STD, noise
from benchmarks.speed.profile_step import PARTS, part_of, plain_step, shares, trainers_step
from tune_s11.config import Recipe
from tune_s11.hardware import Hardware
from tune_s11.training.trainer import Trainer, TrainingData

CPU = Hardware(device="cpu", precision="fp32", threads=1)


@pytest.mark.parametrize("side", [plain_step, trainers_step])
def test_shares_of_a_step(side) -> None:  # type: ignore[no-untyped-def]
    recipe = Recipe(width=4, batch_size=16, max_lr=1e-3)
    trainer = Trainer(recipe, TrainingData(noise(16), None, 10, MEAN, STD), CPU, seed=0)
    parts, total = shares(side(trainer), 2, "cpu")
    assert total == pytest.approx(sum(parts.values()))
    assert all(parts[part] > 0 for part in PARTS)


def test_operators_have_a_part() -> None:
    assert part_of("aten::native_batch_norm_backward") == "batch norm"
    assert part_of("aten::_fused_sgd_") == "optimizer"
    assert part_of("aten::add_") == "other"
