"""The made-up search of the report's tests, with a winner that can be used."""

from tests.report.made_up import images, pristine, search_path
from tests.winner.finished import finished, own_network

__all__ = ["finished", "images", "own_network", "pristine", "search_path"]
