"""The made-up search of the report's tests."""

from tests.report.made_up import (
    images,
    make_trial,
    pristine,
    pristine_run,
    search_path,
    tested_path,
    trial_writer,
    validated_path,
)

__all__ = [
    "images",
    "make_trial",
    "pristine",
    "pristine_run",
    "search_path",
    "tested_path",
    "trial_writer",
    "validated_path",
]
