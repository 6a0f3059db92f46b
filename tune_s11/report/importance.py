"""Computes which parameters mattered, with Optuna's importance evaluators on the complete trials."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.importance import (
    BaseImportanceEvaluator,
    FanovaImportanceEvaluator,
    MeanDecreaseImpurityImportanceEvaluator,
    get_param_importances,
)

from tune_s11.config import InputError
from tune_s11.results import TrialResult

LEAST = 10
"""Minimum number of complete trials: with fewer, the forests would be fitted to noise."""

SEEDS = 8
"""Number of forests per evaluator, each from its own seed."""

EVALUATORS: dict[str, type[FanovaImportanceEvaluator] | type[MeanDecreaseImpurityImportanceEvaluator]] = {
    "fANOVA": FanovaImportanceEvaluator,
    "mean decrease in impurity": MeanDecreaseImpurityImportanceEvaluator,
}
"""Importance evaluators by name. fANOVA (Hutter et al. 2014) is the share of the score's variance over the space that
a parameter alone explains; mean decrease in impurity (Breiman 2001) is its contribution to a random forest's splits."""


def importances(trials: Sequence[TrialResult], domains: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """Return the importance of each parameter for the final score, from several seeds of each evaluator.

    Only complete trials are used, because the scores of others are from earlier epochs. A parameter that is searched on
    a log scale is replaced by its logarithm, because Optuna's fANOVA treats every domain as linear.

    Args:
        trials: Trials in any state.
        domains: Searched parameters, whose domains contain the trials' values.

    Returns:
        ``n``, the number of complete trials; ``seeds``; ``evaluators``: by name and parameter, the most important first
        by fANOVA, ``mean``, ``low`` and ``high`` over the seeds. The means of all parameters sum to 1.

    Raises:
        InputError: There are too few complete trials or parameters, or all scores are equal.
    """
    complete = [trial for trial in trials if trial.state == "complete"]
    searched = {name: domain for name, domain in domains.items() if not domain.single()}
    if len(searched) < 2:
        raise InputError(f"needs at least 2 parameters that vary, but there {_are(len(searched))}")
    if len(complete) < LEAST:
        raise InputError(f"needs at least {LEAST} complete trials, but there {_are(len(complete))}")
    if len({trial.score for trial in complete}) == 1:
        raise InputError(f"all {len(complete)} complete trials have the same score")
    study = _study(complete, searched)
    table = {}
    for name, kind in EVALUATORS.items():
        of_seeds = [_evaluate(study, kind(seed=seed)) for seed in range(SEEDS)]
        table[name] = {
            parameter: {
                "mean": float(np.mean(values := [found[parameter] for found in of_seeds])),
                "low": float(min(values)),
                "high": float(max(values)),
            }
            for parameter in searched
        }
    first = table["fANOVA"]
    order = sorted(searched, key=lambda parameter: -first[parameter]["mean"])
    ordered = {name: {parameter: found[parameter] for parameter in order} for name, found in table.items()}
    return {"n": len(complete), "seeds": SEEDS, "evaluators": ordered}


def _evaluate(study: optuna.Study, evaluator: BaseImportanceEvaluator) -> dict[str, float]:
    return get_param_importances(study, evaluator=evaluator)


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count or 'none'}"


def _study(trials: Sequence[TrialResult], domains: Mapping[str, BaseDistribution]) -> optuna.Study:
    """Return the trials as a study in memory, with parameters of log domains as logarithms to base 10."""
    logs = {name: domain for name, domain in domains.items() if isinstance(domain, FloatDistribution) and domain.log}
    linear = {name: FloatDistribution(math.log10(domain.low), math.log10(domain.high)) for name, domain in logs.items()}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    for trial in trials:
        params = {name: math.log10(trial.params[name]) if name in logs else trial.params[name] for name in domains}
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions={**domains, **linear}, value=trial.score)
        )
    return study
