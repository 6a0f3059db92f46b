"""Trials of all kinds."""

from collections.abc import Callable

import pytest

from tests.report.figures.helpers import FULL, PARAMS
from tune_s11.results import TrialResult

Make = Callable[..., TrialResult]


@pytest.fixture
def mixed(make_trial: Make) -> list[TrialResult]:
    return [
        make_trial(0, FULL, params=PARAMS, spans=[("vm:1", 0, 60, 6)]),
        make_trial(1, [0.1, 0.3], "pruned", PARAMS | {"width": 64}, [("vm:2", 0, 20, 2)]),
        make_trial(2, [0.1, 0.0], "diverged", PARAMS | {"max_lr": 1.0}, [("vm:2", 25, 45, 2)]),
        make_trial(3, [0.2], "running", PARAMS | {"max_lr": 0.01}, [("vm:2", 9000, 9010, 1)]),
        make_trial(4, [], "failed", PARAMS),
    ]
