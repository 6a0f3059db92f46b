"""Builds the network that a recipe names."""

import importlib
import os
import sys
from collections.abc import Callable

import torch.nn as nn

from tune_s11.config import InputError, Recipe
from tune_s11.models.resnet import S11ResNet


def build_model(recipe: Recipe, num_classes: int) -> nn.Module:
    """Build the network that the recipe names, freshly initialised from torch's global generator.

    Raises:
        InputError: The import path names nothing callable, or the callable fails or returns no module.
    """
    build = S11ResNet if recipe.model == "s11" else _imported(recipe.model)
    try:
        model = build(width=recipe.width, num_classes=num_classes, image_size=recipe.image_size)
    except Exception as error:  # a user's own network may raise anything, and a wide one may exhaust the memory
        raise InputError(f"model {recipe.model}: cannot be built: {type(error).__name__}: {error}") from error
    if not isinstance(model, nn.Module):
        raise InputError(f"model {recipe.model}: returned {type(model).__name__}, expected a torch.nn.Module")
    return model


def _imported(path: str) -> Callable[..., object]:
    """Import ``package.module:function``, also from the working directory, as ``python -m`` does."""
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name):
        raise InputError(f"model {path!r}: expected s11 or package.module:function")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        build = getattr(importlib.import_module(module_name), name)
    except Exception as error:  # a user's own module may raise anything
        raise InputError(f"model {path!r}: cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(build):
        raise InputError(f"model {path!r}: is not callable")
    return build  # type: ignore[no-any-return]
