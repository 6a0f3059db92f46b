"""Opens the Optuna study, records the trials in it, and settles it after an interruption.

A finished trial is COMPLETE, PRUNED or FAIL in the study, with a value for each epoch. A trial that is RUNNING when the
study is opened belongs to an interrupted session; :func:`reconcile` ends it or returns it to be resumed.
"""

import itertools
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import Trial, TrialState

from tune_s11.config import InputError, SearchSettings
from tune_s11.lr_range.bounds import LRBounds
from tune_s11.results import SearchFolder, TrialResult, trial_name
from tune_s11.results.folder import TrialFolder
from tune_s11.search.journal import Journal, damaged, together
from tune_s11.search_space import clip
from tune_s11.storage.files import write_whole
from tune_s11.storage.workspace import Workspace
from tune_s11.training.checkpoint import CheckpointError, load_checkpoint
from tune_s11.training.metrics import EpochMetrics


@dataclass(frozen=True)
class Proposals:
    """The source of trials.

    Attributes:
        space: Distribution of each searched recipe field, with bounds in place of ``range_test``.
        first: Fields of the recipes to try first, in this order; the others come from a sampler.
        bounds: Bounds of the range test, if ``max_lr`` depends on the momentum of each trial. The study then records
            ``max_lr`` converted to the momentum of the bounds.
    """

    space: dict[str, BaseDistribution]
    first: tuple[dict[str, Any], ...]
    bounds: LRBounds | None = None

    def fields(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the recipe fields of a trial with these parameters in the study."""
        return self._scaled(params, 1)

    def params(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of a trial with these recipe fields, clipped to the space, without other fields."""
        scaled = self._scaled(fields, -1)
        return {name: clip(domain, scaled[name]) for name, domain in self.space.items() if name in scaled}

    def _scaled(self, values: Mapping[str, Any], power: int) -> dict[str, Any]:
        if self.bounds is None or not {"max_lr", "momentum"} <= values.keys():
            return dict(values)
        return {**values, "max_lr": values["max_lr"] * self.bounds.scale(values["momentum"]) ** power}


@dataclass(frozen=True)
class Interrupted:
    """A trial to resume: its entry in the study, its last readable checkpoint, its number of attempts so far."""

    trial: Trial
    checkpoint: str | None
    attempts: int


def open_study(path: Path, settings: SearchSettings) -> optuna.Study:
    """Open the study in a journal file, or create it if there is none. optuna-dashboard can show it.

    Raises:
        InputError: The file is damaged.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = build_sampler(settings, 0)
    try:
        study = optuna.create_study(
            study_name="tune_s11", storage=Journal(path), direction="maximize", load_if_exists=True, sampler=sampler
        )
        study.get_trials(deepcopy=False)
    except (LookupError, TypeError, ValueError) as error:  # entries that are JSON, but make no sense to Optuna
        raise InputError(damaged(path, repr(error))) from None
    return study


def build_sampler(settings: SearchSettings, trials_before: int) -> BaseSampler:
    """Build the sampler that the settings name.

    Args:
        settings: Search settings with sampler and seed.
        trials_before: Number of trials already in the study. With the same seed, a sampler would repeat itself.
    """
    seed = (settings.seed + 1_000_003 * trials_before) % 2**32  # NumPy accepts no larger one
    if settings.sampler == "random":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(seed=seed, multivariate=True, constant_liar=True)


def suggest(trial: Trial, space: Mapping[str, BaseDistribution]) -> None:
    """Give a trial a value for each parameter that has none yet."""
    with together(trial.storage):
        for name, domain in space.items():
            if isinstance(domain, FloatDistribution):
                trial.suggest_float(name, domain.low, domain.high, log=domain.log)
            else:
                assert isinstance(domain, CategoricalDistribution)
                trial.suggest_categorical(name, domain.choices)


def report_rows(trial: Trial, rows: Iterable[EpochMetrics]) -> None:
    """Report a trial's value for each epoch that has none yet."""
    known = trial.storage.get_trial(trial._trial_id).intermediate_values
    with together(trial.storage):
        for row in rows:
            if row.epoch not in known:
                trial.report(row.score, row.epoch)


def tell(trial: Trial, last: EpochMetrics, epochs: int) -> None:
    """End a trial: as PRUNED if it stopped before its last epoch or diverged, else as COMPLETE.

    Args:
        trial: Trial of the study; its rows have been reported.
        last: Last epoch of the trial.
        epochs: Length of a complete trial.
    """
    if last.diverged or last.epoch < epochs:
        trial.study.tell(trial, state=TrialState.PRUNED)
    else:
        trial.study.tell(trial, last.score)


def reconcile(
    study: optuna.Study, workspace: Workspace, results: Iterable[TrialResult], epochs: int, say: Callable[[str], None]
) -> list[Interrupted]:
    """End the trials that finished without the study recording it, and return those to resume.

    Args:
        study: Study of an interrupted session.
        workspace: Workspace of the search.
        results: Trials of the search, as recorded in their folders.
        epochs: Length of a complete trial.
        say: Function that is called with one line for each damaged trial or checkpoint.
    """
    folder, by_number = SearchFolder(workspace.folder), {result.number: result for result in results}
    for frozen in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)):
        result, epoch = by_number.get(frozen.number), frozen.last_step
        have = len(result.rows) if result is not None else 0
        if frozen.state != TrialState.FAIL and epoch is not None and have < epoch:
            place = folder.trials / trial_name(frozen.number)
            wins = "" if result is not None and result.state == "complete" else ", but cannot win"
            say(f"{place}: {have} of {epoch} epochs can be read; the trial counts{wins}")
        if result is not None and result.state == "running":  # otherwise the search would never count as finished
            for attempt in folder.attempts(frozen.number)[-1:]:
                write_whole(attempt.error, "its last reports are lost")
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
            last, others = _last_checkpoint(attempts, known, say)
            for file in others:  # otherwise each interruption would leave two more
                workspace.drop(file.parents[1], file.parent.name)
            readable = None if last is None else str(workspace.reachable(last))
            interrupted.append(Interrupted(trial, readable, len(attempts)))
    return interrupted


def _last_checkpoint(
    attempts: Iterable[TrialFolder], known: int, say: Callable[[str], None]
) -> tuple[Path | None, list[Path]]:
    """Return the last readable checkpoint within the first ``known`` epochs, which have their rows, and the others."""
    found: list[tuple[int, Path]] = []
    damaged: list[Path] = []
    for file in (file for attempt in attempts for file in attempt.checkpoints()):
        try:
            found.append((load_checkpoint(file)["epoch"], file))
        except (CheckpointError, KeyError):
            damaged.append(file)
    epoch, last = max((each for each in found if each[0] <= known), default=(0, None))
    for file in damaged:
        say(f"{file}: cannot be read as a checkpoint; the trial resumes from epoch {epoch}")
    return last, [file for _, file in found if file != last]
