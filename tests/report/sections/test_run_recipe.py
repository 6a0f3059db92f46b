"""The recipe of a single run, field by field."""

from pathlib import Path

from tests.report.helpers import compose_run
from tune_s11.config import Recipe


def test_every_field_has_a_row(tested_path: Path) -> None:
    report, page = compose_run(tested_path)
    assert {row["field"] for row in report.numbers["run"]["recipe"]} == set(Recipe.model_fields)
    assert page.index("The recipe") > page.index("Learning rate")
