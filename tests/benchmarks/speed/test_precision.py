"""The interval of paired differences is Student's."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.speed.precision import interval


def test_interval() -> None:
    differences = np.random.default_rng(0).normal(0.001, 0.002, 5).tolist()
    middle, half = interval(differences)
    low, high = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert (middle - half, middle + half) == pytest.approx((low, high))
