"""Each fault that meets a worker or the driver, in each stage beside the trials: what comes out is the same."""

from collections.abc import Iterator

import pytest

from benchmarks.faults.stages import FAULTS, STAGES, Searches, searches

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # for a busy machine


@pytest.fixture(scope="module")
def made() -> Iterator[Searches]:
    with searches() as made:
        yield made


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_concludes_what_it_had_concluded_undisturbed(made: Searches, stage: str, fault: str) -> None:
    row = made.attempt(stage, fault, seed=0)
    assert row["struck"], row
    assert row["survived"], row
    if fault in {"frozen", "hanging"}:
        assert any("reported nothing for 40 s and was killed (--stall-timeout)" in line for line in row["said"]), row
