"""Which checkpoints of a search stay on disk."""

from tune_s11.results.folder import CHECKPOINT_PREFIX
from tune_s11.search.context import Context
from tune_s11.training.checkpoint import CheckpointError, load_checkpoint
from tune_s11.training.metrics import RunFolder


def drop_checkpoints(context: Context, number: int) -> None:
    """Deletes the checkpoints of a trial that has ended, of all its attempts: the winner is trained anew."""
    for attempt in context.folder.attempts(number):
        context.workspace.drop(attempt.path, CHECKPOINT_PREFIX)


def drop_needless_checkpoints(context: Context) -> None:
    """Deletes those of trials that have ended, and damaged ones of finalists and refits, which then start anew."""
    for trial in context.trials():
        if trial.state != "running":
            drop_checkpoints(context, trial.number)
    for part in (context.folder.finalists, context.folder.best):
        context.workspace.fetch(part)  # what tasks have written there since the driver last looked
        for file in sorted(part.rglob(RunFolder(part).checkpoint.name)):
            try:
                load_checkpoint(file)
            except CheckpointError as error:
                context.say(f"{error}; {file.parent.relative_to(context.folder.path)} is started anew")
                file.unlink()
    context.workspace.flush()
