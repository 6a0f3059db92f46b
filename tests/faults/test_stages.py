"""A search in which each stage but the trials meets the same fault, of a worker or the driver, ends as without it."""

from collections.abc import Iterator

import pytest

from benchmarks.faults.stages import FAULTS, STAGES, Searches, draw_step, searches

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # for a busy machine


@pytest.fixture(scope="module")
def made() -> Iterator[Searches]:
    with searches() as made:
        yield made


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_each_stage_changes_nothing(made: Searches, fault: str) -> None:
    outcome = made.attempt(fault, {stage: draw_step(stage, fault, seed=0) for stage in STAGES})
    assert outcome.struck, outcome
    assert outcome.survived, outcome
    if fault in {"frozen", "hanging"}:
        silent = [line for line in outcome.said if "reported nothing for 40 s and was killed (--stall-timeout)" in line]
        assert len(silent) >= len(STAGES), outcome
