"""What the report's command line is tried on: the made-up search of the report's tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
from made_up import images, pristine, search_path

__all__ = ["images", "pristine", "search_path"]
