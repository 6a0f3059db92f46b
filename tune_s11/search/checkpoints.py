"""Deletes checkpoints that a search no longer needs."""

from tune_s11.results.folder import CHECKPOINT_PREFIX
from tune_s11.search.context import Context
from tune_s11.training.checkpoint import CheckpointError, load_checkpoint
from tune_s11.training.metrics import RunFolder


def drop_checkpoints(context: Context, number: int) -> None:
    """Delete the checkpoints of all attempts of a finished trial; even the winner is refit from scratch."""
    for attempt in context.folder.attempts(number):
        context.workspace.drop(attempt.path, CHECKPOINT_PREFIX)


def drop_needless_checkpoints(context: Context) -> None:
    """Delete the checkpoints of finished trials, and damaged ones of the later steps' runs, which then restart."""
    for trial in context.trials():
        if trial.state != "running":
            drop_checkpoints(context, trial.number)
    for part in (context.folder.finalists, context.folder.length_runs, context.folder.best):
        context.workspace.fetch(part)  # tasks may have written there since the driver last looked
        for file in sorted(part.rglob(RunFolder(part).checkpoint.name)):
            try:
                load_checkpoint(file)
            except CheckpointError as error:
                context.say(f"{error}; {file.parent.relative_to(context.folder.path)} restarts")
                file.unlink()
    context.workspace.flush()
