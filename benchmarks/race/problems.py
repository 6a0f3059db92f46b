"""Problems of the race: networks and images, fixed before anything was recorded, and one space for all.

Policies are designed on the pools of these problems, except those with ``aside``. These are held out: they are recorded
and run once, after the commit that fixes the next policy. The range test had been designed with the self-attention of
``digits-transformer``, among others; no part of the program has seen the network of ``digits-recurrent``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import FloatDistribution

from tune_s11.config import InputError, Recipe
from tune_s11.data import Dataset, Images, load_dataset, split
from tune_s11.training.trainer import TrainingData

SPACE = {
    "max_lr": FloatDistribution(1e-4, 10.0, log=True),
    "min_lr_fraction": FloatDistribution(1e-4, 1.0, log=True),
    "momentum": FloatDistribution(0.0, 0.99),
    "weight_decay": FloatDistribution(1e-6, 0.1, log=True),
    "label_smoothing": FloatDistribution(0.0, 0.3),
}
"""The domains of search_spaces/wide.yaml, written out because recorded pools must not change with that file."""

FIXED_BOUNDS = (0.067, 2.0)
"""Bounds of ``max_lr`` that need no range test: those that ramps find under 15 of 18 conditions on S11."""

SEED = 0
"""Seed of the images' division and of the configurations; a configuration's number is added for its training."""


DEFAULTS = 999_999
"""Number that stands for the recipe's own defaults, which are not drawn from the space; no pool is so large."""


@dataclass(frozen=True)
class Problem:
    """One network on one division of one set of images."""

    name: str
    """Name on the command line and of the pool's file."""
    fields: Mapping[str, Any]
    """Recipe fields, as in a space file, without those that are searched."""
    held_out: int
    """Number of training images held out for the score: no trial trains or validates on them."""
    aside: bool = False
    """Whether the problem is held out until the next policy is fixed."""

    def recipe(self, data_dir: Path | None = None) -> Recipe:
        """Return the recipe that all configurations share.

        Args:
            data_dir: Image folder to read CIFAR-10 from; None: torchvision downloads it.

        Raises:
            InputError: The problem's images need no folder, or there is no such folder.
        """
        if data_dir is None:
            return Recipe(**self.fields)
        if self.fields["dataset"] != "cifar10":
            raise InputError(f"--data-dir {data_dir}: {self.name} needs none, its images ship with scikit-learn")
        if not data_dir.is_dir():
            raise InputError(f"--data-dir {data_dir}: no such folder; expected one that holds train/ and test/")
        return Recipe(**{**self.fields, "dataset": "folder", "data_dir": str(data_dir.resolve())})


@dataclass(frozen=True)
class Inputs:
    """Inputs of every trial of a problem."""

    recipe: Recipe
    data: TrainingData
    held_out: Images


DIGITS = {
    "dataset": "digits",
    "train_images": 1137,
    "val_fraction": 0.25,
    "epochs": 12,
    "peak_epoch": 3.0,
    "batch_size": 64,
    "flip": False,
}
"""Images and split of benchmarks/pruning/recordings/digits-wide.jsonl: 853 to train, 284 to validate, 300 held out."""

CIFAR10 = {
    "dataset": "cifar10",
    "train_images": 5000,
    "val_fraction": 0.4,
    "epochs": 12,
    "peak_epoch": 2.5,
    "batch_size": 128,
}
"""3,000 images to train, 2,000 to validate, 5,000 held out."""

_OTHER = {"logit_scale": 1.0}
"""S11 needs 0.125 because a max pool over the image feeds its last layer: its first logits would be far too large. The
other networks end in an average, so they start with small logits; a user's own network starts from 1, too."""

_ALL = (
    Problem("digits-plain", DIGITS | _OTHER | {"model": "benchmarks.race.networks:plain", "width": 16}, 300),
    Problem("digits-s11", DIGITS | {"width": 2}, 300),
    Problem("cifar10-s11", CIFAR10 | {"width": 8}, 5000),
    Problem(
        "cifar10-groupnorm", CIFAR10 | _OTHER | {"model": "benchmarks.race.networks:group_norm", "width": 16}, 5000
    ),
    Problem(
        "digits-transformer",
        DIGITS | _OTHER | {"model": "benchmarks.race.networks:transformer", "width": 64},
        300,
        aside=True,
    ),
    Problem(
        "digits-recurrent",
        DIGITS | _OTHER | {"model": "benchmarks.race.networks:recurrent", "width": 64},
        300,
        aside=True,
    ),
)

PROBLEMS = {problem.name: problem for problem in _ALL}
"""All problems by name, in the order in which they are recorded."""


def find_problem(name: str, aside: bool, does: str) -> Problem:
    """Return the problem of that name.

    Args:
        name: Name from the command line.
        aside: Whether ``--aside`` was given, which a held-out problem requires.
        does: Effect of ``--aside`` for the error message, e.g. ``records it, once``.

    Raises:
        InputError: There is no such problem, or it is held out.
    """
    if name not in PROBLEMS:
        raise InputError(f"PROBLEM {name!r}: must be one of {', '.join(PROBLEMS)}")
    if PROBLEMS[name].aside and not aside:
        raise InputError(f"PROBLEM {name}: is kept until the next policy is fixed; --aside {does}")
    return PROBLEMS[name]


def draw(number: int, seed: int = SEED) -> dict[str, float]:
    """Return configuration ``number``, which depends only on the space, ``seed`` and ``number``.

    Values have four significant digits, so that what is recorded is exactly what is trained.
    """
    generator = np.random.default_rng((seed, number))
    config = {}
    for name, domain in SPACE.items():
        low, high = (np.log(end) if domain.log else end for end in (domain.low, domain.high))
        value = generator.uniform(low, high)
        config[name] = float(f"{np.exp(value) if domain.log else value:.4g}")
    return config


def defaults() -> dict[str, float]:
    """Return the recipe's defaults of the searched fields: what is trained without a search."""
    return {name: float(Recipe.model_fields[name].default) for name in SPACE}


def divide(dataset: Dataset, problem: Problem, recipe: Recipe, seed: int = SEED) -> Inputs:
    """Divide the training images into those to train on, to validate on and to hold out; test images are not used.

    Raises:
        InputError: There are too few images.
    """
    assert recipe.train_images is not None
    total = recipe.train_images + problem.held_out
    both = recipe.model_copy(update={"train_images": total, "val_fraction": problem.held_out / total})
    rest, held_out = split(dataset.train, both, seed)
    train, validation = split(rest, recipe, seed)
    data = TrainingData(train, validation, len(dataset.classes), dataset.mean, dataset.std)
    return Inputs(recipe, data, held_out)


def load_inputs(problem: Problem, data_dir: Path | None = None) -> tuple[Inputs, Dataset]:
    """Read a problem's images; return them divided, and the whole dataset for the manifest.

    Raises:
        InputError: The images cannot be read.
    """
    recipe = problem.recipe(data_dir)
    dataset = load_dataset(recipe)
    return divide(dataset, problem, recipe), dataset
