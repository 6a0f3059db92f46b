"""The made-up search of the report's tests, and what a tracker should have of it."""

import pytest

from tests.isolation import own_settings
from tests.report.made_up import images, pristine, search_path

__all__ = ["images", "own_settings", "pristine", "search_path"]


@pytest.fixture(scope="session")
def states() -> dict[str, tuple[int, str | None]]:
    """Epochs and final state by run."""
    return {
        "t0000": (6, "complete"),
        "t0001": (2, "pruned"),
        "t0002": (6, "complete"),
        "t0003": (2, "diverged"),
        "t0004": (3, None),
        "t0005": (0, "failed"),
        "t0002-refit-0": (6, "complete"),
        "t0002-refit-1": (6, "complete"),
    }
