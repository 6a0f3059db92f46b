"""Benchmarks and their inputs; each folder answers one question."""

import tune_s11  # noqa: F401  # before torch, whose threads read its setting when they are loaded
