"""Computes the course of a search: the cost and idle time of its workers, and how the best score rose."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tune_s11.config import InputError
from tune_s11.hardware import Hardware
from tune_s11.results import Span, TrialResult
from tune_s11.results.folder import RefitFolder
from tune_s11.results.records import RefitScores, read_record
from tune_s11.training.metrics import EpochMetrics, RunFolder

BREAK = 60.0
"""Seconds without a report from any worker after which a break is assumed: it separates two sessions, and does not
count as idle time."""

SEAM = 2.0
"""Longest gap in seconds between two reports of a trial that are drawn as one bar; the gap still counts as idle."""

_HOUR = 3600.0


@dataclass(frozen=True)
class Bar:
    """A stretch of one trial on one worker, without a gap.

    Attributes:
        trial: Trial that was trained.
        lane: Lane of the worker in the session, from 0.
        begin: Start, in seconds since the start of the search's first trial, without breaks.
        end: End, on the same clock.
    """

    trial: TrialResult
    lane: int
    begin: float
    end: float


@dataclass(frozen=True)
class Timeline:
    """All sessions of a search, one after the other.

    A session lasts from the start of its first trial to its last report. Time before the first step is not part of it,
    and work that was lost in an interruption before it was reported counts as idle.

    Attributes:
        bars: Bars, sorted by lane and time.
        lanes: Number of workers in each session.
        lengths: Length of each session in seconds.
        breaks: Seconds between one session and the next.
        busy: Seconds of training, summed over all workers.
    """

    bars: list[Bar]
    lanes: list[int]
    lengths: list[float]
    breaks: list[float]
    busy: float

    @property
    def idle_share(self) -> float:
        """Share of the workers' time in which they trained nothing, in [0, 1].

        A worker's time is its whole session, whether or not there was a trial left for it.
        """
        there = sum(lanes * length for lanes, length in zip(self.lanes, self.lengths, strict=True))
        return max(0.0, 1 - self.busy / there) if there else 0.0  # reports are dated in whole seconds


def without_times(trials: Iterable[TrialResult]) -> list[TrialResult]:
    """Return the trials that have an epoch without a span."""
    dated = {trial.number: {row.epoch for span in trial.spans for row in span.rows} for trial in trials}
    return [trial for trial in trials if any(row.epoch not in dated[trial.number] for row in trial.rows)]


def build_timeline(trials: Sequence[TrialResult]) -> Timeline | None:
    """Arrange the trials' spans by session and worker; return None if there is no span.

    A worker whose process died is followed, in its lane, by the process that replaced it.
    """
    spans = sorted(((span, trial) for trial in trials for span in trial.spans), key=lambda pair: pair[0].begin)
    if not spans:
        return None
    sessions: list[list[tuple[Span, TrialResult]]] = []
    breaks: list[float] = []
    latest = -float("inf")
    for span, trial in spans:
        if span.begin - latest > BREAK:
            if sessions:
                breaks.append(span.begin - latest)
            sessions.append([])
        sessions[-1].append((span, trial))
        latest = max(latest, span.end)
    bars: list[Bar] = []
    lanes: list[int] = []
    lengths: list[float] = []
    for session in sessions:
        begin, end = session[0][0].begin, max(span.end for span, _ in session)
        of_worker = _lanes(span for span, _ in session)
        shift = sum(lengths) - begin
        bars += _bars(session, of_worker, shift)
        lanes.append(1 + max(of_worker.values()))
        lengths.append(end - begin)
    busy = sum(span.end - span.begin for span, _ in spans)
    return Timeline(sorted(bars, key=lambda bar: (bar.lane, bar.begin)), lanes, lengths, breaks, busy)


def _lanes(spans: Iterable[Span]) -> dict[str, int]:
    """Return each process's lane: the first whose last process had ended, to the second, before this one started."""
    life: dict[str, tuple[float, float]] = {}
    for span in spans:
        begin, end = life.get(span.worker, (span.begin, span.end))
        life[span.worker] = min(begin, span.begin), max(end, span.end)
    free_at: list[float] = []
    of_worker = {}
    for worker, (begin, end) in sorted(life.items(), key=lambda item: (item[1][0], item[0])):
        lane = next((lane for lane, free in enumerate(free_at) if free <= begin + 1), len(free_at))
        free_at[lane : lane + 1] = [end]
        of_worker[worker] = lane
    return of_worker


def _bars(session: list[tuple[Span, TrialResult]], of_worker: dict[str, int], shift: float) -> list[Bar]:
    bars: list[Bar] = []
    latest: dict[tuple[int, int], int] = {}
    for span, trial in session:
        lane = of_worker[span.worker]
        bar = Bar(trial, lane, span.begin + shift, span.end + shift)
        place = latest.get((trial.number, lane))
        if place is not None and bar.begin - bars[place].end <= SEAM:
            bars[place] = replace(bars[place], end=bar.end)
        else:
            latest[trial.number, lane] = len(bars)
            bars.append(bar)
    return bars


def best_so_far(trials: Iterable[TrialResult], epochs: int) -> list[dict[str, Any]]:
    """Return how the best score rose with the epochs spent, repeated ones included, in chronological order.

    Args:
        trials: Trials, each with spans for all its epochs.
        epochs: Length of a complete trial.

    Returns:
        One point per epoch spent: ``spent``, ``trial``, ``any``, the best score of any epoch so far, and ``complete``,
        the best score at the end of a trial, None before the first.
    """
    dated: list[tuple[float, str, EpochMetrics]] = []
    for trial in trials:
        for span in trial.spans:
            end = span.end
            for row in reversed(span.rows):
                dated.append((end, trial.name, row))
                end -= row.seconds
    points: list[dict[str, Any]] = []
    best, complete = 0.0, None
    for spent, (_, name, row) in enumerate(sorted(dated, key=lambda item: (*item[:2], item[2].epoch)), start=1):
        best = max(best, row.score)
        if row.epoch >= epochs and not row.diverged:
            complete = max(complete or 0.0, row.score)
        points.append({"spent": spent, "trial": name, "any": best, "complete": complete})
    return points


def trial_seconds(trial: TrialResult) -> float:
    """Return the seconds of a trial's training, with repeated epochs; without report times, the sum over its rows."""
    return sum(span.end - span.begin for span in trial.spans) or sum(row.seconds for row in trial.rows)


def trials_cost(trials: Sequence[TrialResult]) -> dict[str, float]:
    """Return ``core_hours`` of the trials on CPUs, by their threads, and ``gpu_hours`` of those on GPUs.

    An hour of a GPU that several trials share counts once. Without times in the reports, it counts for each trial.
    """
    cores = sum(
        trial_seconds(trial) * trial.hardware.threads
        for trial in trials
        if trial.hardware and trial.hardware.device == "cpu"
    )
    on_gpu: dict[str, list[tuple[float, float]]] = {}
    undated = 0.0
    for trial in trials:
        if trial.hardware and trial.hardware.device == "cuda":
            for span in trial.spans:
                on_gpu.setdefault(str(span.gpu), []).append((span.begin, span.end))
            undated += 0.0 if trial.spans else trial_seconds(trial)
    gpus = undated + sum(_covered(spans) for spans in on_gpu.values())
    return {"core_hours": cores / _HOUR, "gpu_hours": gpus / _HOUR}


def _covered(spans: list[tuple[float, float]]) -> float:
    """Return the length of a union of intervals."""
    total, reached = 0.0, -float("inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def runs_cost(folders: Iterable[RunFolder], hardware: Hardware) -> dict[str, float]:
    """Return the cost of other runs, as :func:`trials_cost` does. An hour of a shared GPU counts for each of them.

    Args:
        folders: Folders, one for each run.
        hardware: Hardware of a run that has not recorded its own.

    Raises:
        InputError: A file of a run is damaged.
    """
    hours = {"core_hours": 0.0, "gpu_hours": 0.0}
    for folder in folders:
        epochs = folder.epochs()
        if not epochs and folder.metrics.exists():
            raise InputError(f"{folder.metrics} is damaged")
        used = hardware
        if isinstance(folder, RefitFolder) and folder.scores.exists():
            used = read_record(RefitScores, folder.scores).hardware
        seconds = sum(row.seconds for row in epochs)
        if used.device == "cpu":
            hours["core_hours"] += seconds * used.threads / _HOUR
        else:
            hours["gpu_hours"] += seconds / _HOUR
    return hours
