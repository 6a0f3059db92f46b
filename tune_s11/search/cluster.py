"""Ray: started here or joined elsewhere, and what a trial gets of it."""

import math
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import torch

from tune_s11.config import InputError
from tune_s11.hardware import usable_cores, why_no_gpu
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.interruption import interruptible


@dataclass(frozen=True)
class Workers:
    """What runs at once.

    Attributes:
        slots: Trials at a time.
        cpus: CPUs of a trial, and its threads.
        gpus: GPUs of a trial, a fraction where several share one.
    """

    slots: int
    cpus: int
    gpus: float

    @property
    def resources(self) -> dict[str, float]:
        """Of one trial, as Ray names them."""
        return {"cpu": self.cpus, "gpu": self.gpus}

    def describe(self) -> str:
        """Such as ``2 workers of 1 CPU``."""
        of = f"{self.cpus} CPU{'s' * (self.cpus > 1)}" + (f" and {self.gpus:g} GPU" if self.gpus else "")
        return f"{self.slots} worker{'s' * (self.slots > 1)}, each of {of}"


def plan_workers(cpus: int, gpus_present: int, gpus: int | None, workers: int | None, trials_per_gpu: int) -> Workers:
    """Shares resources out among trials.

    Args:
        cpus: CPUs there are.
        gpus_present: GPUs there are.
        gpus: ``--gpus``: at most so many are used; None: all there are.
        workers: ``--workers``: trials at a time on CPUs; None: 2, or 1 on a single core.
        trials_per_gpu: ``--trials-per-gpu``.

    Raises:
        InputError: More was asked for than there is.
    """
    if gpus is not None and gpus > gpus_present:
        have = f"there are {gpus_present}" if gpus_present else f"there is none to use: {why_no_gpu()}"
        raise InputError(f"--gpus {gpus}: {have}; allowed is 0 to {gpus_present} (--gpus 0 uses the CPU)")
    used = gpus_present if gpus is None else gpus
    if used:
        slots = used * trials_per_gpu
        return Workers(slots, max(1, cpus // slots), 1 / trials_per_gpu)
    if trials_per_gpu > 1:
        raise InputError(f"--trials-per-gpu {trials_per_gpu}: no GPU is used; allowed is 1, or --workers N on CPUs")
    slots = workers if workers is not None else min(2, cpus)
    if slots > cpus:
        raise InputError(f"--workers {slots}: allowed is at most the {cpus} CPUs there are")
    return Workers(slots, cpus // slots, 0)


@dataclass(frozen=True)
class Cluster:
    """Ray, connected.

    Attributes:
        workers: What runs at once.
        dashboard: Address of its dashboard; None without one.
    """

    workers: Workers
    dashboard: str | None


@contextmanager
def connect(address: str | None, gpus: int | None, workers: int | None, trials_per_gpu: int) -> Iterator[Cluster]:
    """Starts Ray on this machine, on loopback, or joins the cluster at ``address``; leaves it at the end.

    Args:
        address: ``auto`` or HOST:PORT; None: RAY_ADDRESS, where it is set, else this machine.
        gpus: As :func:`plan_workers`.
        workers: As :func:`plan_workers`.
        trials_per_gpu: As :func:`plan_workers`.

    Raises:
        InputError: There is no cluster at the address, or more is asked for than there is.
        SearchFailedError: Ray does not start.
        SearchInterruptedError: See :func:`tune_s11.search.interruption.interruptible`.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    with interruptible():
        context, plan = _start(gpus, workers, trials_per_gpu) if address is None else (_join(address), None)
    with interruptible():
        try:
            if plan is None:
                have = ray.cluster_resources()
                plan = plan_workers(int(have.get("CPU", 0)), int(have.get("GPU", 0)), gpus, workers, trials_per_gpu)
            url = context.dashboard_url
            yield Cluster(plan, f"http://{url}" if url else None)
        finally:
            ray.shutdown()


def _start(gpus: int | None, workers: int | None, trials_per_gpu: int) -> tuple[Any, Workers]:
    """Ray on this machine, with no more of it than is to be used."""
    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    plan = plan_workers(usable_cores(), present, gpus, workers, trials_per_gpu)
    cards = math.ceil(plan.slots * plan.gpus)
    _keep_token_private()
    try:
        context = ray.init(
            address="local", num_cpus=usable_cores(), num_gpus=cards, log_to_driver=False, logging_level="ERROR"
        )
    except Exception as error:  # of no class of its own: on a machine under heavy load it gives up after a while
        raise SearchFailedError(f"Ray did not start: {' '.join(str(error).split())}") from None
    return context, plan


def _join(address: str) -> Any:
    try:
        _knock(address)
        return ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"--address {address}: {str(error).splitlines()[0]}") from None


def _knock(address: str) -> None:
    """Fails within seconds where nobody listens, which Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.rpartition("//")[2], int(port)), timeout=5).close()


def _keep_token_private() -> None:
    """Ray makes its token where there is none, but readable for all; so it is made here, whole or not at all."""
    token = Path.home() / ".ray" / "auth_token"
    token.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=token.parent) as file:  # readable for its owner alone
        file.write(secrets.token_hex(32))
        file.flush()
        with suppress(FileExistsError):
            os.link(file.name, token)
    token.chmod(0o600)
