"""Reads a search folder: finished, interrupted or still running. Needs no Ray, runs no pickle."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from tune_s11.config import InputError, Recipe
from tune_s11.hardware import Hardware
from tune_s11.lr_finder import LRBounds
from tune_s11.manifest import check_schema
from tune_s11.mirror import latest, places
from tune_s11.search_space import SearchConfig, parse_space
from tune_s11.storage import Remote, Storage

SCORE = "ema_val_accuracy"
"""What ranks epochs, rungs and trials: validation accuracy of the averaged weights."""

State = Literal["running", "complete", "pruned", "diverged", "failed"]


@dataclass(frozen=True)
class Span:
    """A stretch of one trial's training: from one report of its worker to the next.

    Attributes:
        worker: Which process, as ``host:pid``; one serves many trials, and another session has others.
        gpu: Which GPU it used, as ``host:device``; None on a CPU.
        begin: In seconds since 1970.
        end: The same; Ray writes whole seconds.
        rows: The epochs trained, as :attr:`TrialResult.rows`. After an interruption a trial may train
            some again: they are in two spans.
    """

    worker: str
    gpu: str | None
    begin: float
    end: float
    rows: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class TrialResult:
    """One trial as far as it has come.

    Attributes:
        number: Its number in the Optuna study.
        params: What the search chose.
        recipe: The complete recipe.
        seed: Of its training.
        hardware: What it computed with; None before its first report.
        rows: :class:`tune_s11.trainer.EpochMetrics` as dictionaries, one an epoch, rising.
        state: How it stands.
        error: What was raised, where it failed.
        spans: When and where it was trained, in the order reported; a report without times has none.
    """

    number: int
    params: dict[str, Any]
    recipe: Recipe
    seed: int
    hardware: Hardware | None
    rows: list[dict[str, Any]]
    state: State
    error: str | None = None
    spans: tuple[Span, ...] = ()

    @property
    def name(self) -> str:
        """Such as ``t0007``."""
        return trial_name(self.number)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return int(self.rows[-1]["epoch"]) if self.rows else 0

    @property
    def score(self) -> float | None:
        """Validation accuracy of the averaged weights after the last epoch; None before the first."""
        return float(self.rows[-1][SCORE]) if self.rows else None


@dataclass(frozen=True)
class SearchResult:
    """One search folder as it stands."""

    path: Path
    config: SearchConfig
    manifest: dict[str, Any]
    trials: list[TrialResult]

    @property
    def bounds(self) -> LRBounds | None:
        """The range test's bounds; None where there was none, or not yet."""
        return read_bounds(self.path / "lr_range.json")

    @property
    def refit(self) -> dict[str, Any] | None:
        """``best/metrics.json``; None before the refit."""
        metrics: dict[str, Any] | None = read_json(self.path / "best" / "metrics.json")
        return metrics

    @property
    def contenders(self) -> list[TrialResult]:
        """The complete trials that may yet win, best score first: as many as the settings have finalists, or one."""
        complete = [trial for trial in self.trials if trial.state == "complete"]
        ranked = sorted(complete, key=lambda trial: (-(trial.score or 0.0), trial.number))
        return ranked[: max(1, self.config.search.finalists)]

    @property
    def audit(self) -> dict[str, Any] | None:
        """``audit.json``: ``one_in``, ``decisions``, and the audited ``trials`` with their rungs; None before any."""
        return read_audit(self.path / "audit.json")

    @property
    def finalists(self) -> dict[str, Any] | None:
        """``finalists.json``; None where there is none, or the search has found other contenders since."""
        verdict: dict[str, Any] | None = read_json(self.path / "finalists.json")
        names = {trial.name for trial in self.contenders}
        return verdict if verdict is not None and set(verdict["trials"]) == names else None

    @property
    def winner(self) -> TrialResult | None:
        """The finalists' winner; without finalists the complete trial of the best score, the earlier one of equals."""
        contenders = {trial.name: trial for trial in self.contenders}
        if not contenders:
            return None
        return contenders[self.finalists["winner"]] if self.finalists else next(iter(contenders.values()))


def trial_name(number: int) -> str:
    """The folder name of a trial, of its first attempt."""
    return f"t{number:04d}"


def find_search(name: str | None, storage: Storage) -> Path:
    """The folder of a search by name or path; without a name the one begun last. From a storage it is pulled first.

    Raises:
        InputError: There is none.
    """
    if isinstance(storage, Remote):
        begun = []
        name = name or latest(storage)
    else:
        begun = sorted(storage.glob("*/search.yaml"), key=lambda path: path.stat().st_mtime)
    if name is None:
        if not begun:
            raise InputError(f"{storage}: holds no search yet; one begins with: python run_search.py --space quick")
        return begun[-1].parent
    for folder in places(name, storage):
        if (folder / "search.yaml").is_file():
            return folder
    names = sorted(path.parent.name for path in begun)
    raise InputError(f"{name}: no such search; {storage} has {', '.join(names) or 'none'}")


def load_search(name: str | None, storage: Storage) -> SearchResult:
    """Reads a search as it stands.

    Raises:
        InputError: There is none of that name, its ``search.yaml`` is damaged, or a later version wrote it.
    """
    path = find_search(name, storage)
    manifest = read_json(path / "manifest.json") or {}
    check_schema(manifest, str(path / "manifest.json"))
    where = f"{path / 'search.yaml'}: "
    try:
        parts = yaml.safe_load((path / "search.yaml").read_text())
    except (OSError, ValueError, yaml.YAMLError):
        raise InputError(f"{where}cannot be read") from None
    config = parse_space(parts, where)
    return SearchResult(path, config, manifest, read_trials(path, config))


def read_trials(path: Path, config: SearchConfig) -> list[TrialResult]:
    """All trials that have a folder, by number."""
    begun = {
        number: [folder for folder in folders if (folder / "params.json").exists()]
        for number, folders in trial_folders(path).items()
    }
    trials = (_read_trial(number, folders, config) for number, folders in begun.items() if folders)
    return [trial for trial in trials if trial is not None]


def trial_folders(path: Path) -> dict[int, list[Path]]:
    """The folders of a search's trials by number, in its order; of each one an attempt, in their order."""
    attempts: dict[int, list[Path]] = {}
    for folder in (path / "trials").glob("t[0-9]*"):
        number = folder.name[1:].partition(".")[0]
        if folder.is_dir() and number.isdecimal():
            attempts.setdefault(int(number), []).append(folder)
    return {number: sorted(attempts[number], key=_attempt) for number in sorted(attempts)}


def _attempt(folder: Path) -> int:
    again = folder.name.partition(".")[2]
    return int(again) if again.isdecimal() else 0


def read_bounds(path: Path) -> LRBounds | None:
    """The bounds of an ``lr_range.json``; None where it is missing or damaged."""
    plain = read_json(path)
    return LRBounds(**plain["bounds"]) if plain else None


def read_audit(path: Path) -> dict[str, Any] | None:
    """An ``audit.json``; None where it is missing or damaged."""
    plain = read_json(path)
    keys = {"one_in", "decisions", "trials"}
    return plain if isinstance(plain, dict) and plain.keys() >= keys else None


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a file of JSON objects; a last line that is half written is left out."""
    return list(_lines(path))


def _read_trial(number: int, folders: list[Path], config: SearchConfig) -> TrialResult | None:
    """Joins a trial's attempts: of rows for the same epoch the latest counts."""
    chosen = read_json(folders[-1] / "params.json")
    if chosen is None:
        return None
    reports = [report for folder in folders for report in _lines(folder / "result.json")]
    by_epoch = {row["epoch"]: row for report in reports for row in report["epochs"]}
    last = reports[-1] if reports else None
    rows = [by_epoch[epoch] for epoch in sorted(by_epoch) if epoch <= last["epoch"]] if last else []
    error = last_error(folders[-1] / "error.txt")  # stays where a later attempt got on
    state: State = "running"
    if rows and rows[-1]["diverged"]:
        state = "diverged"
    elif last and last["epoch"] >= config.recipe.epochs:
        state = "complete"
    elif last and last["done"]:
        state = "pruned"
    elif error is not None:
        state = "failed"
    return TrialResult(
        number=number,
        params=chosen["params"],
        recipe=Recipe.model_validate(config.recipe.model_dump() | chosen["params"]),
        seed=chosen["seed"],
        hardware=Hardware.model_validate(last["hardware"]) if last else None,
        rows=rows,
        state=state,
        error=error if state == "failed" else None,
        spans=tuple(span for span in map(_span, reports) if span is not None),
    )


def _span(report: dict[str, Any]) -> Span | None:
    """When and where a report's epochs were trained, by the fields that Ray adds to it."""
    try:
        host, end, gpu = report["hostname"], float(report["timestamp"]), report.get("gpu")
        on_gpu = report["hardware"]["device"] == "cuda"
        return Span(
            worker=f"{host}:{report['pid']}",
            gpu=f"{host}:{gpu}" if on_gpu else None,
            begin=end - float(report["time_this_iter_s"]),
            end=end,
            rows=tuple(report["epochs"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text()
    except OSError:
        return
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(value, dict) and "epoch" in value:
            yield value


def last_error(path: Path) -> str | None:
    """What the last traceback of a file says was raised, in one line; None where there is no file."""
    try:
        lines = path.read_text().strip().splitlines()
    except OSError:
        return None
    places = [index for index, line in enumerate(lines) if line.startswith("  File ")]
    after = lines[places[-1] + 1 :] if places else lines[-1:]
    raised = itertools.dropwhile(lambda line: line.startswith(" "), after)  # over the code at that place
    return " ".join(" ".join(raised).split())


def read_json(path: Path) -> Any:
    """A JSON file's value; None where it is missing or half written."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
