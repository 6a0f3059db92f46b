"""Steps 2 and 3 of a search: runs and prunes the trials on Ray Tune, and resumes interrupted ones."""

import time
from contextlib import closing
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from ray import ObjectRef, tune

from tune_s11.config import InputError
from tune_s11.results import trial_name
from tune_s11.search.audit import Audit, forget_unknown
from tune_s11.search.budget import Budget
from tune_s11.search.callbacks.checkpoints import DeleteCheckpoints
from tune_s11.search.callbacks.failures import FailureLimit, StallWatch
from tune_s11.search.callbacks.progress import SearchProgress, better
from tune_s11.search.callbacks.tensorboard import TensorBoardFiles
from tune_s11.search.callbacks.trial_files import TrialFiles
from tune_s11.search.callbacks.users import UsersCallback
from tune_s11.search.checkpoints import drop_checkpoints
from tune_s11.search.context import Context
from tune_s11.search.journal import mend_journal
from tune_s11.search.study import Proposals, open_study, reconcile
from tune_s11.search.tune.internals import recover_failed_resets
from tune_s11.search.tune.scheduler import PolicyScheduler
from tune_s11.search.tune.searcher import StudySearcher
from tune_s11.search.tune.trainable import TrialTrainable
from tune_s11.search.workers.cluster import environment

# Read by Tune. This program handles interruptions itself: everything that a resume needs is always on disk.
_TUNE_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # its new console prints a table even when silenced
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # the progress prints them in one line
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


@environment(_TUNE_ENVIRONMENT)
def run_trials(
    context: Context, data: ObjectRef, proposals: Proposals, budget: Budget | None = None, *, compiled: bool = False
) -> None:
    """Run the remaining trials of a search.

    Everything that an earlier session recorded is kept: the study, the trials, the policy's verdicts. Trials that it
    left unfinished are resumed from their last checkpoint. Ray's own saved state is not used, because it forgets the
    verdicts, cannot be read after an early interruption, and is a pickle.

    Args:
        context: Context of the search.
        data: Training/validation split, in the object store.
        proposals: Source of new trials.
        budget: Budget that ends the trials in time, some perhaps unfinished; None: no limit.
        compiled: Whether trials train a compiled network.

    Raises:
        InputError: The study is damaged or missing.
        SearchFailedError: Too many trials in a row have failed.
    """
    config, folder, workers = context.config, context.folder, context.executor.workers
    epochs, samples, policy = config.recipe.epochs, config.search.samples, config.policy
    _check_study(context)
    mend_journal(folder.study, context.say)
    study = open_study(folder.study, config.search)
    _set_aside_unknown(context, len(study.get_trials(deepcopy=False)))
    earlier = context.trials()
    interrupted = reconcile(study, context.workspace, earlier, epochs, context.say)
    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    if len(ended) >= samples:
        return

    searcher = StudySearcher(study, proposals, config.search, epochs, interrupted)
    remote = context.workspace.remote
    trainable = tune.with_parameters(
        TrialTrainable,
        data=data,
        recipe=config.recipe,
        rungs=frozenset(policy.rungs),
        executor=context.executor,
        compiled=compiled,
        remote=None if remote is None else remote / folder.trials.name,
    )
    trainable = tune.with_resources(trainable, workers.resources)
    trainable.__qualname__ = TrialTrainable.__qualname__  # the dashboard shows this name for the actors
    recover_failed_resets()
    reports = (span.end - span.begin for trial in earlier for span in trial.spans)
    with (
        SearchProgress(context.display, samples, len(ended), _best(ended), epochs, policy.rungs, earlier) as progress,
        closing(TensorBoardFiles(folder.tensorboard)) as event_files,
    ):
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=PolicyScheduler(policy, Audit(folder.audit, config), earlier),
                num_samples=max(samples - len(ended), len(interrupted)),
                max_concurrent_trials=workers.cap,
                reuse_actors=True,
                trial_dirname_creator=_folder,
                trial_name_creator=_folder,
            ),
            run_config=tune.RunConfig(
                # Ray stages files in a folder named after its session, the time in seconds and this name. The full path
                # separates two searches that start in the same second.
                storage_path="/",
                name=str(folder.trials.relative_to("/")),
                failure_config=tune.FailureConfig(max_failures=config.search.max_failures),
                checkpoint_config=tune.CheckpointConfig(num_to_keep=2, checkpoint_at_end=False),
                stop=budget,
                callbacks=[  # in this order: explain a failure, show and record it, end the search
                    StallWatch(context.executor.stall_timeout, max(reports, default=0.0)),
                    progress,
                    TrialFiles(),
                    event_files,
                    DeleteCheckpoints(context),
                    FailureLimit(workers.slots),
                    *map(UsersCallback, context.callbacks),
                ],
                verbose=0,
                # In a notebook, Tune's default reporter would clear the cell's output, whatever the verbosity.
                progress_reporter=tune.CLIReporter(),
            ),
        ).fit()


def _check_study(context: Context) -> None:
    """Check that there is a study if there are trials."""
    journal = context.folder.study
    if context.folder.all_attempts() and not (journal.exists() and journal.stat().st_size):
        reason = "is empty" if journal.exists() else "is missing"
        raise InputError(
            f"{journal}: {reason}; without it the search cannot be resumed, but its trials can still be read"
        )


def _set_aside_unknown(context: Context, known: int) -> None:
    """Move the folders of trials that are not in the study to ``unknown/``, without their checkpoints.

    In a storage, the rows may be seconds ahead of the study if a copy was interrupted. The study will reuse these
    numbers, perhaps with other parameters, and a folder must never mix two trials.

    Args:
        context: Context of the search.
        known: Number of trials in the study.
    """
    forget_unknown(context.folder.audit, known)
    for number, attempts in context.folder.all_attempts().items():
        if number >= known:
            drop_checkpoints(context, number)
            aside = context.folder.unknown / f"{trial_name(number)}-{time.time_ns()}"
            aside.mkdir(parents=True)
            for attempt in attempts:
                attempt.path.rename(aside / attempt.path.name)
            context.say(f"{attempts[0].path}: not in the study; the trial restarts, and its files are in {aside}")


def _best(ended: list[FrozenTrial]) -> tuple[float, int] | None:
    """Return score and number of the best complete trial; None if there is none."""
    best = None
    for trial in ended:
        if trial.state == TrialState.COMPLETE and trial.value is not None:
            best = better(best, (trial.value, trial.number))
    return best


def _folder(trial: Any) -> str:
    return str(trial.config["folder"])
