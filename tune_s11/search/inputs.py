"""Loads the images and recipes of a search, and checks them before anything starts."""

from dataclasses import dataclass

from tune_s11.config import InputError, Recipe
from tune_s11.data import Dataset, load_dataset
from tune_s11.hardware import Hardware, usable_cores
from tune_s11.search.workers.cluster import Workers
from tune_s11.search_space import SearchConfig
from tune_s11.training.trainer import Trainer, TrainingData

RECORDS = 32_000_000
"""Bytes that a search needs in addition to its checkpoints: rows, event files, test logits, the report."""


@dataclass(frozen=True)
class SearchInputs:
    """The images and recipes of a search.

    Attributes:
        dataset: All images.
        data: Training/validation split.
        recipe: Recipe that the trials share.
        refit_recipe: Recipe with the changes for the refits.
        trial_bytes: Maximum size of a trial's checkpoint, in bytes.
        refit_bytes: Maximum size of a refit's checkpoint, in bytes.
        seed: Seed of the split.
    """

    dataset: Dataset
    data: TrainingData
    recipe: Recipe
    refit_recipe: Recipe
    trial_bytes: int
    refit_bytes: int
    seed: int

    @staticmethod
    def checked(config: SearchConfig) -> "SearchInputs":
        """Load the images, and try out the recipes.

        Raises:
            InputError: A trial or a refit could not train on these images, or could not train this network.
        """
        recipe, seed = config.recipe, config.search.seed
        dataset = load_dataset(recipe)
        data = TrainingData.with_validation(dataset, recipe, seed)
        refit_recipe, largest = config.refit.applied_to(recipe), config.largest
        largest_refit = config.refit.applied_to(largest)
        return SearchInputs(
            dataset=dataset,
            data=data,
            recipe=recipe,
            refit_recipe=refit_recipe,
            trial_bytes=_try_out(largest, data),
            refit_bytes=_try_out(largest_refit, _refit_data(dataset, largest_refit, seed)),
            seed=seed,
        )

    def refit_data(self) -> TrainingData:
        """Return the data for the refits; each call makes a new copy."""
        return _refit_data(self.dataset, self.refit_recipe, self.seed)

    def bytes_needed(self, workers: Workers, refit_seeds: int) -> int:
        """Return the maximum size of the search folder at any one time, in bytes."""
        slots = workers.slots  # each may write a third checkpoint before Tune drops the first of two
        return RECORDS + max(3 * slots * self.trial_bytes, (refit_seeds + slots) * self.refit_bytes)


def _refit_data(dataset: Dataset, recipe: Recipe, seed: int) -> TrainingData:
    """Return the full training set, or the split with schedule plateau, because its refits need validation images."""
    divide = TrainingData.with_validation if recipe.schedule == "plateau" else TrainingData.without_validation
    return divide(dataset, recipe, seed)


def _try_out(recipe: Recipe, data: TrainingData) -> int:
    """Build the trainer in this process and classify two images, to find mistakes before anything starts.

    Returns:
        The size of a checkpoint in bytes: the weights, their EMA, and the optimizer's state.
    """
    trainer = Trainer(recipe, data, Hardware(device="cpu", precision="fp32", threads=usable_cores()), seed=0)
    try:
        shape = tuple(trainer.predict(trainer.model, trainer.train[0][:2]).shape)
    except Exception as error:  # a user-defined network may raise anything
        raise InputError(f"model {recipe.model}: fails on two images: {type(error).__name__}: {error}") from error
    if shape != (2, data.num_classes):
        raise InputError(f"model {recipe.model}: logits of shape {shape}, expected (N, {data.num_classes})")
    weights: int = sum(tensor.nbytes for tensor in trainer.model.state_dict().values())
    moments = 2 if recipe.optimizer == "adamw" else 1
    return (2 + moments) * weights
