"""The pruning audit: keeps some trials running that the policy would stop, to estimate what pruning loses."""

import math
import random
from pathlib import Path

from tune_s11.results import trial_name
from tune_s11.results.records import AuditRecord, read_record_or_none
from tune_s11.search_space import SearchConfig

LEAST = 3
"""Number of audited trials to aim for; fewer say little."""

DENSEST = 8
"""Limit for small searches: to reach :data:`LEAST`, at most one in this many trials to be stopped is audited. An
audited trial costs as much as five more trials that the first rung prunes."""


class Audit:
    """A systematic sample, with a random start, of the trials that a rung would stop; stored in ``audit.json``.

    Each of these trials has the same chance of being audited, one in :attr:`one_in`, which the report uses as a weight.
    Audited trials do not count at later rungs, and so put no other trial at a disadvantage.

    Args:
        path: Path of the file.
        config: Configuration of the search.

    Attributes:
        one_in: One in this many trials to be stopped is audited; 0: none is.
    """

    def __init__(self, path: Path, config: SearchConfig) -> None:
        self._path = path
        before = read_record_or_none(AuditRecord, path)
        self.one_in = before.one_in if before else one_in(config)  # an extended search keeps its initial chance
        self._first = random.Random(config.search.seed).randrange(self.one_in) if self.one_in else 0
        self._decisions = before.decisions if before else 0
        self._rungs = dict(before.trials) if before else {}

    def rung(self, number: int) -> int | None:
        """Return the epoch of the rung that would have stopped an audited trial; None for other trials."""
        return self._rungs.get(trial_name(number))

    def takes(self, number: int, epoch: int) -> bool:
        """Decide whether a trial to be stopped at ``epoch`` is audited. Call this exactly once for each such trial."""
        if not self.one_in:
            return False
        taken = self._decisions % self.one_in == self._first
        self._decisions += 1
        if taken:
            self._rungs[trial_name(number)] = epoch
        AuditRecord(one_in=self.one_in, decisions=self._decisions, trials=self._rungs).write(self._path)
        return taken


def forget_unknown(path: Path, known: int) -> None:
    """Remove trials that are not in the study from the file, because the study will reuse their numbers.

    Args:
        path: Path of the file.
        known: Number of trials in the study.
    """
    record = read_record_or_none(AuditRecord, path)
    if record is None:
        return
    names = {trial_name(number) for number in range(known)}
    kept = {name: epoch for name, epoch in record.trials.items() if name in names}
    if kept != record.trials:
        record.model_copy(update={"trials": kept}).write(path)


def one_in(config: SearchConfig) -> int:
    """Return the n for which one in n trials to be stopped is audited; 0: none is.

    It is derived from the share in the settings. If that gives fewer than :data:`LEAST` audited trials, more are
    audited; see :data:`DENSEST`.
    """
    settings, policy = config.search, config.policy
    if not settings.audit or not policy.first_stops:
        return 0
    to_be_stopped = settings.samples * policy.first_stops  # by the first rung; the others stop more
    return math.floor(min(1 / settings.audit, max(DENSEST, to_be_stopped / LEAST)))
