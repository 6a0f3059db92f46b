"""The race is a package under ``benchmarks``, which is found from the repository's root."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[2]), str(HERE)]
