"""The trials: builds the Tuner, runs it, and goes on where an earlier session was cut off."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import TrialState
from ray import ObjectRef, tune
from ray.tune import Callback
from ray.tune.result import DONE, SHOULD_CHECKPOINT
from rich.console import Console

from tune_s11.config import InputError
from tune_s11.console import say
from tune_s11.hardware import Precision
from tune_s11.mirror import Mirror
from tune_s11.results import TrialResult, read_trials, trial_folders, trial_name
from tune_s11.search.audit import Audit
from tune_s11.search.cluster import Workers
from tune_s11.search.failures import FailureLimit, StallWatch, take_up_failed_resets
from tune_s11.search.forecast import Budget
from tune_s11.search.progress import SearchProgress
from tune_s11.search.scheduler import build_scheduler
from tune_s11.search.searcher import StudySearcher
from tune_s11.search.study import mend_journal, open_study, settle
from tune_s11.search.tensorboard import TensorBoardFiles
from tune_s11.search.trial_files import TrialFiles
from tune_s11.search_space import SearchConfig
from tune_s11.trainable import TrialTrainable

# Read by Tune. Interruptions are ours to handle: all that a resume needs is on disk at any moment.
_TUNE_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # its new console prints a table even when told to be silent
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # the progress says it in a line
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",  # so too of trials that a search which has failed leaves behind
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


def drop_checkpoints(path: Path, mirror: Mirror | None, name: str) -> None:
    """Deletes the checkpoints of a trial that has ended, or of all: the winner is trained anew, nobody needs them.

    Args:
        path: The search folder.
        mirror: Of the folder, where results go to a storage; the storage's go too.
        name: Of the trial. Its earlier attempts' go too.
    """
    if mirror is not None:
        mirror.drop_checkpoints(name)
    for pattern in (name, f"{name}.*"):
        for checkpoint in (path / "trials").glob(f"{pattern}/checkpoint_*"):
            shutil.rmtree(checkpoint, ignore_errors=True)


def set_aside_unknown(path: Path, mirror: Mirror | None, known: int, say: Callable[[str], None]) -> None:
    """Moves the folders of trials that the study does not know to ``unknown/``, without their checkpoints.

    In a storage where a copy was cut off the rows may be seconds ahead of the study. The study gives these numbers
    out again, perhaps with other parameters, and nothing of two trials may come together in one folder.

    Args:
        path: The search folder.
        mirror: Of the folder, where results go to a storage.
        known: Trials in the study.
        say: Called with a line on each.
    """
    for number, folders in trial_folders(path).items():
        if number >= known:
            drop_checkpoints(path, mirror, trial_name(number))
            aside = path / "unknown" / f"{trial_name(number)}-{time.time_ns()}"
            aside.mkdir(parents=True)
            for folder in folders:
                folder.rename(aside / folder.name)
            say(f"{folders[0]}: the study does not know it; it begins anew, and what there was is in {aside}")


class DropLosers(Callback):  # type: ignore[misc]
    """Deletes the checkpoints of each trial as it ends, whatever its end, and has none made of one that is ending."""

    def __init__(self, path: Path, mirror: Mirror | None) -> None:
        self._path, self._mirror = path, mirror

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a way to restore that is not used here."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial has reported; where it ends with this, by itself or at a rung, Tune asks here once more."""
        if result[DONE]:
            result[SHOULD_CHECKPOINT] = False

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has ended by itself or was pruned."""
        drop_checkpoints(self._path, self._mirror, trial_name(trial.config["number"]))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has failed for good."""
        drop_checkpoints(self._path, self._mirror, trial_name(trial.config["number"]))


def run_trials(
    path: Path,
    config: SearchConfig,
    space: dict[str, BaseDistribution],
    first: list[dict[str, Any]],
    data: ObjectRef,
    workers: Workers,
    precision: Precision,
    compiled: bool,
    stall_timeout: float | None,
    budget: Budget | None,
    console: Console,
    mirror: Mirror | None,
) -> list[TrialResult]:
    """Runs the trials that are left of a search.

    What an earlier session recorded stays: its study, its trials, ASHA's rungs. Trials that it left
    unfinished go on from their last checkpoint. None of this reads Ray's own saved state, which forgets
    the rungs, cannot be read after an early interruption, and is a pickle.

    Args:
        path: The search folder.
        config: The search.
        space: Its space with the bounds of the range test.
        first: Parameters to try first, in this order.
        data: To learn from and validate on, in the object store.
        workers: What runs at once.
        precision: As asked for.
        compiled: Whether they train a compiled network.
        stall_timeout: Seconds; as :class:`tune_s11.search.failures.StallWatch`.
        budget: Ends the trials in time, some perhaps unfinished; None: they take what they take.
        console: For the progress.
        mirror: Of the folder, where results go to a storage: the workers' checkpoints go there at once.

    Returns:
        All trials of the search.

    Raises:
        InputError: The study is damaged or missing.
        SearchFailedError: One trial after the other has failed.
    """
    os.environ.update({name: os.environ.get(name, value) for name, value in _TUNE_ENVIRONMENT.items()})
    epochs, samples = config.recipe.epochs, config.search.samples
    tell = partial(say, console)
    journal = path / "study.log"
    if trial_folders(path) and not (journal.exists() and journal.stat().st_size):
        reason = "is empty" if journal.exists() else "is missing"
        raise InputError(f"{journal}: {reason}; without it the search cannot go on, its trials can still be read")
    mend_journal(journal, tell)
    study = open_study(journal, config.search)
    set_aside_unknown(path, mirror, len(study.get_trials(deepcopy=False)), tell)
    earlier = read_trials(path, config)
    interrupted = settle(study, path, earlier, epochs, tell)
    if mirror is not None:  # workers elsewhere do not see this machine's folder
        interrupted = [replace(each, checkpoint=mirror.remote_of(each.checkpoint)) for each in interrupted]
    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    if len(ended) >= samples:
        return earlier
    best = max(((t.value, t.number) for t in ended if t.state == TrialState.COMPLETE and t.value), default=None)

    searcher = StudySearcher(study, space, config.search, epochs, first, interrupted)
    trainable = tune.with_parameters(
        TrialTrainable,
        data=data,
        recipe=config.recipe,
        rungs=frozenset(config.search.rung_epochs(epochs)),
        precision=precision,
        threads=workers.cpus,
        compiled=compiled,
        remote=None if mirror is None else mirror.remote / "trials",
    )
    trainable = tune.with_resources(trainable, workers.resources)
    trainable.__qualname__ = TrialTrainable.__qualname__  # as the dashboard is to call the actors
    take_up_failed_resets()
    reports = (span.end - span.begin for trial in earlier for span in trial.spans)
    with SearchProgress(console, samples, len(ended), best, epochs) as progress:
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=build_scheduler(config.search, epochs, Audit(path / "audit.json", config.search), earlier),
                num_samples=max(samples - len(ended), len(interrupted)),
                max_concurrent_trials=workers.cap,
                reuse_actors=True,
                trial_dirname_creator=_folder,
                trial_name_creator=_folder,
            ),
            run_config=tune.RunConfig(
                # Ray stages files below its session, the second and this name: in full, for two searches begin at once.
                storage_path="/",
                name=str(path.relative_to("/") / "trials"),
                failure_config=tune.FailureConfig(max_failures=config.search.max_failures),
                checkpoint_config=tune.CheckpointConfig(num_to_keep=2, checkpoint_at_end=False),
                stop=budget,
                callbacks=[  # in this order: what explains a failure, what shows and keeps it, what ends the search
                    StallWatch(stall_timeout, max(reports, default=0.0)),
                    progress,
                    TrialFiles(),
                    TensorBoardFiles(path / "tensorboard"),
                    DropLosers(path, mirror),
                    FailureLimit(workers.slots),
                ],
                verbose=0,
            ),
        ).fit()
    return read_trials(path, config)


def _folder(trial: Any) -> str:
    return str(trial.config["folder"])
