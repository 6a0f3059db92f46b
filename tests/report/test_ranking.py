"""Rank correlation and what it tells of the rungs."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from tune_s11.report.ranking import correlation, finalists_lost, rung_correlations, spearman
from tune_s11.results import TrialResult
from tune_s11.results.records import AuditRecord


@pytest.mark.parametrize("ties", [False, True])
def test_spearman_is_scipys(ties: bool) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 5, 11))
    if ties:
        x, y = x.round(), y.round()
    found = spearman(x, y)
    expected = [scipy.stats.spearmanr(a, b).statistic for a, b in zip(x, y, strict=True)]
    assert found == pytest.approx(expected)


def test_equal_values_have_no_correlation() -> None:
    assert np.isnan(spearman(np.ones(4), np.arange(4.0)))
    assert correlation(np.ones(5), np.arange(5.0)) == {"n": 5, "rho": None, "low": None, "high": None}


def test_few_pairs_have_no_interval_and_fewer_no_correlation() -> None:
    assert correlation(np.arange(2.0), np.arange(2.0)) == {"n": 2, "rho": None, "low": None, "high": None}
    assert correlation(np.arange(3.0), np.arange(3.0)) == {"n": 3, "rho": 1.0, "low": None, "high": None}
    assert correlation(np.array([]), np.array([]))["n"] == 0


def test_interval_is_that_of_a_bootstrap_and_repeats() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=40)
    y = x + rng.normal(size=40)
    found = correlation(x, y)
    assert found == correlation(x, y)
    assert found["low"] < found["rho"] < found["high"]
    theirs = scipy.stats.bootstrap(
        (x, y), lambda a, b: scipy.stats.spearmanr(a, b).statistic, paired=True, vectorized=False, method="percentile",
        n_resamples=1000, rng=2,
    ).confidence_interval  # fmt: skip
    assert (found["low"], found["high"]) == pytest.approx((theirs.low, theirs.high), abs=0.04)


def test_rungs_compare_survivors_with_their_end(make_trial: Callable[..., TrialResult]) -> None:
    finals = [0.7, 0.8, 0.9, 0.6]
    early = [0.3, 0.4, 0.2, 0.1]
    trials = [make_trial(k, [0.1, early[k], 0.5, 0.5, 0.5, finals[k]]) for k in range(4)]
    trials += [
        make_trial(4, [0.1, 0.05], state="pruned"),
        make_trial(5, [0.1, 0.0], state="diverged"),
        make_trial(6, [0.1], state="running"),
        make_trial(7, [0.1, 0.2, 0.0], state="diverged"),  # after the rung
    ]
    raw = [0.1, 0.3, 0.2, 0.4]
    for trial, accuracy in zip(trials, raw, strict=False):
        trial.rows[1] = replace(trial.rows[1], val_accuracy=accuracy)
    second, fourth = rung_correlations(trials, [2, 4])
    assert (second["epoch"], second["reached"], second["stopped"]) == (2, 6, 1)
    assert second["averaged"]["n"] == 4
    assert second["averaged"]["rho"] == pytest.approx(scipy.stats.spearmanr(early, finals).statistic)
    assert second["raw"]["rho"] == pytest.approx(scipy.stats.spearmanr(raw, finals).statistic)
    assert -1 <= second["averaged"]["low"] <= second["averaged"]["high"] <= 1
    assert (fourth["stopped"], fourth["averaged"]["rho"]) == (0, None)


def test_audited_trials_stand_for_those_that_were_stopped(make_trial: Callable[..., TrialResult]) -> None:
    let_through = [make_trial(k, [0.5, 0.5 + 0.1 * k]) for k in range(3)]  # end at 0.5, 0.6, 0.7
    audited = [make_trial(3, [0.1, 0.65]), make_trial(4, [0.1, 0.3]), make_trial(5, [0.1, 0.0], state="diverged")]
    stopped = [make_trial(k, [0.1], state="pruned") for k in range(6, 18)]
    running = make_trial(18, [0.1, 0.9], state="running")
    audit = AuditRecord(one_in=4, decisions=16, trials={f"t{k:04d}": 1 for k in (3, 4, 5, 18)})
    found = finalists_lost([*let_through, *audited, *stopped, running], audit, finalists=2)
    assert found["why"] is None
    assert (found["to_be_stopped"], found["audited"], found["found"]) == (15, 3, 1)
    assert found["threshold"] == pytest.approx(0.6)  # of the second best that no rung would have stopped
    assert (found["share"], found["estimate"], found["extra_epochs"]) == (pytest.approx(1 / 3), pytest.approx(5), 4)
    # The bounds by their definition: chances of one or more, and of one or fewer, of 3 are 2.5 %.
    assert 1 - (1 - found["low"]) ** 3 == pytest.approx(0.025)
    rest = 1 - found["high"]
    assert rest**3 + 3 * found["high"] * rest**2 == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("found", "n", "low", "high"),
    [
        (0, 1, 0.0, 0.975),
        (1, 1, 0.025, 1.0),
        (0, 7, 0.0, 0.4096163972),
        (2, 9, 0.0281449735, 0.6000935737),
    ],
)
def test_recorded_intervals_stay_what_they_are(
    make_trial: Callable[..., TrialResult], found: int, n: int, low: float, high: float
) -> None:
    """As quantiles of the beta distribution gave them."""
    audited = [make_trial(k, [0.1, 0.9 if k < found else 0.2]) for k in range(n)]
    audit = AuditRecord(one_in=1, decisions=n, trials={trial.name: 1 for trial in audited})
    told = finalists_lost([*audited, make_trial(n, [0.5, 0.6])], audit, finalists=1)
    assert (told["found"], told["audited"]) == (found, n)
    assert (told["low"], told["high"]) == pytest.approx((low, high), abs=1e-9)


def test_an_audit_of_nothing_says_so(make_trial: Callable[..., TrialResult]) -> None:
    trials = [make_trial(0, [0.5, 0.6]), make_trial(1, [0.1], state="pruned")]
    assert finalists_lost(trials, None, 5)["why"] == "no trial continued past a rung that would have stopped it"
    audit = AuditRecord(one_in=1, decisions=1, trials={"t0000": 1})
    assert finalists_lost(trials, audit, 5)["why"] == "no other trial is complete"
