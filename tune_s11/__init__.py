"""Tunes the S11 super-convergence recipe: range test, search, refit, report."""

import os

__version__ = "0.1.0"

# Libraries read these when they are imported, so they are set before any of them can be.
# A value that the user has set stays.
for _name, _value in {
    "NO_ALBUMENTATIONS_UPDATE": "1",  # importing it would ask the network for its newest version
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run` every worker would run uv again
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the coming default; unset, Ray warns about it
}.items():
    os.environ.setdefault(_name, _value)
