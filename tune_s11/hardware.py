"""The device, the precision and the threads that a training run uses.

Torch takes a second to import, which reading what a run used does not need.
"""

import os
import shutil
from pathlib import Path
from typing import Literal

from tune_s11.config import Frozen

Precision = Literal["auto", "fp32", "bf16"]
Compile = Literal["auto", "on", "off"]


class Hardware(Frozen):
    """What a run computes with. On a CPU the same hardware and seed give the same bits."""

    device: Literal["cpu", "cuda"]
    precision: Literal["fp32", "bf16"]
    """``bf16`` computes under autocast; weights stay fp32."""
    threads: int
    """CPU threads of the process."""
    compiled: bool = False
    """Whether the network trains through ``torch.compile``."""

    def activate(self) -> None:
        """Sets this process up."""
        import torch

        torch.set_num_threads(self.threads)


def choose_hardware(
    precision: Precision = "auto", threads: int | None = None, *, compiled: bool = False, gpu: bool = True
) -> Hardware:
    """The GPU this process sees, else the CPU; bf16 where the device multiplies it natively.

    Args:
        precision: ``auto``, or the one to use.
        threads: CPU threads; None: as many as this process may run on.
        compiled: As :attr:`Hardware.compiled`.
        gpu: Whether a GPU may be taken.
    """
    import torch

    device: Literal["cpu", "cuda"] = "cuda" if gpu and torch.cuda.is_available() else "cpu"
    if precision == "auto":
        native = torch.cuda.get_device_capability() >= (8, 0) if device == "cuda" else _cpu_multiplies_bf16()
        precision = "bf16" if native else "fp32"
    return Hardware(device=device, precision=precision, threads=threads or usable_cores(), compiled=compiled)


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def why_no_gpu() -> str:
    """One clause on why torch sees no GPU: there is none, or its driver is too old for this torch build."""
    import torch

    if torch.version.cuda is None:
        return "this torch build is without CUDA"
    try:
        torch.cuda.init()
    except RuntimeError as error:
        if "too old" in str(error):
            return f"the NVIDIA driver is too old for this torch build (CUDA {torch.version.cuda})"
    if shutil.which("nvidia-smi") is None and not Path("/dev/nvidiactl").exists():
        return "there is no GPU on this machine"
    return f"torch (CUDA {torch.version.cuda}) cannot use the GPU; nvidia-smi may say why"


def _cpu_multiplies_bf16() -> bool:
    """AVX-512 bf16 or AMX; without them bf16 is emulated and slower than fp32."""
    import torch

    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
