"""Trials a minute follow from a worker's pace."""

import pytest
from packing import trials_a_minute

from tune_s11.search.pace import Pace


def test_trials_a_minute() -> None:
    pace = Pace(begin=2.0, step=0.1, evaluation=1.0, steps=10, memory=0, gpu_memory=0)
    assert trials_a_minute(pace, 3, 14) == pytest.approx(6.0)
