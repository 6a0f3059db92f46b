"""Loads the images and recipes of a search, and checks them before anything starts."""

from dataclasses import dataclass

from tune_s11.config import Recipe
from tune_s11.data import Dataset, load_dataset
from tune_s11.search.workers.cluster import Workers
from tune_s11.search_space import SearchConfig
from tune_s11.training.trainer import TrainingData, try_out

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
        trial_bytes = refit_bytes = _checkpoint_bytes(largest, data)
        if largest_refit != largest:
            refit_bytes = _checkpoint_bytes(largest_refit, _refit_data(dataset, largest_refit, seed))
        return SearchInputs(
            dataset=dataset,
            data=data,
            recipe=recipe,
            refit_recipe=refit_recipe,
            trial_bytes=trial_bytes,
            refit_bytes=refit_bytes,
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


def _checkpoint_bytes(recipe: Recipe, data: TrainingData) -> int:
    """Return the size of a checkpoint: the weights, their EMA, and the optimizer's state.

    Raises:
        InputError: The network cannot be trained.
    """
    trainer = try_out(recipe, data)
    weights: int = sum(tensor.nbytes for tensor in trainer.model.state_dict().values())
    moments = 2 if recipe.optimizer == "adamw" else 1
    return (2 + moments) * weights
