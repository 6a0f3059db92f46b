"""The pruning audit: of the trials that ASHA would stop some run on, so that the report can say what pruning cuts."""

import json
import math
import random
from pathlib import Path

from tune_s11.checkpoint import write_whole
from tune_s11.config import SearchSettings
from tune_s11.results import read_audit, trial_name

LEAST = 3
"""Trials that an audit is to have; fewer tell little."""

DENSEST = 8
"""At most one in so many is audited, though a small search then has fewer: each costs what five more trials would that
the first rung prunes."""


class Audit:
    """Every so many-th trial that a rung would stop, from a random first one on; kept in ``audit.json``.

    Systematic sampling: each of these trials has the same chance, one in :attr:`one_in`, to be among the audited,
    by which the report weighs them. They stay out of the later rungs, so that no other trial fares worse for them.

    Attributes:
        one_in: Trials to be stopped of which one runs on; 0: none does.
    """

    def __init__(self, path: Path, settings: SearchSettings) -> None:
        self._path = path
        before = read_audit(path)
        self.one_in = before["one_in"] if before else one_in(settings)  # a longer search keeps the chance it began with
        self._first = random.Random(settings.seed).randrange(self.one_in) if self.one_in else 0
        self._decisions: int = before["decisions"] if before else 0
        self._rungs: dict[str, int] = before["trials"] if before else {}

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
        record = {"one_in": self.one_in, "decisions": self._decisions, "trials": self._rungs}
        write_whole(self._path, json.dumps(record, indent=2))
        return taken


def one_in(settings: SearchSettings) -> int:
    """Of how many trials to be stopped one is audited: the settings' share, more where that makes fewer than three."""
    if not settings.audit or settings.scheduler == "none":
        return 0
    to_be_stopped = settings.samples * (1 - 1 / settings.factor)  # by the first rung; the others stop some more
    return math.floor(min(1 / settings.audit, max(DENSEST, to_be_stopped / LEAST)))
