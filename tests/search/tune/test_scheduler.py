"""A policy as Tune's scheduler: its verdicts outlive the process, and a trial's worker."""

from pathlib import Path
from typing import Any

from ray.tune.schedulers import TrialScheduler

from tests.search.scheduled import cutoff_is, recorded, report, trial
from tune_s11.config import Recipe, RefitChanges, SearchSettings
from tune_s11.results import TrialResult
from tune_s11.search.audit import Audit
from tune_s11.search.tune.scheduler import PolicyScheduler
from tune_s11.search_space import SearchConfig
from tune_s11.training.metrics import SCORE, EpochMetrics

STOP, CONTINUE = TrialScheduler.STOP, TrialScheduler.CONTINUE


def config(**changes: Any) -> SearchConfig:
    """Trials of 8 epochs with rungs at 2 and 4, none of them audited."""
    settings = {"grace": 2, "factor": 2, "audit": 0, **changes}
    return SearchConfig(Recipe(epochs=8), {}, SearchSettings.model_validate(settings), RefitChanges())


def scheduler(*earlier: TrialResult, **changes: Any) -> PolicyScheduler:
    search = config(**changes)
    return PolicyScheduler(search.policy, Audit(Path("/nowhere"), search), earlier)


def result(number: int, scores: list[float]) -> TrialResult:
    rows = [
        EpochMetrics(epoch, 0.1, 0.5, 0.8, 0.5, score, 0.5, score, 1.0, 1e3, False)
        for epoch, score in enumerate(scores, start=1)
    ]
    return TrialResult(number, {}, Recipe(), number, None, rows, "pruned")


def test_earlier_trials_count_in_the_rungs() -> None:
    asha = scheduler(result(0, [0.5, 0.6, 0.7, 0.8]), result(1, [0.5, 0.5]))
    worse = trial(asha, 2)
    assert report(asha, worse, 1, 0.9) == CONTINUE
    assert report(asha, worse, 2, 0.4) == STOP
    assert report(asha, trial(asha, 3), 2, 0.65) == CONTINUE


def test_a_resumed_trial_keeps_its_place() -> None:
    asha = scheduler(result(0, [0.5, 0.9]), result(1, [0.5, 0.6, 0.7]))
    again = trial(asha, 1, "again")
    assert recorded(asha, 2) == {0, 1}
    assert report(asha, again, 3, 0.1) == CONTINUE
    assert recorded(asha, 2) == {0, 1}
    assert cutoff_is(asha, 2, 0.75)  # between 0.9 and its 0.6


def test_a_trial_to_be_stopped_whose_worker_dies_first_is_stopped_at_the_same_rung() -> None:
    asha = scheduler(result(0, [0.5, 0.9]))
    worse = trial(asha, 1)
    assert report(asha, worse, 2, 0.4) == STOP
    asha.on_trial_error(None, worse)
    asha.on_trial_add(None, worse)
    assert report(asha, worse, 1, 0.3) == CONTINUE
    assert report(asha, worse, 2, 0.4) == STOP


def test_a_trial_that_diverges_counts_at_the_rung_that_it_has_passed() -> None:
    """It ends without being stopped, with a score below all others."""
    asha = scheduler()
    asha.on_trial_complete(None, trial(asha, 0), {"epoch": 3, SCORE: 0.0})
    assert (recorded(asha, 2), recorded(asha, 4)) == ({0}, set())
    assert report(asha, trial(asha, 1), 2, 0.4) == CONTINUE
    assert cutoff_is(asha, 2, 0.2)


def test_without_a_policy_nobody_is_stopped() -> None:
    fifo = scheduler(result(0, [0.9, 0.9]), scheduler="none")
    new = trial(fifo, 1)
    assert [report(fifo, new, epoch, 0.1) for epoch in range(1, 8)] == [CONTINUE] * 7
    fifo.on_trial_complete(None, new, {"epoch": 8, SCORE: 0.1})
