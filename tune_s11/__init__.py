"""Tunes the S11 super-convergence recipe: LR range test, hyperparameter search, refit and report."""

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

# Libraries read these variables on import, so they are set before any library is imported.
# Values that the user has set are kept.
for _name, _value in {
    "NO_ALBUMENTATIONS_UPDATE": "1",  # its import would otherwise look for a newer version on the network
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run` every worker would otherwise run uv again
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the future default; Ray warns if it is not set
    # Threads of a step that wait for one another soon sleep. By default they spin for 300,000 turns, and then a step
    # beside other programs can take many times as long (benchmarks/speed/README.md).
    **({} if "OMP_WAIT_POLICY" in os.environ else {"GOMP_SPINCOUNT": "10000"}),
}.items():
    os.environ.setdefault(_name, _value)


def __getattr__(name: str) -> Any:
    """Import a name of the API when it is first used, because torch and pandas take seconds to import."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("tune_s11.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
