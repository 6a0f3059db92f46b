"""The program as it is now, as an arm of the race: its range test by short cycles, whose bounds follow the momentum.

Everything else is as in :mod:`benchmarks.race.ours`, including the audit, although it is off by default now. Except for
the rate, the cycles have the recipe's defaults. The first trial has them too, at the rate that the cycles recommend, as
in the arm ``cycles-and-one-run``.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.race.lab import Lab
from benchmarks.race.ours import settings_of
from benchmarks.race.problems import SPACE, defaults
from tune_s11.lr_range.bounds import LRBounds, bounds_of
from tune_s11.lr_range.cycles import Cycle, Outcome
from tune_s11.lr_range.measuring import train_cycle
from tune_s11.lr_range.rule import ask, recommend
from tune_s11.search.simulation import SearchWithoutRay
from tune_s11.search.study import Proposals
from tune_s11.search_space import SearchConfig


def measure(lab: Lab) -> LRBounds:
    """Run the range test by cycles, and count their epochs.

    Raises:
        BudgetSpent: The budget is spent.
    """
    assert lab.inputs.data.validation is not None
    recipe = lab.recipe.model_copy(update=defaults())

    def train(cycles: Sequence[Cycle]) -> dict[Cycle, Outcome]:
        outcomes = {}
        for cycle in cycles:
            outcomes[cycle] = train_cycle(recipe, lab.inputs.data, lab.hardware, cycle)
            lab.spend(outcomes[cycle].epochs)
        return outcomes

    answer = recommend(ask(recipe, settings_of(lab.repeat), lab.inputs.data.validation.labels), train)
    lab.suggest_rates({"max_lr": answer.first})
    return replace(bounds_of(answer, None, recipe.min_lr_fraction), momentum=recipe.momentum)


def search(lab: Lab, defaults_first: bool) -> None:
    """Search until the budget is spent or the samples are used up.

    Args:
        lab: Lab to train in.
        defaults_first: Whether the defaults are tried first, before the range test.

    Raises:
        BudgetSpent: The budget is spent.
    """
    if defaults_first:
        lab.start(defaults()).advance(lab.recipe.epochs)
    bounds = measure(lab)
    config = SearchConfig(lab.recipe, dict(SPACE), settings_of(lab.repeat)).with_lr_bounds(bounds.low, bounds.high)
    proposals = Proposals(config.domains, (defaults() | bounds.first,), bounds)
    with tempfile.TemporaryDirectory() as folder:
        audit = Path(folder) / "audit.json"
        SearchWithoutRay(lambda trial: lab.start(trial["params"]), config, proposals, config.policy, audit).run()
