"""The benchmark is a package under ``benchmarks``, which is found from the repository's root."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[3])]
