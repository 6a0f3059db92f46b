"""The Optuna study: opened, kept true to what happened, and settled after an interruption.

A trial is COMPLETE, PRUNED or FAIL in the study, with a value for each epoch. One that is RUNNING when the
study is opened belongs to a session that was cut off; :func:`settle` sorts these.
"""

import itertools
import json
import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from tune_s11.config import InputError, SearchSettings
from tune_s11.results import SearchFolder, TrialResult, trial_name
from tune_s11.results.folder import TrialFolder
from tune_s11.storage.workspace import Workspace
from tune_s11.training.checkpoint import CheckpointError, load_checkpoint
from tune_s11.training.metrics import EpochMetrics


@dataclass(frozen=True)
class Proposals:
    """Where trials come from.

    Attributes:
        space: Recipe field -> distribution; bounds in place of ``range_test``.
        first: Recipes to try first, in this order, as their fields; the others come from a sampler.
    """

    space: dict[str, BaseDistribution]
    first: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Interrupted:
    """A trial to resume: its place in the study, where a worker reads its last good checkpoint, its attempts so far."""

    trial: Trial
    checkpoint: str | None
    attempts: int


def open_study(path: Path, settings: SearchSettings) -> optuna.Study:
    """The study in a journal file, made where there is none. It opens in optuna-dashboard."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(
        study_name="tune_s11",
        storage=JournalStorage(JournalFileBackend(str(path))),
        direction="maximize",
        load_if_exists=True,
        sampler=build_sampler(settings, 0),
    )


def mend_journal(path: Path, say: Callable[[str], None]) -> None:
    """Takes away what a session that was cut off may leave: its lock, and a last line that is half written.

    What is written after half a line would be lost with it. Optuna waits half a minute for a lock whose owner was
    killed, and, as it is a link with the folder's path in it, for ever once the folder has been moved.

    Args:
        path: The journal file, which nobody else writes. Need not exist.
        say: Called with a line where something is cut off.

    Raises:
        InputError: A line before is damaged.
    """
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
    for number, line in enumerate(lines[:-1], start=1):
        try:
            json.loads(line)
        except ValueError:
            if number < len(lines) - 1 or lines[-1]:
                raise InputError(
                    f"{path}: line {number} is damaged; the search cannot go on, its trials can still be read"
                ) from None
            lines[number - 1 :] = [line]
    if lines[-1]:
        say(f"{path}: its last line is half written and left out")
        os.truncate(path, sum(len(line) + 1 for line in lines[:-1]))


def build_sampler(settings: SearchSettings, trials_before: int) -> BaseSampler:
    """The sampler that the settings name.

    Args:
        settings: Sampler and seed.
        trials_before: Trials in the study already: from the same seed a sampler would repeat itself.
    """
    seed = (settings.seed + 1_000_003 * trials_before) % 2**32  # NumPy takes no greater one
    if settings.sampler == "random":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(seed=seed, multivariate=True, constant_liar=True)


def suggest(trial: Trial, name: str, domain: BaseDistribution) -> None:
    """Gives a trial a value of a parameter, if it has none yet."""
    if isinstance(domain, FloatDistribution):
        trial.suggest_float(name, domain.low, domain.high, log=domain.log)
    else:
        assert isinstance(domain, CategoricalDistribution)
        trial.suggest_categorical(name, domain.choices)


def report_rows(trial: Trial, rows: Iterable[EpochMetrics]) -> None:
    """Gives a trial its value for each epoch that it has none for yet."""
    known = trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values
    for row in rows:
        if row.epoch not in known:
            trial.report(row.score, row.epoch)


def tell(trial: Trial, last: EpochMetrics, epochs: int) -> None:
    """Ends a trial: PRUNED where it stopped before its last epoch or diverged, else COMPLETE.

    Args:
        trial: As asked of the study; its rows have been reported.
        last: Its last epoch.
        epochs: Length of a complete trial.
    """
    if last.diverged or last.epoch < epochs:
        trial.study.tell(trial, state=TrialState.PRUNED)
    else:
        trial.study.tell(trial, last.score)


def settle(
    study: optuna.Study, workspace: Workspace, results: Iterable[TrialResult], epochs: int, say: Callable[[str], None]
) -> list[Interrupted]:
    """Ends the trials that had ended before their study heard of it; returns those to resume.

    Args:
        study: Of a session that was cut off.
        workspace: Of the search.
        results: Its trials as far as their folders tell.
        epochs: Length of a complete trial.
        say: Called with a line on whatever is damaged.
    """
    folder, by_number = SearchFolder(workspace.folder), {result.number: result for result in results}
    for frozen in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)):
        result, epoch = by_number.get(frozen.number), frozen.last_step
        have = len(result.rows) if result is not None else 0
        if epoch is not None and have < epoch:
            place = folder.trials / trial_name(frozen.number)
            say(f"{place}: {have} of {epoch} epochs can be read; the trial counts, but cannot win")
    interrupted = []
    for frozen in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        trial = Trial(study, frozen._trial_id)
        result = by_number.get(frozen.number)
        if result is not None and result.state in {"complete", "pruned", "diverged"}:
            report_rows(trial, result.rows)
            tell(trial, result.rows[-1], epochs)
        else:
            attempts = folder.attempts(frozen.number)
            rows = result.rows if result is not None else []
            known = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1].epoch, enumerate(rows, 1)))
            last = _last_checkpoint(attempts, known, say)
            readable = None if last is None else str(workspace.reachable(last))
            interrupted.append(Interrupted(trial, readable, len(attempts)))
    return interrupted


def _last_checkpoint(attempts: Iterable[TrialFolder], known: int, say: Callable[[str], None]) -> Path | None:
    """The checkpoint of the latest epoch that can be read, not beyond the ``known`` ones, whose rows are there."""
    found: list[tuple[int, Path]] = []
    damaged: list[Path] = []
    for file in (file for attempt in attempts for file in attempt.checkpoints()):
        try:
            found.append((load_checkpoint(file)["epoch"], file))
        except (CheckpointError, KeyError):
            damaged.append(file)
    epoch, last = max((each for each in found if each[0] <= known), default=(0, None))
    for file in damaged:
        say(f"{file}: cannot be read as a checkpoint; the trial goes on from epoch {epoch}")
    return last
