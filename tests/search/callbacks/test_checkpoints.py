"""Checkpoints of trials that have ended are deleted, and none is made of a last report."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.result import DONE, SHOULD_CHECKPOINT

from tests.search.begun import Search
from tune_s11.search.callbacks.checkpoints import DeleteCheckpoints


def trial(number: int) -> Any:
    return SimpleNamespace(config={"number": number})


@pytest.mark.parametrize("event", ["on_trial_complete", "on_trial_error"])
def test_a_trial_that_has_ended_keeps_its_reports_alone(tmp_path: Path, event: str) -> None:
    search = Search(tmp_path)
    search.begin("t0000", "t0001")
    getattr(DeleteCheckpoints(search.context), event)(0, [], trial(1))
    assert {path.parent.parent.name for path in tmp_path.rglob("checkpoint.pt")} == {"t0000"}
    assert (tmp_path / "trials" / "t0001" / "result.json").exists()


@pytest.mark.parametrize("done", [True, False])
def test_a_last_report_makes_no_checkpoint(tmp_path: Path, done: bool) -> None:
    result = {DONE: done, SHOULD_CHECKPOINT: True}
    DeleteCheckpoints(Search(tmp_path).context).on_trial_result(0, [], trial(0), result)
    assert result[SHOULD_CHECKPOINT] is not done
