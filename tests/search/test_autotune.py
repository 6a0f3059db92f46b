"""How many trials share a GPU, and whether the network is compiled, follows from the timing of the workers."""

import math
from functools import partial
from typing import Any

import pytest

from tune_s11.config import Recipe, RefitChanges, SearchSettings
from tune_s11.search import autotune
from tune_s11.search.autotune import Autotuner
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.workers.cluster import Cluster, Node, plan_workers
from tune_s11.search.workers.executor import Executor
from tune_s11.search.workers.timing import Timing
from tune_s11.search_space import SearchConfig, parse_space

EPOCHS = 24


def autotuner_of(config: SearchConfig) -> Autotuner:
    executor = Executor(cluster(1, 1).workers, "auto", max_failures=2)
    return Autotuner(config, None, 100, executor)  # type: ignore[arg-type]  # nothing is trained


def config(trials: int) -> SearchConfig:
    settings = SearchSettings(samples=trials, scheduler="none")
    return SearchConfig(Recipe(epochs=EPOCHS), {}, settings, RefitChanges())


def cluster(gpus: int, share: int) -> Cluster:
    plan = partial(plan_workers, [Node(8, gpus)], None, None, elastic=False)
    return Cluster(plan(share), (), None, plan)


def timing(epoch: float, warm_up: float = 0.0) -> Timing:
    return Timing(warm_up=warm_up, begin=0.0, step=epoch, evaluation=0.0, steps=1, memory=0, gpu_memory=0)


@pytest.mark.parametrize(
    ("seconds", "share"),
    [
        ([1.0, 2.0, 3.0, 4.0], 1),  # they take turns
        ([1.0, 1.0, 1.0, 1.0], 4),  # they do not notice one another
        ([1.0, 1.2, 1.75, 2.4], 2),  # the third brings less than a twentieth
        ([1.0, 1.5, None, 1.0], 2),  # it does not hold the third, unless that is repeated once the others are done
        ([1.0, 2.1, 1.0, 1.0], 1),  # nothing is tried beyond the first that brings nothing
    ],
)
def test_a_gpu_is_shared_while_that_brings_something(
    monkeypatch: pytest.MonkeyPatch, seconds: list[float | None], share: int
) -> None:
    def timed(executor: Executor, recipe: Recipe, data: Any, evaluated: int, *, compiled: bool) -> Timing:
        epoch = seconds[round(1 / executor.workers.gpus) - 1]
        if epoch is None and not executor.max_failures:
            raise SearchFailedError("out of memory")
        return timing(epoch or 1.0)

    monkeypatch.setattr(autotune, "time_workers", timed)
    found = autotuner_of(config(8)).shared(cluster(2, 4)).workers
    assert (found.slots, found.gpus) == (2 * share, 1 / share)


def test_without_gpus_nothing_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(autotune, "time_workers")
    assert autotuner_of(config(8)).shared(there := cluster(0, 1)) is there


def test_the_largest_trial_has_to_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def timed(executor: Executor, recipe: Recipe, *arguments: Any, **options: Any) -> Timing:
        seen.append((recipe.width, recipe.batch_size))
        return timing(1.0)

    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(autotune, "time_workers", timed)
    searched = parse_space({"space": {"width": {"choice": [32, 128]}, "batch_size": {"choice": [256, 1024]}}}, "")
    autotuner_of(searched).shared(cluster(1, 2))
    assert seen == [(128, 1024)] * 2


@pytest.mark.parametrize(
    ("trials", "plain", "compiled", "pays"),
    [
        (100, timing(1.0), timing(0.8, warm_up=60.0), True),
        (100, timing(1.0), timing(0.99, warm_up=60.0), False),  # 12 s of 1,200
        (100, timing(1.0), timing(1.1), False),
        (49, timing(1.0), timing(0.8, warm_up=60.0), False),  # 588 s: not tried
        (100, timing(1.0), None, False),  # it cannot be compiled
    ],
)
def test_compiling_pays_where_it_saves_more_than_it_takes(
    monkeypatch: pytest.MonkeyPatch, trials: int, plain: Timing, compiled: Timing | None, pays: bool
) -> None:
    tried = []

    def timed(*arguments: Any, **options: Any) -> Timing:
        tried.append(options["compiled"])
        found = compiled if options["compiled"] else plain
        if found is None:
            raise SearchFailedError("no compiler")
        return found

    monkeypatch.setattr(autotune, "time_workers", timed)
    workers = cluster(2, 1).workers
    assert autotuner_of(config(trials)).compiling_pays(workers, math.inf) is pays
    assert tried == ([False] if trials < 50 else [False, True])
    assert not autotuner_of(config(trials)).compiling_pays(workers, 599.0)  # there is no time for more training


def test_pruned_epochs_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        autotune, "time_workers", lambda *_, compiled: timing(0.8, warm_up=60.0) if compiled else timing(1.0)
    )
    workers, whole = cluster(2, 1).workers, config(100)
    pruned = SearchConfig(whole.recipe, {}, SearchSettings(samples=100), RefitChanges())
    assert autotuner_of(whole).compiling_pays(workers, math.inf)
    assert not autotuner_of(pruned).compiling_pays(workers, math.inf)  # about 500 s


def test_networks_of_many_shapes_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(autotune, "time_workers")
    searched = parse_space({"space": {"width": {"choice": [32, 64]}}, "search": {"samples": 1000}}, "")
    assert not autotuner_of(searched).compiling_pays(cluster(2, 1).workers, math.inf)
