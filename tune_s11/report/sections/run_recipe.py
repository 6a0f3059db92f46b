"""The recipe of a single run."""

from tune_s11.report import tables
from tune_s11.report.builder import RunBuilder

PLACE = 90
SHOWN_IN = RunBuilder


def add(report: RunBuilder) -> None:
    """Add the recipe to ``run``."""
    report.numbers["run"]["recipe"] = tables.recipe_facts(report.result.run.recipe, {}, None)
