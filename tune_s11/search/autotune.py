"""What pays on this machine, found by timing steps in the workers: trials that share a GPU, a compiled network."""

from dataclasses import dataclass, replace

from ray import ObjectRef

from tune_s11.hardware import Precision
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.forecast import mean_epochs
from tune_s11.search.workers.cluster import Cluster, Workers
from tune_s11.search.workers.executor import Executor
from tune_s11.search.workers.timing import Timing, time_workers
from tune_s11.search_space import SearchConfig

WORTH_SHARING = 1.05
"""One trial more on a GPU has to bring so many times the trials a minute."""

WORTH_COMPILING = 600.0
"""Seconds of training to come a worker, below which the compiler, which takes about a minute, is not even tried."""


@dataclass(frozen=True)
class Autotuner:
    """Times steps of a search's largest trial in as many workers as would run at once.

    Attributes:
        config: The search.
        data: To choose by, in the object store.
        evaluated: Images that are evaluated after each epoch.
        precision: Requested.
    """

    config: SearchConfig
    data: ObjectRef
    evaluated: int
    precision: Precision

    def timing(self, workers: Workers, *, compiled: bool = False) -> Timing:
        """The timing of such workers.

        Raises:
            SearchFailedError: One of them fails.
        """
        executor = Executor(workers, self.precision, max_failures=self.config.search.max_failures)
        return time_workers(executor, self.config.largest, self.data, self.evaluated, compiled=compiled)

    def shared(self, cluster: Cluster) -> Cluster:
        """With the workers that get most done: one trial a GPU, or two, and so on while each more brings something.

        A GPU whose memory does not hold one more ends it, as does a rate that hardly grows.

        Args:
            cluster: With room for as many on each GPU as are to be tried.
        """
        if not cluster.workers.gpus:
            return cluster

        def rate_of(workers: Workers) -> float:
            return self.timing(workers).trials_a_minute(workers.slots, self.config.recipe.epochs)

        best = cluster.plan(1)
        rate = rate_of(best)
        for share in range(2, round(1 / cluster.workers.gpus) + 1):
            more = cluster.plan(share)
            try:
                greater = rate_of(more)
            except SearchFailedError:
                break
            if greater < WORTH_SHARING * rate:
                break
            best, rate = more, greater
        return replace(cluster, workers=best)

    def compiling_pays(self, workers: Workers, seconds: float) -> bool:
        """Whether a compiled network saves more time than its compiler takes.

        The compiler keeps what it has made on disk, so that the workers find there most of what the trial costs.

        Args:
            workers: What runs at once.
            seconds: Of training a worker, beyond which there is no time.
        """
        if {"width", "batch_size"} & self.config.space.keys():  # each shape would be compiled anew
            return False
        plain = self.timing(workers)
        epochs = mean_epochs(self.config, workers.slots) / workers.slots
        epochs = min(epochs, seconds / plain.epoch)
        if epochs * plain.epoch < WORTH_COMPILING:
            return False
        try:
            compiled = self.timing(workers, compiled=True)
        except SearchFailedError:  # no C++ compiler here, or a network that it cannot handle
            return False
        return compiled.warm_up + epochs * compiled.epoch < plain.warm_up + epochs * plain.epoch
