"""Reads a search as it stands: finished, interrupted or still running. Needs no Ray, and runs no pickle."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tune_s11.config import InputError, Recipe
from tune_s11.lr_range.bounds import LRBounds
from tune_s11.results.folder import SearchFolder
from tune_s11.results.lr_range import read_range_test
from tune_s11.results.manifest import WARM_START, check_schema
from tune_s11.results.opening import find, find_search
from tune_s11.results.records import AuditRecord, Lengths, Refits, Verdict, read_record, read_record_or_none
from tune_s11.results.runs import RunResult, load_run
from tune_s11.results.trials import TrialResult, read_trials
from tune_s11.search_space import SearchConfig, parse_space
from tune_s11.storage.files import read_json
from tune_s11.storage.remote import Storage

MOST_FINALISTS = 5
"""Limit on the number of finalists where it depends on the trials' epochs."""


class NoWinnerError(InputError):
    """Raised when a search has no refit winner yet.

    Attributes:
        folder: Folder of the search.
    """

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"{folder.name}: {why}")
        self.folder = folder


class NotRefitError(InputError):
    """Raised when the winner of a search has no refits yet."""


@dataclass(frozen=True)
class SearchResult:
    """A search folder as it stands."""

    path: Path
    config: SearchConfig
    manifest: dict[str, Any]
    trials: list[TrialResult]

    @property
    def name(self) -> str:
        """Name of the search, also if its path is ``.``."""
        return self.path.resolve().name

    @property
    def folder(self) -> SearchFolder:
        """Files of the search."""
        return SearchFolder(self.path)

    @property
    def warm_start(self) -> tuple[Recipe, ...]:
        """Recipes of an earlier search that this one tries after its first."""
        return tuple(Recipe.model_validate(fields) for fields in self.manifest.get(WARM_START, ()))

    @property
    def bounds(self) -> LRBounds | None:
        """Bounds of the range test; None if there was no test, or none yet."""
        return read_bounds(self.folder)

    @property
    def refit(self) -> Refits | None:
        """Refits of the winner, or of an earlier one if the search was extended since; None before any are finished."""
        return read_record_or_none(Refits, self.folder.metrics)

    @property
    def trained(self) -> int:
        """Epochs that the trials have trained so far."""
        return sum(trial.epoch for trial in self.trials)

    @property
    def places(self) -> int:
        """Number of finalists for which there is room."""
        return places_after(self.trained, self.config)

    @property
    def ranked(self) -> list[TrialResult]:
        """Complete trials, best score first."""
        complete = [trial for trial in self.trials if trial.state == "complete"]
        return sorted(complete, key=lambda trial: (-(trial.score or 0.0), trial.number))

    @property
    def contenders(self) -> list[TrialResult]:
        """Complete trials that may still win, best score first: as many as there are places for finalists, or one."""
        return self.ranked[: max(1, self.places)]

    @property
    def entrants(self) -> list[TrialResult]:
        """Trials that are run again as finalists, best score first: the contenders and the first trial.

        The first trial has the recipe's own values, at the range test's rate if there was a test, so the lead over it
        is what searching has gained. It replaces the last contender if there are three or more and no place is left. If
        it was pruned, it cannot win.
        """
        contenders, places = self.contenders, self.places
        first = [trial for trial in self.trials if trial.number == 0 and trial.state in {"complete", "pruned"}]
        if not first or first[0] in contenders or len(contenders) < 2:
            return contenders
        if len(contenders) < places:
            return [*contenders, *first]
        return [*contenders[:-1], *first] if places > 2 else contenders

    @property
    def audit(self) -> AuditRecord | None:
        """Pruning audit; None before any trial was to be stopped."""
        return read_record_or_none(AuditRecord, self.folder.audit)

    @property
    def finalists(self) -> Verdict | None:
        """Verdict on the finalists; None if there is none, or if the search has found other contenders since."""
        verdict = read_record_or_none(Verdict, self.folder.verdict)
        if verdict is None:
            return None
        judged = {*verdict.trials, *verdict.failed}
        # In searches of earlier versions the first trial was a finalist only if it was among the best.
        current = [{trial.name for trial in trials} for trials in (self.entrants, self.contenders)]
        return verdict if judged in current else None

    @property
    def winner(self) -> TrialResult | None:
        """Winner of the finalists; without them, the complete trial with the best score, on a tie the earliest."""
        if not (contenders := self.contenders):
            return None
        verdict = self.finalists
        if verdict is None:
            return contenders[0]
        return next(trial for trial in self.trials if trial.name == verdict.winner)

    @property
    def why_no_winner(self) -> str:
        """Reason why there is no winner, from the states of the trials, of which none is complete."""
        for trial in self.trials:
            if trial.error:
                return f"no trial is complete: {trial.name}: {trial.error}"
        states = Counter(trial.state for trial in self.trials)
        if not states or "running" in states:
            return "no trial is complete yet"
        return "no trial is complete: " + ", ".join(f"{count} {state}" for state, count in sorted(states.items()))

    @property
    def hopeless(self) -> bool:
        """Whether all trials have ended without a winner, so that only more trials could find one."""
        ended = sum(trial.state in ("pruned", "diverged") for trial in self.trials)
        return self.winner is None and ended >= self.config.search.samples

    @property
    def lengths(self) -> Lengths | None:
        """Lengths of the winner that were tried; None if there are none, or the winner or the target has changed."""
        lengths = read_record_or_none(Lengths, self.folder.lengths)
        if lengths is None or self.winner is None:
            return None
        same = (lengths.trial, lengths.target) == (self.winner.name, self.config.search.target)
        return lengths if same else None


def places_after(epochs: float, config: SearchConfig) -> int:
    """Return the number of finalists for which there is room after trials that took this many epochs together."""
    settings = config.search
    if settings.finalists is not None:
        return settings.finalists
    return min(MOST_FINALISTS, int(epochs / config.recipe.epochs / settings.finalist_seeds))


def read_bounds(folder: SearchFolder) -> LRBounds | None:
    """Read the bounds of the range test; return None if there are none yet, or the file is damaged."""
    try:
        return read_range_test(folder.range_test).bounds
    except InputError:
        return None


def load_search(name: str | None, storage: Storage) -> SearchResult:
    """Read a search as it stands.

    Raises:
        InputError: There is no search of that name, its ``search.yaml`` is damaged, or a later version wrote it.
    """
    return _read_search(find_search(name, storage))


def load_result(name: str | None, storage: Storage) -> SearchResult | RunResult:
    """Read a search or a single run as it stands; without a name, the one started last.

    Raises:
        InputError: See :func:`load_search` and :func:`tune_s11.results.runs.load_run`.
    """
    kind, path = find(name, storage, ("search", "run"))
    return _read_search(path) if kind == "search" else load_run(path, name or path.name)


def _read_search(path: Path) -> SearchResult:
    folder = SearchFolder(path)
    manifest = read_json(folder.manifest) or {}
    check_schema(manifest, str(folder.manifest))
    config = read_config(folder)
    return SearchResult(folder.path, config, manifest, read_trials(folder.path, config))


def read_config(folder: SearchFolder) -> SearchConfig:
    """Read the configuration of a search.

    Raises:
        InputError: The search's ``search.yaml`` is damaged.
    """
    where = f"{folder.space}: "
    try:
        parts = yaml.safe_load(folder.space.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        raise InputError(f"{where}cannot be read") from None
    return parse_space(parts, where)


def read_refits(search: SearchResult, winner: TrialResult) -> Refits:
    """Read the test accuracy of the winner's refits.

    Raises:
        NotRefitError: There are no refits yet, or another trial has since outperformed theirs.
        InputError: Their file is damaged.
    """
    folder = search.folder
    try:
        refits = read_record(Refits, folder.metrics)
    except FileNotFoundError:
        raise NotRefitError(f"the winner, {winner.name}, is not refit yet") from None
    if not refits.runs:
        raise InputError(f"{folder.metrics} is damaged")
    if refits.trial != winner.name:
        raise NotRefitError(f"{folder.best.name}/ holds {refits.trial}, which {winner.name} has since outperformed")
    return refits
