"""The trials of a search as they stand, read from their folders. Needs no Ray, runs no pickle."""

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
    rows: tuple[EpochMetrics, ...]


@dataclass(frozen=True)
class TrialResult:
    """One trial as far as it has come.

    Attributes:
        number: Its number in the Optuna study.
        params: What the search chose.
        recipe: The complete recipe.
        seed: Of its training.
        hardware: What it computed with; None before its first report.
        rows: One an epoch, rising.
        state: How it stands.
        error: What was raised, where it failed.
        spans: When and where it was trained, in the order reported; a report without times has none.
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
        """Such as ``t0007``."""
        return trial_name(self.number)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self.rows[-1].epoch if self.rows else 0

    @property
    def score(self) -> float | None:
        """As :attr:`EpochMetrics.score` after the last epoch; None before the first."""
        return self.rows[-1].score if self.rows else None


def read_trials(path: Path, config: SearchConfig) -> list[TrialResult]:
    """All trials that have a folder, by number."""
    attempts = SearchFolder(path).all_attempts().items()
    trials = (read_trial(number, folders, config) for number, folders in attempts)
    return [trial for trial in trials if trial is not None]


def read_trial(number: int, attempts: list[TrialFolder], config: SearchConfig) -> TrialResult | None:
    """Joins a trial's attempts, in their order: of rows for the same epoch the latest counts. None before the first."""
    folders = [folder for folder in attempts if folder.params.exists()]
    chosen = read_json(folders[-1].params) if folders else None
    if chosen is None:
        return None
    reports = [report for folder in folders for report in read_lines(folder.reports) if "epoch" in report]
    by_epoch = {row["epoch"]: metrics_of(row) for report in reports for row in report["epochs"]}
    last = reports[-1] if reports else None
    rows = [by_epoch[epoch] for epoch in sorted(by_epoch) if epoch <= last["epoch"]] if last else []
    error = last_error(folders[-1].error)  # stays where a later attempt got on
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
    """When and where a report's epochs were trained, by the fields that Ray adds to it."""
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
    """What the last traceback of a file says was raised, in one line; None where there is no file."""
    try:
        lines = path.read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        return None
    places = [index for index, line in enumerate(lines) if line.startswith("  File ")]
    after = lines[places[-1] + 1 :] if places else lines[-1:]
    raised = itertools.dropwhile(lambda line: line.startswith(" "), after)  # over the code at that place
    return " ".join(" ".join(raised).split())
