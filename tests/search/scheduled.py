"""What the tests do with a scheduler in Tune's place."""

import copy
from types import SimpleNamespace
from typing import Any

from tune_s11.pruning import Rungs
from tune_s11.search.tune.scheduler import PolicyScheduler
from tune_s11.training.metrics import SCORE


def trial(scheduler: PolicyScheduler, number: int, name: str | None = None) -> SimpleNamespace:
    added = SimpleNamespace(trial_id=name or f"id{number}", config={"number": number})
    scheduler.on_trial_add(None, added)
    return added


def report(scheduler: PolicyScheduler, of: SimpleNamespace, epoch: int, score: float) -> str:
    return scheduler.on_trial_result(None, of, {"epoch": epoch, SCORE: score})


def recorded(scheduler: PolicyScheduler, epoch: int) -> set[Any]:
    """The trials that the rung at an epoch knows."""
    assert isinstance(scheduler.verdicts, Rungs)
    return scheduler.verdicts.trials(epoch)


def cutoff_is(scheduler: PolicyScheduler, epoch: int, score: float) -> bool:
    """Whether a trial that came to a rung next would be kept with this score, and stopped with a lower one."""
    kept, stopped = (copy.deepcopy(scheduler.verdicts).keeps("next", epoch, score + by) for by in (1e-6, -1e-6))
    return kept and not stopped
