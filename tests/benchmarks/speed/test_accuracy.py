"""The interval of paired differences is Student's, and both sides differ in one thing alone."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.speed.accuracy import Way, interval, sides


def test_interval() -> None:
    differences = np.random.default_rng(0).normal(0.001, 0.002, 5).tolist()
    middle, half = interval(differences)
    low, high = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert (middle - half, middle + half) == pytest.approx((low, high))


@pytest.mark.parametrize(("way", "differ"), [("bf16", "precision"), ("products", "matrix_products")])
def test_the_sides_differ_in_what_is_compared(way: Way, differ: str) -> None:
    usual, faster = (hardware.model_dump() for hardware in sides(way).values())
    assert {key for key in usual if usual[key] != faster[key]} == {differ}
