"""Reads the trials of a search from their folders, as they stand. Needs no Ray, and runs no pickle."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tune_s11.config import Recipe
from tune_s11.hardware import Hardware
from tune_s11.results.folder import SearchFolder, TrialFolder, trial_name
from tune_s11.search_space import SearchConfig
from tune_s11.storage.files import read_json, read_lines
from tune_s11.training.metrics import EpochMetrics, metrics_of

State = Literal["running", "complete", "pruned", "diverged", "failed"]


@dataclass(frozen=True)
class Span:
    """A stretch of one trial's training, from one report of its worker to the next.

    Attributes:
        worker: Process, as ``host:pid``; one process serves many trials, and another session has other processes.
        gpu: GPU that it used, as ``host:device``; None on a CPU.
        begin: Start, in seconds since 1970.
        end: End, in seconds since 1970; Ray writes whole seconds.
        rows: Metrics of the epochs trained; see :attr:`TrialResult.rows`. After an interruption, a trial may train
            some epochs again: these are in two spans.
    """

    worker: str
    gpu: str | None
    begin: float
    end: float
    rows: tuple[EpochMetrics, ...]


@dataclass(frozen=True)
class TrialResult:
    """A trial as it stands.

    Attributes:
        number: Number in the Optuna study.
        params: Parameters that the search chose.
        recipe: Complete recipe.
        seed: Seed of its training.
        hardware: Hardware that it computed with; None before its first report.
        rows: Metrics, one row per epoch, in rising order.
        state: State of the trial.
        error: Error that was raised, if the trial failed; otherwise None.
        spans: Times and places of its training, in the order reported; a report without times has none.
    """

    number: int
    params: dict[str, Any]
    recipe: Recipe
    seed: int
    hardware: Hardware | None
    rows: list[EpochMetrics]
    state: State
    error: str | None = None
    spans: tuple[Span, ...] = ()

    @property
    def name(self) -> str:
        """Name, such as ``t0007``."""
        return trial_name(self.number)

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return self.rows[-1].epoch if self.rows else 0

    @property
    def score(self) -> float | None:
        """Score after the last epoch; see :attr:`EpochMetrics.score`. None before the first epoch."""
        return self.rows[-1].score if self.rows else None


def read_trials(path: Path, config: SearchConfig) -> list[TrialResult]:
    """Read all trials that have a folder, in the order of their numbers."""
    attempts = SearchFolder(path).all_attempts().items()
    trials = (read_trial(number, folders, config) for number, folders in attempts)
    return [trial for trial in trials if trial is not None]


def read_trial(number: int, attempts: list[TrialFolder], config: SearchConfig) -> TrialResult | None:
    """Merge a trial's attempts, in order: for each epoch, the latest row counts. Return None if there is none."""
    folders = [folder for folder in attempts if folder.params.exists()]
    chosen = read_json(folders[-1].params) if folders else None
    if chosen is None:
        return None
    found = (_report(line) for folder in folders for line in read_lines(folder.reports))
    reports = [report for report in found if report is not None]
    by_epoch = {row.epoch: row for report in reports for row in report.rows}
    last = reports[-1] if reports else None
    rows = [by_epoch[epoch] for epoch in sorted(by_epoch) if epoch <= last.epoch] if last else []
    error = last_error(folders[-1].error)  # the file remains when a later attempt gets further
    state: State = "running"
    if rows and rows[-1].diverged:
        state = "diverged"
    elif last and last.epoch >= config.recipe.epochs:
        state = "complete"
    elif last and last.done:
        state = "pruned"
    elif error is not None:
        state = "failed"
    return TrialResult(
        number=number,
        params=chosen["params"],
        recipe=Recipe.model_validate(config.recipe.model_dump() | chosen["params"]),
        seed=chosen["seed"],
        hardware=last.hardware if last else None,
        rows=rows,
        state=state,
        error=error if state == "failed" else None,
        spans=tuple(report.span for report in reports if report.span is not None),
    )


@dataclass(frozen=True)
class _Report:
    """What a trial's worker reported: metrics since its previous report, and whether the trial ends here."""

    epoch: int
    done: bool
    hardware: Hardware
    rows: tuple[EpochMetrics, ...]
    span: Span | None


def _report(line: dict[str, Any]) -> _Report | None:
    """Return a report; None if the line is damaged, or not a report."""
    try:
        hardware, rows = Hardware.model_validate(line["hardware"]), tuple(map(metrics_of, line["epochs"]))
        return _Report(line["epoch"], line["done"], hardware, rows, _span(line, hardware, rows))
    except (KeyError, TypeError, ValueError):
        return None


def _span(line: dict[str, Any], hardware: Hardware, rows: tuple[EpochMetrics, ...]) -> Span | None:
    """Return when and where a report's epochs were trained, from the fields that Ray adds to it."""
    try:
        host, end = line["hostname"], float(line["timestamp"])
        return Span(
            worker=f"{host}:{line['pid']}",
            gpu=f"{host}:{line.get('gpu')}" if hardware.device == "cuda" else None,
            begin=end - float(line["time_this_iter_s"]),
            end=end,
            rows=rows,
        )
    except (KeyError, TypeError, ValueError):
        return None


def last_error(path: Path) -> str | None:
    """Return the error at the end of a file's last traceback, in one line; None if there is no file."""
    try:
        lines = path.read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        return None
    places = [index for index, line in enumerate(lines) if line.startswith("  File ")]
    after = lines[places[-1] + 1 :] if places else lines[-1:]
    raised = itertools.dropwhile(lambda line: line.startswith(" "), after)  # skips the source line of that place
    return " ".join(" ".join(raised).split())
