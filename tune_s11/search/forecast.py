"""Forecasts the cost of a search before it starts: its epochs with and without pruning, its time, its memory."""

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import ray
from ray import ObjectRef

from tune_s11.results.search import MOST_FINALISTS
from tune_s11.search.audit import one_in
from tune_s11.search.inputs import SearchInputs
from tune_s11.search.simulation import run_on_workers
from tune_s11.search.workers.executor import Executor
from tune_s11.search.workers.timing import Timing, start_all, time_workers
from tune_s11.search_space import SearchConfig
from tune_s11.text import format_bytes, format_seconds

REPLAYS = 40
"""Number of simulated searches that a forecast averages."""

MARGIN = 1.1
"""Safety factor of a budget for the work after the trials: it still fits if it takes this much longer than forecast."""

TURNOVER = 0.1
"""Seconds that the driver takes between two trials of one worker, in addition to the start of the next trial."""

REPORT, REPORT_EACH = 6.0, 0.2
"""Seconds for the report, and additional seconds for each trial of the search."""


@dataclass(frozen=True)
class Forecast:
    """The expected cost of a search; times in seconds.

    Attributes:
        start: Time to start the program, Ray and the workers.
        range_test: Time of the range test; 0 if there is none. It includes the start of its processes. Finalists and
            refits share another set of processes. On GPUs, every task starts its own process, because Ray ends a
            process that held a GPU after its task.
        trials: Time of the trials: mean, 5th and 95th percentile of the simulated searches.
        epochs: Epochs of all trials: mean, 5th and 95th percentile of the simulated searches.
        samples: Number of trials left.
        epochs_each: Epochs of a complete trial.
        finalists: Time of the finalists' runs if there is room for none of them, one, two, and so on, as many as the
            epochs of the trials may make room for; a single time if their number is given.
        lengths: Maximum time of the winner's runs with fewer epochs; 0 without a target.
        refits: Time of the winner's refits.
        report: Time of the report.
        trial: Timing of a worker that trains a trial.
        refit: Timing of a worker that trains a refit.
        expected: Index of the expected time in ``finalists``.
    """

    start: float
    range_test: float
    trials: tuple[float, float, float]
    epochs: tuple[float, float, float]
    samples: int
    epochs_each: int
    finalists: tuple[float, ...]
    lengths: float
    refits: float
    report: float
    trial: Timing
    refit: Timing
    expected: int = 0

    def after_trials(self, room: int | None = None) -> float:
        """Return the seconds from the end of the trials to the end of the report.

        Args:
            room: Number of finalists for which there is room; None: as many as expected.
        """
        most = len(self.finalists) - 1
        finalists = self.finalists[self.expected if room is None else min(room, most)]
        return finalists + self.lengths + self.refits + self.report

    @property
    def total(self) -> float:
        """Seconds from the command to the end of the report."""
        return self.start + self.range_test + self.trials[0] + self.after_trials()

    @property
    def least(self) -> float:
        """Seconds from the range test on if only one trial completes, with a margin for the later steps."""
        complete = self.trial.run(self.epochs_each) if self.samples else 0.0
        return self.range_test + complete + MARGIN * self.after_trials(room=0)

    def lines(self) -> list[str]:
        """Return the lines for the user."""
        (trials, least, most), (epochs, fewest, greatest) = self.trials, self.epochs
        parts = {
            "start": format_seconds(self.start),
            "range test": format_seconds(self.range_test) if self.range_test else "",
            "trials": f"{format_seconds(trials)} ({format_seconds(least)} to {format_seconds(most)})"
            if self.samples
            else "",
            "finalists": format_seconds(finalists) if (finalists := self.finalists[self.expected]) else "",
            "target": f"{format_seconds(self.lengths)} at most" if self.lengths else "",
            "refits": format_seconds(self.refits) if self.refits else "",
            "report": format_seconds(self.report),
        }
        shares = ", ".join(f"{name} {seconds}" for name, seconds in parts.items() if seconds)
        gpu_memory = max(self.trial.gpu_memory, self.refit.gpu_memory)
        on_gpu = f", {format_bytes(gpu_memory)} of its GPU" if gpu_memory else ""
        return [
            "forecast, from steps timed in all workers at once:",
            f"  epochs    {self.samples * self.epochs_each:,} without pruning, about {epochs:,.0f} with it "
            f"({fewest:,.0f} to {greatest:,.0f}), {format_seconds(self.trial.epoch)} each",
            f"  time      {'at most' if self.lengths else 'about'} {format_seconds(self.total)}: {shares}",
            f"  memory    {format_bytes(max(self.trial.memory, self.refit.memory))} a worker{on_gpu}",
        ]


@dataclass(frozen=True)
class Work:
    """The work left in a search.

    Attributes:
        samples: Number of trials.
        ramps: Number of ramps of the range test; 0 if it does not have to find ``min_lr``, or is done.
        cycles: Epochs of each cycle of the range test, by round.
        finalists: Number of trials to run again.
        lengths: Epochs of the lengths that are tried for a target, in the worst case.
        refits: Number of refits of the winner.
    """

    samples: int
    ramps: int
    finalists: int
    refits: int
    cycles: tuple[tuple[int, ...], ...] = ()
    lengths: tuple[int, ...] = ()


def forecast(
    executor: Executor,
    config: SearchConfig,
    inputs: SearchInputs,
    data: ObjectRef,
    work: Work,
    start: float,
    *,
    compiled: bool = False,
) -> Forecast:
    """Time some steps in as many workers as will run at once, and estimate the cost from them.

    Args:
        executor: Executor to time steps on.
        config: Configuration of the search.
        inputs: Images and recipes of the search.
        data: Training/validation split, in the object store.
        work: Work left.
        start: Seconds that the program and Ray have taken to start.
        compiled: Whether trials train a compiled network; nothing else does.

    Raises:
        SearchFailedError: A worker fails.
    """
    settings, workers = config.search, executor.workers
    processes = start_all(executor)
    assert inputs.data.validation is not None
    validated = len(inputs.data.validation)
    plain = time_workers(executor, inputs.recipe, data, validated)
    trial = time_workers(executor, inputs.recipe, data, validated, compiled=True) if compiled else plain
    refit_data = inputs.refit_data()
    evaluated = len(inputs.dataset.test) + (0 if refit_data.validation is None else len(refit_data.validation))
    refit = time_workers(executor, inputs.refit_recipe, ray.put(refit_data), evaluated)
    epochs, slots = inputs.recipe.epochs, workers.slots
    turn = TURNOVER + trial.begin
    replays = _simulate_often(config, work.samples, slots, turn, trial.epoch)
    ready = processes + plain.warm_up

    def tasks(count: int, seconds: float) -> float:
        return math.ceil(count / slots) * (seconds + (ready if workers.gpus else 0.0))

    given = settings.finalists is not None or not work.samples
    most = min(MOST_FINALISTS, settings.samples)
    finalists = [work.finalists] if given else [0, 0, *range(2, most + 1)]  # a single one is not run again
    first_of_process = 0.0 if workers.gpus else ready
    ramp = plain.begin + settings.lr_range_steps * plain.step
    cycles = sum(tasks(len(each), plain.run(max(each))) for each in work.cycles)
    return Forecast(
        start=start + processes + trial.warm_up,
        range_test=bool(work.ramps or work.cycles) * first_of_process + tasks(work.ramps, ramp) + cycles,
        trials=_spread([seconds for _, seconds in replays]),
        epochs=_spread([float(trained) for trained, _ in replays]),
        samples=work.samples,
        epochs_each=epochs,
        finalists=tuple(tasks(runs * settings.finalist_seeds, plain.run(epochs)) for runs in finalists),
        lengths=sum(tasks(settings.finalist_seeds, plain.run(length)) for length in work.lengths),
        refits=(work.refits > 0) * first_of_process + tasks(work.refits, refit.run(inputs.refit_recipe.epochs)),
        report=REPORT + REPORT_EACH * settings.samples,
        trial=trial,
        refit=refit,
        expected=0 if given else work.finalists,
    )


def mean_epochs(config: SearchConfig, samples: int, slots: int = 2) -> float:
    """Return the mean number of epochs of simulated searches; see :func:`simulate_search` for the arguments."""
    replays = _simulate_often(config, samples, slots, begin=0.0, epoch=1.0)
    return float(np.mean([trained for trained, _ in replays]))


def _simulate_often(
    config: SearchConfig, samples: int, slots: int, begin: float, epoch: float
) -> list[tuple[int, float]]:
    return [simulate_search(config, samples, slots, begin, epoch, seed) for seed in range(REPLAYS)]


def simulate_search(
    config: SearchConfig, samples: int, slots: int, begin: float, epoch: float, seed: int
) -> tuple[int, float]:
    """Simulate a search without training, with its own policy, as if its proposals never improved.

    Args:
        config: Configuration of the search, for its epochs, policy and audit.
        samples: Number of trials.
        slots: Trials at a time.
        begin: Seconds before the first epoch of a trial.
        epoch: Seconds per epoch.
        seed: Seed of the order in which good and bad trials come.

    Returns:
        The epochs trained, and the seconds until the last trial has ended.
    """
    epochs, policy = config.recipe.epochs, config.policy
    stops, verdicts = [*policy.rungs, epochs], policy.start()
    generator, every = random.Random(seed), one_in(config)
    quality = [generator.random() for _ in range(samples)]
    stopped = itertools.count(generator.randrange(every) if every else 0)
    audited: set[int] = set()
    trained = 0

    def continues(number: int, rung: int) -> bool:
        if number in audited or verdicts.keeps(number, rung, quality[number]):
            return True
        if every and next(stopped) % every == 0:
            audited.add(number)
        return number in audited

    def train(number: int) -> Iterator[float]:
        nonlocal trained
        done, wait = 0, begin
        for stop in stops:
            yield wait + (stop - done) * epoch
            trained += stop - done
            done, wait = stop, 0.0
            if stop < epochs and not continues(number, stop):
                return

    trials = map(train, range(samples))
    seconds = run_on_workers(lambda _: next(trials, None), slots)
    return trained, seconds


def _spread(values: list[float]) -> tuple[float, float, float]:
    low, high = np.quantile(values, [0.05, 0.95])
    return float(np.mean(values)), float(low), float(high)
