"""Times steps in the workers to find what pays off on this machine: sharing a GPU among trials, compiling."""

from dataclasses import dataclass, replace

from ray import ObjectRef

from tune_s11.search.failures import SearchFailedError
from tune_s11.search.forecast import mean_epochs
from tune_s11.search.workers.cluster import Cluster, Workers
from tune_s11.search.workers.executor import Executor
from tune_s11.search.workers.timing import Timing, time_workers
from tune_s11.search_space import SearchConfig

WORTH_SHARING = 1.05
"""Minimum factor by which one more trial on a GPU must raise the trials per minute."""

WORTH_COMPILING = 600.0
"""Seconds of training left per worker below which compiling, which takes about a minute, is not tried."""


@dataclass(frozen=True)
class Autotuner:
    """A benchmark of a search's largest trial, in as many workers as would run at once.

    Attributes:
        config: Configuration of the search.
        data: Training/validation split, in the object store.
        evaluated: Number of images that are evaluated after each epoch.
        executor: Executor of the search; it is timed with other workers than its own.
    """

    config: SearchConfig
    data: ObjectRef
    evaluated: int
    executor: Executor

    def timing(self, workers: Workers, *, failures: int, compiled: bool = False) -> Timing:
        """Return the timing of these workers.

        Args:
            workers: Workers that run at once.
            failures: How often a worker may fail and begin again.
            compiled: Whether the network is compiled.

        Raises:
            SearchFailedError: A worker has failed more often.
        """
        executor = replace(self.executor, workers=workers, max_failures=failures)
        return time_workers(executor, self.config.largest, self.data, self.evaluated, compiled=compiled)

    def shared(self, cluster: Cluster) -> Cluster:
        """Return the cluster with the number of trials per GPU that gives the highest throughput.

        One trial per GPU is tried, then two, and so on, until one more does not fit in a GPU's memory or hardly raises
        the throughput.

        Args:
            cluster: Cluster planned for the largest number of trials per GPU to try.
        """
        if not cluster.workers.gpus:
            return cluster

        def rate_of(workers: Workers, failures: int) -> float:
            return self.timing(workers, failures=failures).trials_a_minute(workers.slots, self.config.recipe.epochs)

        best = cluster.plan(1)
        rate = rate_of(best, self.executor.max_failures)
        for share in range(2, round(1 / cluster.workers.gpus) + 1):
            more = cluster.plan(share)
            try:
                # A worker that began again once the others had left would have their memory too, and seem to fit.
                greater = rate_of(more, failures=0)
            except SearchFailedError:
                break
            if greater < WORTH_SHARING * rate:
                break
            best, rate = more, greater
        return replace(cluster, workers=best)

    def compiling_pays(self, workers: Workers, seconds: float) -> bool:
        """Return whether a compiled network saves more time than compiling it takes.

        The compiler caches its results on disk. If compiling pays off, the workers find most of them there and need not
        repeat the work of this test.

        Args:
            workers: Workers that run at once.
            seconds: Time available for training, in seconds per worker.
        """
        if {"width", "batch_size"} & self.config.space.keys():  # each shape would be compiled separately
            return False
        plain = self.timing(workers, failures=self.executor.max_failures)
        epochs = mean_epochs(self.config, self.config.search.samples, workers.slots) / workers.slots
        epochs = min(epochs, seconds / plain.epoch)
        if epochs * plain.epoch < WORTH_COMPILING:
            return False
        try:
            compiled = self.timing(workers, failures=0, compiled=True)
        except SearchFailedError:  # no C++ compiler here, or a network that it cannot handle
            return False
        return compiled.warm_up + epochs * compiled.epoch < plain.warm_up + epochs * plain.epoch
