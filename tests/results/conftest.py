"""A search of six epochs."""

import pytest

from tune_s11.search_space import SearchConfig, parse_space


@pytest.fixture
def config() -> SearchConfig:
    return parse_space({"recipe": {"epochs": 6}, "space": {"momentum": {"uniform": [0.8, 0.9]}}}, "")
