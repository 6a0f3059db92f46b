"""A pruning policy as a Tune scheduler. Its verdicts survive the process and can be audited."""

import math
from collections.abc import Iterable
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from tune_s11.pruning import Policy
from tune_s11.results import TrialResult
from tune_s11.search.audit import Audit
from tune_s11.training.metrics import SCORE


class PolicyScheduler(FIFOScheduler):  # type: ignore[misc]
    """A scheduler that stops the trials that a policy does not keep.

    It starts with the reports of earlier sessions' trials, which ``Tuner.restore`` forgets (ray-project/ray#30838).

    Args:
        policy: Policy that decides which trials are stopped.
        audit: Audit that keeps some trials running that the policy would stop.
        earlier: Trials of earlier sessions.
    """

    def __init__(self, policy: Policy, audit: Audit, earlier: Iterable[TrialResult] = ()) -> None:
        super().__init__()
        self.verdicts = policy.start()
        self._audit = audit
        self._stopped: dict[int, int] = {}
        for trial in earlier:
            seen = audit.rung(trial.number) or math.inf
            for epoch in trial.rows:
                if epoch.epoch <= seen:
                    self.verdicts.keeps(trial.number, epoch.epoch, epoch.score)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Stop a trial or let it continue; an audited trial continues, and does not count at later rungs."""
        number, epoch = trial.config["number"], result["epoch"]
        if self._audit.rung(number) is not None:
            return str(TrialScheduler.CONTINUE)  # it ends with its last epoch
        if epoch >= self._stopped.get(number, math.inf):  # its worker died before it was stopped
            return str(TrialScheduler.STOP)
        if self.verdicts.keeps(number, epoch, result[SCORE]) or self._audit.takes(number, epoch):
            return str(TrialScheduler.CONTINUE)
        self._stopped[number] = epoch
        return str(TrialScheduler.STOP)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Record a trial that was not stopped: it counts at the last rung that it passed."""
        number = trial.config["number"]
        if self._audit.rung(number) is None:
            self.verdicts.keeps(number, result["epoch"], result[SCORE])
