"""Loads the winner from a search on disk or from an exported file."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch.nn as nn

from tune_s11.config import InputError, Recipe
from tune_s11.data import Dataset, load_dataset
from tune_s11.data.dataset import Channels
from tune_s11.models import build_model
from tune_s11.results import NotRefitError, NoWinnerError, SearchResult, load_search, read_refits
from tune_s11.results.folder import RefitFolder
from tune_s11.results.records import Refits, RefitScores
from tune_s11.storage.remote import Storage
from tune_s11.training.checkpoint import CheckpointError, load_checkpoint
from tune_s11.winner.classifier import Classifier, Logits
from tune_s11.winner.weights import SAFETENSORS_SUFFIX, read_weights


@dataclass(frozen=True)
class Best:
    """The refit winner of a search.

    Attributes:
        search: Search that it won.
        refits: All of its refits.
        run: Refit that is used: the first that has not diverged. Choosing the best one by its test accuracy would bias
            that accuracy.
        classifier: Classifier with its EMA weights, in evaluation mode, on the CPU.
        mean: Mean of each channel of its training images, where full intensity is 1.
        std: Standard deviation of each channel, on the same scale.
    """

    search: SearchResult
    refits: Refits
    run: RefitScores
    classifier: Classifier
    mean: Channels
    std: Channels

    @property
    def recipe(self) -> Recipe:
        """Recipe of the refits."""
        return self.refits.recipe

    @property
    def folder(self) -> RefitFolder:
        """Folder of the refit that is used."""
        return self.search.folder.refit(self.run.seed)

    @cached_property
    def dataset(self) -> Dataset:
        """Images that the search worked on.

        Raises:
            InputError: The images are missing here, or have changed since.
        """
        return _same_dataset(self.recipe, self.search.manifest.get("data", {}))


def load_best(name: str | None, storage: Storage, model: str | None = None) -> Classifier:
    """Return the winner of a search with the EMA weights of its refit, in evaluation mode, on the CPU.

    Args:
        name: Name, path or address of a search (None: the latest), or path of an exported ``.safetensors`` file.
        storage: Parent of the results.
        model: Network that a file must have, if it is not the program's own.

    Raises:
        InputError: There is no such search or file, it is damaged, its winner is not refit yet, or ``model`` is given
            for a search, which names its network itself.
    """
    if name is not None and Path(name).suffix == SAFETENSORS_SUFFIX:
        return read_weights(Path(name), model)
    if model is not None:
        raise InputError(f"--model {model}: is for an exported file; a search names its own network")
    return read_best(load_search(name, storage)).classifier


def read_best(search: SearchResult) -> Best:
    """Return the winner of a search.

    Raises:
        NoWinnerError: No trial is complete, or the best one is not refit yet.
        InputError: Every refit has diverged, or files of the search are damaged.
    """
    where, winner = search.name, search.winner
    if winner is None:
        if search.hopeless:
            raise InputError(f"{where}: has no winner: {search.why_no_winner}; expected one with a complete trial")
        raise NoWinnerError(search.path, f"has no winner yet: {search.why_no_winner}")
    try:
        refits = read_refits(search, winner)
    except NotRefitError as error:
        raise NoWinnerError(search.path, str(error)) from None
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    run = next((run for run in refits.runs if not run.diverged), None)
    if run is None:
        raise InputError(f"{where}: every refit of {refits.trial} has diverged")
    data = search.manifest.get("data")
    classes = data.get("classes") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(classes, list):
        raise InputError(f"{search.folder.manifest}: is missing or damaged; it must name the classes")
    recipe = refits.recipe
    try:
        network = read_network(search.folder.refit(run.seed), recipe, len(classes))
    except CheckpointError as error:
        raise InputError(str(error)) from None
    mean, std = _statistics(recipe, data)
    logits = Logits(network, mean, std, recipe.logit_scale)
    classifier = Classifier(logits, [str(name) for name in classes], recipe.image_size)
    return Best(search, refits, run, classifier, mean, std)


def read_network(folder: RefitFolder, recipe: Recipe, num_classes: int) -> nn.Module:
    """Return the network of a refit with its EMA weights, in evaluation mode.

    Raises:
        CheckpointError: The checkpoint is missing, damaged, or from another network.
    """
    model = build_model(recipe, num_classes).eval()
    try:
        model.load_state_dict(load_checkpoint(folder.checkpoint)["average"])
    except (KeyError, TypeError, RuntimeError) as error:
        kind = type(error).__name__
        raise CheckpointError(f"{folder.checkpoint}: holds no EMA weights of this network ({kind})") from None
    return model


def _statistics(recipe: Recipe, data: dict[str, Any]) -> tuple[Channels, Channels]:
    """Return mean and standard deviation of the normalisation; manifests of earlier versions lack them."""
    try:
        (red, green, blue), (red_std, green_std, blue_std) = data["mean"], data["std"]
        return (float(red), float(green), float(blue)), (float(red_std), float(green_std), float(blue_std))
    except (KeyError, TypeError, ValueError):
        dataset = _same_dataset(recipe, data)
        return dataset.mean, dataset.std


def _same_dataset(recipe: Recipe, data: dict[str, Any]) -> Dataset:
    dataset = load_dataset(recipe)
    if data.get("fingerprint") != dataset.fingerprint:
        raise InputError("the images are not those that the search worked on")
    return dataset
