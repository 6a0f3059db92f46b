"""A search as it stands: finished, interrupted or still running. Needs no Ray, runs no pickle."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tune_s11.config import InputError
from tune_s11.lr_range.bounds import LRBounds
from tune_s11.results.folder import SearchFolder
from tune_s11.results.lr_range import read_range_test
from tune_s11.results.manifest import check_schema
from tune_s11.results.opening import find, find_search
from tune_s11.results.records import AuditRecord, Refits, Verdict, read_record, sound_record
from tune_s11.results.runs import RunResult, load_run
from tune_s11.results.trials import TrialResult, read_trials
from tune_s11.search_space import SearchConfig, parse_space
from tune_s11.storage.files import read_json
from tune_s11.storage.remote import Storage


class NoWinnerError(InputError):
    """A search has no winner that is refit, yet.

    Attributes:
        folder: Of the search.
    """

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"{folder.name}: {why}")
        self.folder = folder


@dataclass(frozen=True)
class SearchResult:
    """One search folder as it stands."""

    path: Path
    config: SearchConfig
    manifest: dict[str, Any]
    trials: list[TrialResult]

    @property
    def folder(self) -> SearchFolder:
        """Its files."""
        return SearchFolder(self.path)

    @property
    def bounds(self) -> LRBounds | None:
        """The range test's bounds; None where there was none, or not yet."""
        return read_bounds(self.folder)

    @property
    def refit(self) -> Refits | None:
        """The winner's refits; None before they are done."""
        return sound_record(Refits, self.folder.metrics)

    @property
    def contenders(self) -> list[TrialResult]:
        """The complete trials that may yet win, best score first: as many as the settings have finalists, or one."""
        complete = [trial for trial in self.trials if trial.state == "complete"]
        ranked = sorted(complete, key=lambda trial: (-(trial.score or 0.0), trial.number))
        return ranked[: max(1, self.config.search.finalists)]

    @property
    def audit(self) -> AuditRecord | None:
        """The pruning audit; None before any trial was to be stopped."""
        return sound_record(AuditRecord, self.folder.audit)

    @property
    def finalists(self) -> Verdict | None:
        """The finalists' verdict; None where there is none, or the search has found other contenders since."""
        verdict = sound_record(Verdict, self.folder.verdict)
        names = {trial.name for trial in self.contenders}
        return verdict if verdict is not None and {*verdict.trials, *verdict.failed} == names else None

    @property
    def winner(self) -> TrialResult | None:
        """The finalists' winner; without finalists the complete trial of the best score, the earlier one of equals."""
        contenders = {trial.name: trial for trial in self.contenders}
        if not contenders:
            return None
        verdict = self.finalists
        return contenders[verdict.winner] if verdict else next(iter(contenders.values()))


def read_bounds(folder: SearchFolder) -> LRBounds | None:
    """The range test's bounds; None where there are none yet, or its file is damaged."""
    try:
        return read_range_test(folder.range_test).bounds
    except InputError:
        return None


def load_search(name: str | None, storage: Storage) -> SearchResult:
    """Reads a search as it stands.

    Raises:
        InputError: There is none of that name, its ``search.yaml`` is damaged, or a later version wrote it.
    """
    return _read_search(find_search(name, storage))


def load_result(name: str | None, storage: Storage) -> SearchResult | RunResult:
    """Reads a search or a single run as it stands, without a name the one started last.

    Raises:
        InputError: As :func:`load_search` and :func:`tune_s11.results.runs.load_run`.
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
    """The configuration of a search.

    Raises:
        InputError: Its ``search.yaml`` is damaged.
    """
    where = f"{folder.space}: "
    try:
        parts = yaml.safe_load(folder.space.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        raise InputError(f"{where}cannot be read") from None
    return parse_space(parts, where)


def read_refits(search: SearchResult, winner: TrialResult) -> Refits:
    """The test accuracy of the winner's refits.

    Raises:
        InputError: There is none yet, its file is damaged, or it is of a trial that has been outdone since.
    """
    folder = search.folder
    try:
        refits = read_record(Refits, folder.metrics)
    except FileNotFoundError:
        raise InputError("the winner is not refit yet") from None
    if not refits.runs:
        raise InputError(f"{folder.metrics} is damaged")
    if refits.trial != winner.name:
        raise InputError(f"{folder.best.name}/ holds {refits.trial}, which {winner.name} has outdone since")
    return refits
