"""Schedules that set the rates of any torch optimizer."""

from pathlib import Path

import pytest
import torch

from tune_s11.training.driving import drive
from tune_s11.training.schedule import OneCycle, Triangular


@pytest.mark.parametrize(
    "schedule", [OneCycle(0.01, 0.4, peak=1.0, end=3.0), Triangular(0.01, 0.4, period=2.0)], ids=repr
)
def test_a_driven_optimizer_has_the_rate_of_each_step(schedule: OneCycle | Triangular) -> None:
    one, other = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    optimizer = torch.optim.SGD([{"params": [one], "lr": 0.1}, {"params": [other], "lr": 0.02}])
    scheduler = drive(schedule, optimizer, steps_per_epoch=4)
    for step in range(12):
        rates = [group["lr"] for group in optimizer.param_groups]
        assert rates == pytest.approx([schedule.lr(step / 4), schedule.lr(step / 4) / 5])
        optimizer.step()
        scheduler.step()


def test_a_driven_optimizer_is_resumed_by_torchs_states(tmp_path: Path) -> None:
    schedule = OneCycle(0.01, 0.4, peak=1.0, end=3.0)
    optimizers = [torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1) for _ in range(2)]
    one, other = (drive(schedule, optimizer, 4) for optimizer in optimizers)
    for _ in range(5):
        optimizers[0].step()
        one.step()
    torch.save({"optimizer": optimizers[0].state_dict(), "scheduler": one.state_dict()}, tmp_path / "checkpoint.pt")
    states = torch.load(tmp_path / "checkpoint.pt")
    optimizers[1].load_state_dict(states["optimizer"])
    other.load_state_dict(states["scheduler"])
    for optimizer, scheduler in zip(optimizers, (one, other), strict=True):
        optimizer.step()
        scheduler.step()
    assert optimizers[0].param_groups[0]["lr"] == optimizers[1].param_groups[0]["lr"] == pytest.approx(schedule.lr(1.5))


def test_an_optimizer_is_driven_again_after_a_cycle_that_began_at_0() -> None:
    """As when a notebook's cell is run twice."""
    one, other = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    optimizer = torch.optim.SGD([{"params": [one], "lr": 0.1}, {"params": [other], "lr": 0.02}])
    for _ in range(2):
        scheduler = drive(OneCycle(0.0, 0.4, peak=1.0, end=3.0), optimizer, 4)
        for _ in range(4):
            optimizer.step()
            scheduler.step()
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.4, 0.08])


@pytest.mark.parametrize("steps", [0, -1])
def test_epochs_without_a_step_are_refused(steps: int) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    with pytest.raises(ValueError, match=f"^steps_per_epoch {steps}: must be at least 1$"):
        drive(OneCycle(0.01, 0.4, peak=1.0, end=3.0), optimizer, steps)


def test_a_first_group_without_a_rate_is_refused() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.0)
    with pytest.raises(ValueError, match="first parameter group must not be 0"):
        drive(OneCycle(0.01, 0.4, peak=1.0, end=3.0), optimizer, 4)
