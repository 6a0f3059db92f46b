"""A restarted run goes on from the weights of the cycle before, and is compared with trainings of as many epochs."""

from typing import Any

import pytest
import torch

from benchmarks.race import restarts
from benchmarks.race.problems import PROBLEMS
from benchmarks.race.restarts import run_complete, run_restarted
from tests.benchmarks.race import tiny_lab


def test_a_cycle_starts_from_what_the_one_before_has_ended_with(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = [], []
    train = restarts.held_out_accuracy

    def spy(trainer: Any, inputs: Any) -> float:
        begun.append([trainer.recipe.epochs, trainer.model.linear.weight.detach().clone()])
        accuracy = train(trainer, inputs)
        ended.append(trainer.model.linear.weight.detach().clone())
        return accuracy

    monkeypatch.setattr(restarts, "CYCLES", (1, 2))
    monkeypatch.setattr(restarts, "held_out_accuracy", spy)
    found = run_restarted(tiny_lab.inputs(), tiny_lab.hardware(), 0)
    assert [epochs for epochs, _ in begun] == [1, 2]
    assert torch.equal(begun[1][1], ended[0])
    assert found[0] == run_complete(tiny_lab.inputs(), tiny_lab.hardware(), 1, 0)


def test_the_table_has_a_row_for_each_end_of_a_cycle(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(PROBLEMS, "tiny", tiny_lab.TINY)
    monkeypatch.setattr(restarts, "CYCLES", (1, 2))
    restarts.main("tiny", seeds=2)
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows[2:]] == ["| 1", "| 3"]
    assert rows[2][3].startswith("+0.0")  # the first cycle is a complete training of one epoch
