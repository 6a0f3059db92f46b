"""The made-up search and run of the report's tests; settings and an environment of the tests' own."""

from tests.isolation import own_environment, own_settings
from tests.report.made_up import images, pristine, pristine_run

__all__ = ["images", "own_environment", "own_settings", "pristine", "pristine_run"]
