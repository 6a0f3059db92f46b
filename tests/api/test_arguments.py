"""What a search is called with."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import tune_s11
from tune_s11.config import InputError


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"gpus": -1}, "gpus: must be a whole number from 0 (got -1)"),
        ({"workers": 0}, "workers: must be a whole number from 1 (got 0)"),
        ({"workers": True}, "workers: must be a whole number from 1 (got True)"),
        ({"trials_per_gpu": "all"}, "trials_per_gpu: must be a whole number from 1, or auto (got 'all')"),
        ({"trials_per_gpu": None}, "trials_per_gpu: must be a whole number from 1, or auto (got None)"),
        ({"budget": "2h"}, "budget: must be a number of seconds above 0 (got '2h')"),
        ({"stall_timeout": 0}, "stall_timeout: must be a number of seconds above 0 (got 0)"),
        ({"precision": "fp8"}, "precision: must be one of auto, fp32, bf16 (got 'fp8')"),
        ({"track": "paper"}, "track: must be one of wandb, mlflow, none (got 'paper')"),
        ({"name": None}, "name: must be the name of a folder (got None)"),
        ({"settings": None}, "settings: must be a mapping from names of fields to values (got None)"),
        ({"settings": {1: 2}}, "settings: must be a mapping from names of fields to values (got {1: 2})"),
        ({"lr_bounds": (0.1,)}, "lr_bounds: must be two numbers, LOW and HIGH (got (0.1,))"),
        ({"lr_bounds": ("0.1", "1")}, "lr_bounds: must be two numbers, LOW and HIGH (got ('0.1', '1'))"),
        ({"lr_bounds": 0.1}, "lr_bounds: must be two numbers, LOW and HIGH (got 0.1)"),
        ({"lr_bounds": "01"}, "lr_bounds: must be two numbers, LOW and HIGH (got '01')"),
        ({"storage": None}, "storage: must be a folder or an address (got None)"),
        ({"callbacks": None}, "callbacks: must be a list of ray.tune.Callback objects (got None)"),
    ],
)
def test_a_search_refuses_what_it_cannot_run_with(options: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as refused:
        tune_s11.Search(**{"name": "mine"} | options)
    assert str(refused.value) == line


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"warm_start": "none"}, "--warm-start none: no such search; "),
        ({"warm_start": "nonsense://bucket/a"}, "--warm-start nonsense://bucket/a: Protocol not known"),
        ({"name": "nonsense://bucket/a", "resume": True}, "--resume nonsense://bucket/a: Protocol not known"),
        ({"storage": "nonsense://bucket", "resume": True}, "--storage nonsense://bucket: Protocol not known"),
    ],
)
def test_errors_name_the_option_that_is_wrong(options: dict[str, Any], line: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        tune_s11.Search(**{"name": "mine", "storage": tmp_path} | options).opened(Console())
    assert str(refused.value).startswith(line)
