"""Step 5 of a search: trains the winner again from several seeds, usually on all training images, and tests it."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import ray

from tune_s11.config import Recipe
from tune_s11.data import Images
from tune_s11.results import TrialResult
from tune_s11.results.folder import RefitFolder, SearchFolder
from tune_s11.results.records import Refits, RefitScores, Summary, Winner, read_record_or_none
from tune_s11.results.tested_training import fit_and_test
from tune_s11.search.context import Context
from tune_s11.search.inputs import SearchInputs
from tune_s11.search.workers.parts import Worker
from tune_s11.storage.disk import size_of
from tune_s11.storage.sync import Shared
from tune_s11.text import format_bytes
from tune_s11.training.trainer import Trainer, TrainingData


def refit_winner(context: Context, winner: TrialResult, recipe: Recipe, inputs: SearchInputs) -> None:
    """Train the winner again and test it, in ``best/``. Results of an earlier session are kept.

    Args:
        context: Context of the search.
        winner: Winning trial.
        recipe: Its recipe, perhaps with fewer epochs.
        inputs: Images and recipes of the search.
    """
    recipe, folder = context.config.refit.applied_to(recipe), context.folder
    chosen = Winner(trial=winner.name, recipe=recipe)
    _follow_images(Winner, folder.winner, recipe)
    _follow_images(Refits, folder.metrics, recipe)
    before = read_record_or_none(Winner, folder.winner)
    if before != chosen:  # no winner yet, or a longer search or a target changed it
        if before is not None and folder.metrics.exists():
            earlier = f"{before.trial} in {before.recipe.epochs} epochs"
            context.say(f"refits of {earlier} are replaced by those of {chosen.trial} in {recipe.epochs} epochs")
        shutil.rmtree(folder.best, ignore_errors=True)
        folder.best.mkdir()
        chosen.write(folder.winner)
        context.workspace.flush()  # otherwise a refit would resume from the earlier winner's checkpoint
    refits = read_record_or_none(Refits, folder.metrics)
    if refits is None or _lost(folder, refits):
        refits = _refit_all(context, chosen, winner.score, inputs)
        refits.write(folder.metrics)
    tested = refits.test_accuracy
    raw = f", raw weights {refits.test_accuracy_raw.mean:.4f}" if recipe.ema_horizon else ""
    context.say(f"test accuracy: {tested} (n = {tested.n}, {recipe.weights}){raw}")
    context.say(f"results: {folder.path}, {format_bytes(size_of(folder.path))}", copied=True)


def _follow_images(kind: type[Winner] | type[Refits], path: Path, recipe: Recipe) -> None:
    """Write to an earlier session's record where the same images are now, for those who read them later."""
    record = read_record_or_none(kind, path)
    if record is not None and record.recipe.data_dir != recipe.data_dir:
        moved = record.recipe.model_copy(update={"data_dir": recipe.data_dir})
        record.model_copy(update={"recipe": moved}).write(path)


def _lost(folder: SearchFolder, refits: Refits) -> bool:
    """Return whether the checkpoint of a refit is gone; without it, its network cannot be used."""
    return any(not run.diverged and not folder.refit(run.seed).checkpoint.exists() for run in refits.runs)


def _refit_all(context: Context, chosen: Winner, score: float | None, inputs: SearchInputs) -> Refits:
    """Run the refits from all seeds."""
    if changes := context.config.refit.model_dump(exclude_none=True):
        context.say("refit with " + ", ".join(f"{name} {value:,}" for name, value in changes.items()))
    settings, folder = context.config.search, context.folder
    folders = {seed: folder.refit(seed) for seed in range(settings.seed, settings.seed + settings.refit_seeds)}
    data = inputs.refit_data()
    if data.validation is not None:
        context.say(
            f"refit on {len(data.train):,} training images: schedule plateau follows the {len(data.validation):,} "
            "validation images"
        )
    runs = refit(context, chosen.recipe, data, inputs.dataset.test, folders)
    if len(runs) < len(folders):
        context.say(f"refits: {len(runs)} of {len(folders)}")
    return Refits(
        test_accuracy=Summary.of([run.shipped for run in runs]),
        test_accuracy_raw=Summary.of([run.raw for run in runs]),
        runs=tuple(runs),
        trial=chosen.trial,
        recipe=chosen.recipe,
        validation_accuracy=score,
    )


def refit(
    context: Context, recipe: Recipe, data: TrainingData, test: Images, folders: Mapping[int, RefitFolder]
) -> list[RefitScores]:
    """Train a recipe from several seeds, and test each refit at its end.

    The first refit is also tested after each epoch, for a curve that is not used to choose anything. Only one refit is,
    because this costs two passes over the test images per epoch.

    Args:
        context: Context of the search.
        recipe: Recipe to train.
        data: Full training set; with schedule plateau, the training/validation split of the trials.
        test: Test images.
        folders: Folder of each seed, in the context's workspace. A refit that has started in its folder is resumed.

    Returns:
        The scores of the refits that have not failed.

    Raises:
        SearchFailedError: All refits have failed.
    """
    images, first = (ray.put(data), ray.put(test)), min(folders)
    calls = {folder: (recipe, *images, seed, seed == first) for seed, folder in folders.items()}
    context.display.begin("refits")

    def on_progress(done: int, total: int) -> None:
        context.display.advance(done / total, f"refit over {len(folders)} seeds: epoch {done} of {total}")

    names = [f"refit from seed {seed}" for seed in folders]
    results = context.executor.run_in_folders(
        _refit,
        calls,
        recipe.epochs,
        context.workspace,
        on_progress,
        lambda call, reason: context.say_repeated(names[call], reason),
    )
    return [scores for scores in context.succeeded(names, results) if scores is not None]


def _refit(
    worker: Worker,
    shared: Shared,
    recipe: Recipe,
    data: TrainingData,
    images: Images,
    seed: int,
    test_curve: bool,
) -> RefitScores:
    trainer = Trainer(recipe, data, worker.hardware, seed)
    with shared.opened(worker.alive, worker.waiting) as (path, grown):
        return fit_and_test(trainer, images, RefitFolder(path), curve=test_curve, on_epoch=lambda *_: grown())
