"""The pruning audit: some of the trials that a policy would stop run on, so that the report can say what it cuts."""

import math
import random
from pathlib import Path

from tune_s11.results import trial_name
from tune_s11.results.records import AuditRecord, sound_record
from tune_s11.search_space import SearchConfig

LEAST = 3
"""Trials that an audit is to have; fewer tell little."""

DENSEST = 8
"""At most one in so many is audited, though a small search then has fewer: each costs what five more trials would that
the first rung prunes."""


class Audit:
    """Every so many-th trial that a rung would stop, from a random first one on; kept in ``audit.json``.

    Systematic sampling: each of these trials has the same chance, one in :attr:`one_in`, to be among the audited,
    by which the report weighs them. They stay out of the later rungs, so that no other trial fares worse for them.

    Args:
        path: Of the file.
        config: Of the search.

    Attributes:
        one_in: Trials to be stopped of which one runs on; 0: none does.
    """

    def __init__(self, path: Path, config: SearchConfig) -> None:
        self._path = path
        before = sound_record(AuditRecord, path)
        self.one_in = before.one_in if before else one_in(config)  # a longer search keeps the chance it began with
        self._first = random.Random(config.search.seed).randrange(self.one_in) if self.one_in else 0
        self._decisions = before.decisions if before else 0
        self._rungs = dict(before.trials) if before else {}

    def rung(self, number: int) -> int | None:
        """Epoch of the rung that an audited trial passed against its verdict; None of any other trial."""
        return self._rungs.get(trial_name(number))

    def takes(self, number: int, epoch: int) -> bool:
        """Whether the trial that is to be stopped at ``epoch`` runs on. Asked once for each."""
        if not self.one_in:
            return False
        taken = self._decisions % self.one_in == self._first
        self._decisions += 1
        if taken:
            self._rungs[trial_name(number)] = epoch
        AuditRecord(one_in=self.one_in, decisions=self._decisions, trials=self._rungs).write(self._path)
        return taken


def forget_unknown(path: Path, known: int) -> None:
    """Takes trials that the study does not know out of the file: it gives their numbers to others.

    Args:
        path: Of the file.
        known: Trials in the study.
    """
    record = sound_record(AuditRecord, path)
    if record is None:
        return
    names = {trial_name(number) for number in range(known)}
    kept = {name: epoch for name, epoch in record.trials.items() if name in names}
    if kept != record.trials:
        record.model_copy(update={"trials": kept}).write(path)


def one_in(config: SearchConfig) -> int:
    """Of how many trials to be stopped one is audited: the settings' share, more where that makes fewer than three."""
    settings, policy = config.search, config.policy
    if not settings.audit or not policy.first_stops:
        return 0
    to_be_stopped = settings.samples * policy.first_stops  # by the first rung; the others stop some more
    return math.floor(min(1 / settings.audit, max(DENSEST, to_be_stopped / LEAST)))
