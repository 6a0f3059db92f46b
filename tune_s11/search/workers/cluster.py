"""Starts Ray on this machine or joins a cluster, and decides which resources a trial gets."""

import math
import os
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray
import torch
from ray.exceptions import RayError

import tune_s11
from tune_s11.config import InputError
from tune_s11.hardware import usable_cores, why_no_gpu
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.interruption import interruptible, leaving_no_process
from tune_s11.search.ray_internals import raylet_silenced
from tune_s11.search.workers.token import keep_token_private

MOST_ON_A_GPU = 4
"""Maximum number of trials that share a GPU, if the number is not requested."""

NVIDIA = Path("/dev/nvidiactl")
"""Device of the NVIDIA driver, which a machine with a GPU has, whether torch can use it or not."""


@dataclass(frozen=True)
class Resources:
    """The requested resources.

    Attributes:
        address: Address of a cluster, ``auto`` or HOST:PORT; None: RAY_ADDRESS if it is set, else this machine.
        gpus: Maximum number of GPUs to use; None: all.
        workers: Trials at a time on CPUs; None: see :func:`plan_workers`.
        trials_per_gpu: Trials that share a GPU; None: chosen by timing, with room for the maximum until then.
    """

    address: str | None = None
    gpus: int | None = None
    workers: int | None = None
    trials_per_gpu: int | None = 1


@dataclass(frozen=True)
class Node:
    """A machine of a cluster.

    Attributes:
        cpus: CPUs that Ray assigns there.
        gpus: GPUs that Ray assigns there.
        name: Address of the node.
        id: Identifier of the node in Ray.
    """

    cpus: int
    gpus: int
    name: str = ""
    id: str = ""

    def room(self, cpus: int, gpus: float) -> int:
        """Return how many trials with this many CPUs and this share of a GPU fit on the node at a time."""
        return min(self.cpus // cpus, round(self.gpus / gpus)) if gpus else self.cpus // cpus


@dataclass(frozen=True)
class Workers:
    """The workers that run at once.

    Attributes:
        slots: Trials at a time on the current nodes.
        cpus: CPUs per trial, which is also its number of threads.
        gpus: GPUs per trial; a fraction if several trials share one.
        cap: Maximum number of trials at a time, even if nodes join; None: as many as there is room for.
    """

    slots: int
    cpus: int
    gpus: float
    cap: int | None

    @property
    def resources(self) -> dict[str, float]:
        """Resources of one trial, by their names in Ray."""
        return {"cpu": self.cpus, "gpu": self.gpus}

    def describe(self) -> str:
        """Return a description such as ``2 workers, each of 1 CPU``."""
        of = f"{self.cpus} CPU{'s' * (self.cpus > 1)}" + (f" and {self.gpus:g} GPU" if self.gpus else "")
        more = ", more as nodes join" if self.cap is None else ""
        return f"{self.slots} worker{'s' * (self.slots > 1)}, each of {of}{more}"


def plan_workers(
    nodes: Sequence[Node], gpus: int | None, workers: int | None, trials_per_gpu: int, *, elastic: bool
) -> Workers:
    """Divide nodes among trials. A trial runs on one node, so its CPUs are a share of that node's, not of the sum.

    Args:
        nodes: One or more nodes.
        gpus: Value of ``--gpus``: maximum number of GPUs to use; None: all.
        workers: Value of ``--workers``: trials at a time on CPUs; None: 2 per node, or 1 if it has a single core.
        trials_per_gpu: Value of ``--trials-per-gpu``.
        elastic: Whether nodes may join. New nodes get trials too, unless ``gpus`` or ``workers`` is given.

    Raises:
        InputError: More is requested than is available, or no node has room for a trial.
    """
    present = sum(node.gpus for node in nodes)
    have = f"Ray has {_in_words(nodes)}"
    if gpus is not None and gpus > present:
        raise InputError(f"--gpus {gpus}: there are {present}; expected 0 to {present} (--gpus 0 uses the CPU); {have}")
    used = present if gpus is None else gpus
    if used and workers is not None:
        raise InputError(
            f"--workers {workers}: is for CPUs, and {used} GPU{'s are' if used > 1 else ' is'} used; "
            "expected --trials-per-gpu N or --gpus 0"
        )
    if used:
        asked, wanted, share = gpus, used * trials_per_gpu, 1 / trials_per_gpu
    elif trials_per_gpu > 1:
        raise InputError(f"--trials-per-gpu {trials_per_gpu}: no GPU is used; expected 1, or --workers N on CPUs")
    else:
        asked, wanted, share = workers, workers or sum(min(2, node.cpus) for node in nodes), 0.0

    def room(cpus: int) -> int:
        return sum(node.room(cpus, share) for node in nodes)

    most = room(1)
    if most == 0:
        raise InputError(f"no node has room for a trial, which takes 1 CPU{' and a GPU' if used else ''}; {have}")
    if asked is not None and wanted > most and used:
        raise InputError(
            f"--gpus {gpus}: each trial takes a CPU of its GPU's node too, and there are CPUs for {most} trials; "
            f"expected 0 to {most // trials_per_gpu}; {have}"
        )
    if asked is not None and wanted > most:
        raise InputError(f"--workers {workers}: must be at most the {most} CPUs there are; {have}")
    cpus = max(cpus for cpus in range(1, max(node.cpus for node in nodes) + 1) if room(cpus) >= min(wanted, most))
    cap = None if elastic and asked is None else min(wanted, most)
    return Workers(cap or room(cpus), cpus, share, cap)


def _in_words(nodes: Sequence[Node]) -> str:
    """Describe nodes, such as ``2 nodes of 16 CPUs and 4 GPUs, 1 node of 2 CPUs``."""
    alike = Counter((node.cpus, node.gpus) for node in nodes)
    return ", ".join(
        f"{count} node{'s' * (count > 1)} of {cpus} CPU{'s' * (cpus != 1)}"
        + (f" and {gpus} GPU{'s' * (gpus > 1)}" if gpus else "")
        for (cpus, gpus), count in alike.items()
    )


@dataclass(frozen=True)
class Cluster:
    """A connected Ray cluster.

    Attributes:
        workers: Workers that run at once; the maximum until the number of trials per GPU is chosen.
        nodes: Nodes of a joined cluster that have room for a trial; empty if Ray was started on this machine.
        dashboard: Address of the dashboard; None without one.
        plan: Function that returns the workers for a number of trials per GPU.
        note: Line for the user about an unused GPU; None if there is nothing to say.
    """

    workers: Workers
    nodes: tuple[Node, ...]
    dashboard: str | None
    plan: Callable[[int], Workers]
    note: str | None = None


@contextmanager
def connect(asked: Resources) -> Iterator[Cluster]:
    """Start Ray on this machine, on the loopback interface, or join a cluster; disconnect at the end.

    Raises:
        InputError: There is no cluster at the address, or more is requested than is available.
        SearchFailedError: Ray does not start.
        SearchInterruptedError: See :func:`tune_s11.search.interruption.interruptible`.
    """
    address = os.environ.get("RAY_ADDRESS") if asked.address is None else asked.address
    # Ray reads it when the results of tasks that a failed search leaves behind are deleted.
    with raylet_silenced(), environment({"RAY_IGNORE_UNHANDLED_ERRORS": "1"}):
        # If Ray does not start, it ends its processes only with this one; a notebook's kernel would keep them.
        with leaving_no_process(), interruptible():
            if address is None:
                context, present = _start(asked)
            else:
                context, present = _join(address), []
        with interruptible():
            try:
                present = present or alive_nodes()
                plan = partial(plan_workers, present, asked.gpus, asked.workers, elastic=address is not None)
                most = plan(asked.trials_per_gpu or _most_on_a_gpu(present, asked.gpus))
                joined = () if address is None else tuple(node for node in present if node.room(most.cpus, most.gpus))
                url = context.dashboard_url
                unused = address is None and asked.gpus is None and not most.gpus and NVIDIA.exists()
                note = f"no GPU is used: {why_no_gpu()}" if unused else None
                yield Cluster(most, joined, f"http://{url}" if url else None, plan, note)
            finally:
                ray.shutdown()


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set the environment variables that the user has not set, and remove them after the block."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _most_on_a_gpu(nodes: Sequence[Node], gpus: int | None) -> int:
    """Return how many trials may share a GPU if none are requested; each also takes a CPU of the GPU's node."""
    if gpus == 0:
        return 1
    shares = [node.cpus // min(node.gpus, gpus or node.gpus) for node in nodes if node.gpus]
    return max(1, min(MOST_ON_A_GPU, *shares)) if shares else 1


def alive_nodes() -> list[Node]:
    """Return the live nodes of the cluster that this process is connected to, as Ray knows them now."""
    return [
        Node(
            int(node["Resources"].get("CPU", 0)),
            int(node["Resources"].get("GPU", 0)),
            node["NodeManagerAddress"],
            node["NodeID"],
        )
        for node in ray.nodes()
        if node["Alive"]
    ]


def _start(asked: Resources) -> tuple[Any, list[Node]]:
    """Start Ray on this machine with only the resources to use; return its context and all that the machine has."""
    gpus = asked.gpus
    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus and not present:
        raise InputError(f"--gpus {gpus}: there is none to use: {why_no_gpu()}; expected 0 (--gpus 0 uses the CPU)")
    used = present if gpus is None else gpus
    cpus = max(usable_cores(), used * (asked.trials_per_gpu or MOST_ON_A_GPU))  # no GPU may be idle for lack of a CPU
    nodes = [Node(cpus, present)]
    plan = plan_workers(nodes, gpus, asked.workers, asked.trials_per_gpu or _most_on_a_gpu(nodes, gpus), elastic=False)
    cards = math.ceil(plan.slots * plan.gpus)
    keep_token_private()
    # Ray adds 15 to its workers' niceness; when other programs run, they would get only a few per cent of a processor.
    os.environ.setdefault("RAY_worker_niceness", "0")
    try:
        context = ray.init(address="local", num_cpus=cpus, num_gpus=cards, log_to_driver=False, logging_level="ERROR")
    except Exception as error:  # Ray raises no specific class, if the machine is too busy or its disk is full
        raise SearchFailedError(f"Ray did not start: {' '.join(str(error).split())}") from None
    return context, nodes


def _join(address: str) -> Any:
    """Join the cluster at an address. Its nodes are sent this package, so they need only what it imports."""
    host, _, port = address.rpartition(":")
    # Ray would take `local` for a request to start it here, on all interfaces and without a token.
    if address != "auto" and not (host and "/" not in host and re.fullmatch("[0-9]{1,5}", port)):
        raise InputError(f"--address {address}: expected auto or HOST:PORT, where `ray start --head` listens (6379)")
    package = {"py_modules": [str(Path(tune_s11.__file__).parent)]}
    try:
        if address != "auto":  # fails within seconds if nobody listens; Ray itself would retry for minutes
            socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, UnicodeError) as error:  # the latter from a host that cannot be a name
        raise InputError(f"--address {address}: {error}") from None
    try:
        with _silenced():
            return ray.init(address=address, runtime_env=package, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError, RayError) as error:
        allowed = f"a cluster of Ray {ray.__version__} that this machine is part of, with its token and RAY_AUTH_MODE"
        raise InputError(f"--address {address}: {str(error).splitlines()[0]}; expected {allowed}") from None


@contextmanager
def _silenced() -> Iterator[None]:
    """Silence stderr, to which Ray's libraries write twenty times as much text as its exception has."""
    stderr = os.dup(2)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
