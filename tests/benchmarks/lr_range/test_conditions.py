from pathlib import Path

import pytest
import torch

from benchmarks.lr_range.conditions import CONDITIONS, RATES, Condition, data_dir_of
from benchmarks.lr_range.record import recording_file
from benchmarks.tools.lines import read_lines
from tune_s11.config import Recipe
from tune_s11.models import build_model

NAMED = [condition for condition in CONDITIONS.values() if not condition.problem.aside]
ASIDE = [condition for condition in CONDITIONS.values() if condition.problem.aside]


RULE_FIXED = "2026-11-28T20:36:56"
"""Time of the commit that fixed the rule."""


def recipe(condition: Condition) -> Recipe:
    return Recipe(**condition.problem.fields)


def test_the_named_conditions_vary_what_best_rates_depend_on() -> None:
    recipes = [recipe(condition) for condition in NAMED]
    assert {each.optimizer for each in recipes} == {"sgd", "adamw"}
    assert {0.0, 0.9, 0.99} <= {each.momentum for each in recipes}
    assert {32, 512} <= {each.batch_size for each in recipes}
    assert {0.125, 1.0} == {each.logit_scale for each in recipes}
    assert sum(each.dataset == "cifar10" for each in recipes) <= 8
    assert len({(each.model, each.logit_scale) for each in recipes}) == 8


def test_six_networks_with_three_conditions_each_are_kept_for_the_end() -> None:
    by_network: dict[str, list[Recipe]] = {}
    for condition in ASIDE:
        by_network.setdefault(recipe(condition).model, []).append(recipe(condition))
    assert len(by_network) == 6
    for recipes in by_network.values():
        assert len(recipes) == 3
        assert len({each.batch_size for each in recipes}) == 3
        assert {each.optimizer for each in recipes} == {"sgd", "adamw"}
    assert by_network.keys().isdisjoint(recipe(condition).model for condition in NAMED)


@pytest.mark.parametrize("condition", CONDITIONS.values(), ids=str)
def test_a_condition_builds_a_network_of_ten_logits(condition: Condition) -> None:
    made = recipe(condition)
    model = build_model(made, 10).eval()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    assert parameters < 500_000
    assert made.train_images is not None
    assert int(made.train_images * (1 - made.val_fraction)) >= made.batch_size


def test_rates_are_tried_over_more_than_five_decades() -> None:
    for condition in CONDITIONS.values():
        rates = condition.rates
        assert len(rates) == 17
        assert rates == sorted(rates)
        assert rates[-1] / rates[0] > 10**5
        assert 10.0 ** (RATES[condition.optimizer][0] / 3) == pytest.approx(rates[0], rel=1e-3)


def test_only_conditions_on_cifar10_need_a_folder() -> None:
    folders = {condition.name: data_dir_of(condition, Path("images")) for condition in CONDITIONS.values()}
    assert folders["s11-cifar10-m0.9-b128"] == Path("images")
    assert folders["mlp-m0-b32"] is None


def test_what_is_kept_for_the_end_was_recorded_after_the_rule_was_fixed() -> None:
    files = [recording_file(condition.name) for condition in ASIDE]
    headers = [read_lines(file)[0] for file in files if file.exists()]
    assert headers
    assert min(header["manifest"]["created"] for header in headers) > RULE_FIXED
