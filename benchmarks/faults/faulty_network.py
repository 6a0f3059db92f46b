"""The S11 network, whose worker meets an armed fault while it trains; see :mod:`benchmarks.faults.stages`.

A fault is armed for the tasks of a stage by a file ``FAULT TASK`` in the folder ``$ARMED``, which holds the training
step at which it strikes. The worker that meets it first renames the file to ``struck``.
"""

import os
import signal
import time
from pathlib import Path

import ray
from torch import Tensor

from tune_s11.models import S11ResNet


class FaultyResNet(S11ResNet):
    """The network, counting the training steps of its worker since the network was built."""

    steps = 0

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, unless a fault strikes."""
        if self.training:
            FaultyResNet.steps += 1
            if _strikes("killed"):
                os.kill(os.getpid(), signal.SIGKILL)
            if _strikes("frozen"):
                os.kill(os.getpid(), signal.SIGSTOP)
            if _strikes("out-of-memory"):
                raise MemoryError("no room for another layer")
            if _strikes("driver-killed"):
                time.sleep(3600)  # until the driver is killed
        return super().forward(images)


def build(width: int, num_classes: int, image_size: int) -> FaultyResNet:
    """Build the network, unless its worker is to hang before its first step."""
    FaultyResNet.steps = 0
    if _strikes("hanging"):
        time.sleep(3600)
    return FaultyResNet(width, num_classes, image_size)


def _strikes(fault: str) -> bool:
    """Return whether a fault is armed for this worker's stage and step, and no other worker claimed it first."""
    task = ray.get_runtime_context().get_task_name() if ray.is_initialized() else None
    armed = Path(os.environ["ARMED"]) / f"{fault} {task}"
    try:
        if FaultyResNet.steps < int(armed.read_text()):
            return False
        armed.rename(armed.with_name("struck"))
    except (FileNotFoundError, ValueError):
        return False
    return True
