"""Tunes the S11 super-convergence recipe: range test, search, refit, report."""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tune_s11.api import (
        LRRange,
        OneCycle,
        Search,
        SearchSnapshot,
        Triangular,
        drive,
        load_best,
        load_search,
        lr_range_test,
    )

__all__ = [
    "LRRange",
    "OneCycle",
    "Search",
    "SearchSnapshot",
    "Triangular",
    "__version__",
    "drive",
    "load_best",
    "load_search",
    "lr_range_test",
]

__version__ = "0.1.0"

# Libraries read these when they are imported, so they are set before any of them can be.
# A value that the user has set stays.
for _name, _value in {
    "NO_ALBUMENTATIONS_UPDATE": "1",  # importing it would ask the network for its newest version
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run` every worker would run uv again
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the coming default; unset, Ray warns about it
}.items():
    os.environ.setdefault(_name, _value)


def __getattr__(name: str) -> Any:
    """What the API has is imported when it is first used: torch and pandas take seconds."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("tune_s11.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
