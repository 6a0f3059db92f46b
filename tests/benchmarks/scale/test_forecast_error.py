"""A forecast is read as it is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scale.forecast_error import seconds
from tune_s11.text import format_seconds


@given(st.floats(0.1, 1e5))
def test_times_are_read_as_they_are_told(value: float) -> None:
    rounding = 30.0 if value >= 600 else 0.5
    assert seconds(format_seconds(value)) == pytest.approx(value, abs=rounding + 1e-6)
