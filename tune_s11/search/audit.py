"""The pruning audit: some trials that a policy would stop run on, so that the report can show what pruning loses."""

import math
import random
from pathlib import Path

from tune_s11.results import trial_name
from tune_s11.results.records import AuditRecord, sound_record
from tune_s11.search_space import SearchConfig

LEAST = 3
"""Trials that an audit should have; fewer show little."""

DENSEST = 8
"""Stopped trials of which at most one is audited, even if a small search then has fewer than :data:`LEAST`. An audited
trial costs as much as five more trials that the first rung prunes."""


class Audit:
    """A systematic sample of the trials that a rung would stop, from a random first one on; kept in ``audit.json``.

    Each of these trials has the same chance of being audited, one in :attr:`one_in`, and the report weighs them by it.
    Audited trials do not count at later rungs, so that no other trial is at a disadvantage.

    Args:
        path: Path of the file.
        config: Configuration of the search.

    Attributes:
        one_in: Number of trials to be stopped of which one runs on; 0: none does.
    """

    def __init__(self, path: Path, config: SearchConfig) -> None:
        self._path = path
        before = sound_record(AuditRecord, path)
        self.one_in = before.one_in if before else one_in(config)  # a longer search keeps the chance it started with
        self._first = random.Random(config.search.seed).randrange(self.one_in) if self.one_in else 0
        self._decisions = before.decisions if before else 0
        self._rungs = dict(before.trials) if before else {}

    def rung(self, number: int) -> int | None:
        """Return the epoch of the rung that an audited trial passed against its verdict; None for other trials."""
        return self._rungs.get(trial_name(number))

    def takes(self, number: int, epoch: int) -> bool:
        """Return whether a trial to be stopped at ``epoch`` runs on. Must be called once for each such trial."""
        if not self.one_in:
            return False
        taken = self._decisions % self.one_in == self._first
        self._decisions += 1
        if taken:
            self._rungs[trial_name(number)] = epoch
        AuditRecord(one_in=self.one_in, decisions=self._decisions, trials=self._rungs).write(self._path)
        return taken


def forget_unknown(path: Path, known: int) -> None:
    """Remove trials that the study does not know from the file, because it gives their numbers to others.

    Args:
        path: Path of the file.
        known: Number of trials in the study.
    """
    record = sound_record(AuditRecord, path)
    if record is None:
        return
    names = {trial_name(number) for number in range(known)}
    kept = {name: epoch for name, epoch in record.trials.items() if name in names}
    if kept != record.trials:
        record.model_copy(update={"trials": kept}).write(path)


def one_in(config: SearchConfig) -> int:
    """Return the number of trials to be stopped of which one is audited; 0: none is.

    It follows from the settings' share; if that gives fewer than :data:`LEAST` audited trials, more are audited.
    """
    settings, policy = config.search, config.policy
    if not settings.audit or not policy.first_stops:
        return 0
    to_be_stopped = settings.samples * policy.first_stops  # by the first rung; the others stop more
    return math.floor(min(1 / settings.audit, max(DENSEST, to_be_stopped / LEAST)))
