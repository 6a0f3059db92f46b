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
    reports = [report for folder in folders for report in read_lines(folder.reports) if "epoch" in report]
    by_epoch = {row["epoch"]: metrics_of(row) for report in reports for row in report["epochs"]}
    last = reports[-1] if reports else None
    rows = [by_epoch[epoch] for epoch in sorted(by_epoch) if epoch <= last["epoch"]] if last else []
    error = last_error(folders[-1].error)  # the file remains when a later attempt gets further
    state: State = "running"
    if rows and rows[-1].diverged:
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
    """Return when and where a report's epochs were trained, from the fields that Ray adds to it."""
    try:
        host, end, gpu = report["hostname"], float(report["timestamp"]), report.get("gpu")
        on_gpu = report["hardware"]["device"] == "cuda"
        return Span(
            worker=f"{host}:{report['pid']}",
            gpu=f"{host}:{gpu}" if on_gpu else None,
            begin=end - float(report["time_this_iter_s"]),
            end=end,
            rows=tuple(map(metrics_of, report["epochs"])),
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
