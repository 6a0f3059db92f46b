"""The benchmarks are scripts that import one another from their own folder, so their tests do too."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1] / "benchmarks"), str(HERE)]
