"""Who prunes: ASHA with rungs that outlive the process.

Li et al., "A System for Massively Parallel Hyperparameter Tuning" (arXiv:1810.05934), as Ray Tune has it:
it only stops trials. Rungs rank by the averaged weights' accuracy, which under one cycle tells the end far better than
the raw accuracy of mid-run does (``benchmarks/README.md``).
"""

import math
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from tune_s11.config import SearchSettings
from tune_s11.results import SCORE, TrialResult
from tune_s11.search.audit import Audit


def greatest_saving(rungs: list[int], factor: float, epochs: int) -> float:
    """Epochs of all trials unpruned over epochs where each rung stops all but one in ``factor``."""
    spent, share, before = 0.0, 1.0, 0
    for rung in [*rungs, epochs]:
        spent += share * (rung - before)
        share, before = share / factor, rung
    return epochs / spent


class RememberingASHA(ASHAScheduler):  # type: ignore[misc]
    """ASHA that begins with the rungs of an earlier session, which ``Tuner.restore`` forgets, and can be audited.

    Args:
        settings: Grace and factor.
        epochs: Length of a complete trial.
        audit: Which trials run on where a rung would stop them.
        earlier: Trials of the earlier session.
    """

    def __init__(
        self, settings: SearchSettings, epochs: int, audit: Audit, earlier: Iterable[TrialResult] = ()
    ) -> None:
        super().__init__(
            time_attr="epoch",
            metric=SCORE,
            mode="max",
            max_t=epochs,
            grace_period=settings.grace,
            reduction_factor=settings.factor,
        )
        self._audit = audit
        self._stopped: dict[int, int] = {}
        self._earlier = {trial.number: trial for trial in earlier}
        for trial in self._earlier.values():
            self._recall(trial, SimpleNamespace(trial_id=trial.name))

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Takes note of a trial; one that is taken up again keeps its places in the rungs."""
        super().on_trial_add(tune_controller, trial)
        known = self._earlier.pop(trial.config["number"], None)
        if known is not None:
            for _, recorded in self._brackets[0]._rungs:
                if known.name in recorded:
                    recorded[trial.trial_id] = recorded.pop(known.name)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Stops a trial or lets it go on; an audited one goes on, unseen by the rungs."""
        number, epoch = trial.config["number"], result["epoch"]
        if self._audit.rung(number) is not None:
            return str(TrialScheduler.CONTINUE)  # it ends by itself, at its last epoch
        if epoch >= self._stopped.get(number, self._max_t):  # its worker died before it was told
            return str(TrialScheduler.STOP)
        action = str(super().on_trial_result(tune_controller, trial, result))
        if action == TrialScheduler.STOP and self._audit.takes(number, epoch):
            return str(TrialScheduler.CONTINUE)
        if action == TrialScheduler.STOP:
            self._stopped[number] = epoch
        return action

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """A trial has ended by itself."""
        if self._audit.rung(trial.config["number"]) is None:
            super().on_trial_complete(tune_controller, trial, result)
        else:
            self.on_trial_remove(tune_controller, trial)

    def _recall(self, result: TrialResult, trial: Any) -> None:
        seen = self._audit.rung(result.number) or math.inf
        for row in result.rows:
            if row["epoch"] <= seen:
                self._brackets[0].on_result(trial, row["epoch"], row[SCORE])


def build_scheduler(
    settings: SearchSettings, epochs: int, audit: Audit, earlier: Iterable[TrialResult]
) -> TrialScheduler:
    """The scheduler that the settings name."""
    if settings.scheduler == "none":
        return FIFOScheduler()
    return RememberingASHA(settings, epochs, audit, earlier)
