"""Checks what a search is called with, and reads what its arguments name."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from tune_s11 import results
from tune_s11.config import InputError, Recipe
from tune_s11.hardware import Compile, Precision
from tune_s11.search_space import RANGE_TEST, SearchConfig
from tune_s11.storage.remote import Remote, Storage
from tune_s11.tracking.trackers import TrackerName

PRECISIONS, COMPILES = get_args(Precision), get_args(Compile)
TRACKERS = (*get_args(TrackerName), "none")


def check_arguments(given: Mapping[str, Any]) -> None:
    """Check the form of a search's arguments.

    Args:
        given: Values of :class:`tune_s11.api.search.Search`'s fields, by name.

    Raises:
        InputError: An argument has another type, or a value that no search can have.
    """
    keys = given["settings"] if isinstance(given["settings"], Mapping) else (None,)
    for name, fits, allowed in (
        ("name", isinstance(given["name"], str), "the name of a folder"),
        ("settings", all(isinstance(key, str) for key in keys), "a mapping from names of fields to values"),
        ("lr_bounds", given["lr_bounds"] is None or _are_two_numbers(given["lr_bounds"]), "two numbers, LOW and HIGH"),
        ("storage", isinstance(given["storage"], str | os.PathLike | Remote), "a folder or an address"),
        ("gpus", given["gpus"] is None or _is_whole(given["gpus"], 0), "a whole number from 0"),
        ("workers", given["workers"] is None or _is_whole(given["workers"], 1), "a whole number from 1"),
        (
            "trials_per_gpu",
            given["trials_per_gpu"] == "auto" or _is_whole(given["trials_per_gpu"], 1),
            "a whole number from 1, or auto",
        ),
        ("precision", given["precision"] in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
        ("compiled", given["compiled"] in COMPILES, f"one of {', '.join(COMPILES)}"),
        ("stall_timeout", _are_seconds(given["stall_timeout"]), "a number of seconds above 0"),
        ("budget", _are_seconds(given["budget"]), "a number of seconds above 0"),
        ("track", given["track"] in (None, *TRACKERS), f"one of {', '.join(TRACKERS)}"),
        ("callbacks", isinstance(given["callbacks"], Sequence), "a list of ray.tune.Callback objects"),
    ):
        if not fits:
            raise InputError(f"{name}: must be {allowed} (got {given[name]!r:.99})")


def best_of(name: str | Path | None, storage: Storage) -> tuple[Recipe, ...]:
    """Return the recipes of an earlier search's best trials; none without a name.

    Raises:
        InputError: There is no such search, or none of its trials is complete.
    """
    if name is None:
        return ()
    try:
        search = results.load_search(str(name), storage)
    except InputError as error:
        raise named("--warm-start", error) from None
    if not search.contenders:
        raise InputError(f"--warm-start {name}: none of its trials is complete; expected a search that has one")
    return tuple(trial.recipe for trial in search.contenders)


def with_lr_bounds(config: SearchConfig, low: float, high: float) -> SearchConfig:
    """Return a configuration that searches ``max_lr`` between these bounds, without a range test.

    Raises:
        InputError: The space does not search ``max_lr``, needs the range test for ``min_lr``, or the bounds are wrong.
    """
    if "max_lr" not in config.space:
        raise InputError(f"--lr-bounds {low:g} {high:g}: max_lr is not searched; expected a space that searches it")
    if not 0 < low < high < math.inf:
        raise InputError(f"--lr-bounds {low:g} {high:g}: expected 0 < LOW < HIGH")
    if config.space.get("min_lr_fraction") == RANGE_TEST:
        raise InputError(
            f"--lr-bounds {low:g} {high:g}: skips the range test, which space.min_lr_fraction needs; "
            "it must be set too, such as --set min_lr_fraction=0.01"
        )
    return config.with_lr_bounds(low, high)


def named(option: str, error: InputError) -> InputError:
    """Return an error with the option that it is about in front, unless its line names another one."""
    line = str(error)
    return InputError(line if line.startswith("--") else f"{option} {line}")


def _is_whole(value: object, least: int) -> bool:
    return type(value) is int and value >= least  # not a bool


def _are_seconds(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and 0 < value < math.inf)


def _are_two_numbers(value: object) -> bool:
    return isinstance(value, Sequence) and [isinstance(each, int | float) for each in value] == [True, True]
