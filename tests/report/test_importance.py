"""Importances: of what mattered, on whichever scale it was searched, and refused where nothing can be told."""

from collections.abc import Callable

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from tune_s11.config import InputError
from tune_s11.report.importance import SEEDS, importances
from tune_s11.results import TrialResult

Make = Callable[..., TrialResult]

DOMAINS: dict[str, BaseDistribution] = {
    "momentum": FloatDistribution(0.8, 0.98),
    "weight_decay": FloatDistribution(1e-6, 1.0, log=True),
    "width": CategoricalDistribution([32, 64]),
}


def draw(make_trial: Make, count: int, score: Callable[[dict], float]) -> list[TrialResult]:
    rng = np.random.default_rng(0)
    trials = []
    for number in range(count):
        params = {
            "momentum": rng.uniform(0.8, 0.98),
            "weight_decay": 10 ** rng.uniform(-6, 0),
            "width": [32, 64][number % 2],
        }
        trials.append(make_trial(number, [score(params)], params=params))
    return trials


def test_a_log_parameter_matters_over_all_its_decades(make_trial: Make) -> None:
    """Weighed linearly, all but the topmost decade would have no part in the variance."""
    trials = draw(make_trial, 30, lambda params: 0.5 + 0.4 * (params["weight_decay"] < 1e-3))
    trials.append(make_trial(99, [0.9], state="pruned", params=trials[0].params))
    found = importances(trials, DOMAINS)
    assert (found["n"], found["seeds"]) == (30, SEEDS)
    assert set(found["evaluators"]) == {"fANOVA", "mean decrease in impurity"}
    for shares in found["evaluators"].values():
        assert next(iter(shares)) == "weight_decay"
        assert shares["weight_decay"]["mean"] > 0.8
        assert sum(share["mean"] for share in shares.values()) == pytest.approx(1)
        assert all(share["low"] <= share["mean"] <= share["high"] for share in shares.values())
    assert found == importances(trials, DOMAINS)


def test_what_cannot_be_told_is_refused(make_trial: Make) -> None:
    def by_momentum(params: dict) -> float:
        return params["momentum"] / 2

    with pytest.raises(InputError, match="at least 10 complete trials, but there are 9"):
        importances(draw(make_trial, 9, by_momentum), DOMAINS)
    with pytest.raises(InputError, match="at least 10 complete trials, but there are none"):
        importances([], DOMAINS)
    one = {"momentum": DOMAINS["momentum"], "width": CategoricalDistribution([64])}
    with pytest.raises(InputError, match="at least 2 parameters that vary, but there is 1"):
        importances(draw(make_trial, 12, by_momentum), one)
    with pytest.raises(InputError, match="all 12 complete trials have the same score"):
        importances(draw(make_trial, 12, lambda params: 0.5), DOMAINS)
