"""The made-up search of the report's tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from made_up import images, make_trial, pristine, search_path, trial_writer

__all__ = ["images", "make_trial", "pristine", "search_path", "trial_writer"]
