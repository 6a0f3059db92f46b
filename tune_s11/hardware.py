"""The device, the precision, the threads and the kind of convolutions that a training run uses.

Torch takes a second to import, so it is imported only inside functions: reading the record of a run does not need it.
"""

import ctypes
import math
import os
import shutil
import sys
from pathlib import Path
from typing import Literal

from tune_s11.config import Frozen

Precision = Literal["auto", "fp32", "bf16"]
Compile = Literal["auto", "on", "off"]


class Hardware(Frozen):
    """The hardware that a run computes with. On a CPU, the same hardware and seed give the same bits."""

    device: Literal["cpu", "cuda"]
    precision: Literal["fp32", "bf16"]
    """Precision of the computation; ``bf16`` computes under autocast, and weights stay fp32."""
    threads: int
    """CPU threads of the process."""
    compiled: bool = False
    """Whether the network trains through ``torch.compile``."""
    matrix_products: bool = False
    """Whether convolutions of small images are matrix products; see :mod:`tune_s11.models.convolution`."""

    def activate(self) -> None:
        """Set the threads and the memory allocation of this process; the other settings apply where they are used."""
        import torch

        torch.set_num_threads(self.threads)
        if self.device == "cpu":
            keep_freed_memory()


def choose_hardware(
    precision: Precision = "auto",
    threads: int | None = None,
    *,
    compiled: bool = False,
    matrix_products: bool = True,
    gpu: bool = True,
) -> Hardware:
    """Choose the GPU that this process sees, otherwise the CPU, and a precision that suits it.

    Args:
        precision: Requested precision; ``auto``: bf16 if the device multiplies it natively, otherwise fp32.
        threads: CPU threads; None: one for each core that this process may run on.
        compiled: See :attr:`Hardware.compiled`.
        matrix_products: Whether convolutions may be matrix products. They are, where that is faster: in bf16 on CPUs
            with AMX, if the network is not compiled.
        gpu: Whether a GPU may be used.
    """
    import torch

    device: Literal["cpu", "cuda"] = "cuda" if gpu and torch.cuda.is_available() else "cpu"
    if precision == "auto":
        native = torch.cuda.get_device_capability() >= (8, 0) if device == "cuda" else _cpu_multiplies_bf16()
        precision = "bf16" if native else "fp32"
    return Hardware(
        device=device,
        precision=precision,
        threads=threads or usable_cores(),
        compiled=compiled,
        matrix_products=matrix_products and not compiled and device == "cpu" and precision == "bf16" and _has_amx(),
    )


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next step rather than return it to the system.

    By default, glibc maps each block above 32 MiB anew, which most activations are, and the kernel clears its pages:
    600 MB per step at width 64. For the time saved and the memory kept, see benchmarks/speed/README.md. Other C
    libraries are left as they are.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is not None and hasattr(libc, "gnu_get_libc_version"):
        for parameter, value in _KEEP.items():
            libc.mallopt(parameter, value)


_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h
_KEEP = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: -1, _M_TOP_PAD: 256 * 2**20}
"""No block is mapped on its own, the heap is never trimmed, and it grows by 256 MiB at a time. See mallopt(3)."""


CGROUP = Path("/sys/fs/cgroup")
"""Folder of the control group that limits this process, as a container sees it."""


def usable_cores() -> int:
    """Return the number of cores that this process may run on, or a container's CPU quota if that is lower."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _cpu_quota() or cores)


def _cpu_quota() -> int | None:
    """Return the quota of the control group in cores, rounded up; None if there is none."""
    # Of version 2 and version 1; see cgroup-v2.rst and sched-bwc.rst of the Linux kernel.
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = (int(word) for file in files for word in (CGROUP / file).read_text().split())
        except (OSError, ValueError):  # version 2 writes "max" for no quota, version 1 -1
            continue
        if quota > 0 and period > 0:
            return math.ceil(quota / period)
    return None


def why_no_gpu() -> str:
    """Return one clause that explains why torch cannot use a GPU."""
    import torch

    if torch.version.cuda is None:
        return "this torch build has no CUDA support"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and not torch.cuda.device_count():
        return f"CUDA_VISIBLE_DEVICES={visible!r} hides all GPUs"
    try:
        torch.cuda.init()
    except RuntimeError as error:
        if "too old" in str(error):
            return f"the NVIDIA driver is too old for this torch build (CUDA {torch.version.cuda})"
    if shutil.which("nvidia-smi") is None and not Path("/dev/nvidiactl").exists():
        return "there is no GPU on this machine"
    return f"torch (CUDA {torch.version.cuda}) cannot use the GPU; nvidia-smi may say why"


def _cpu_multiplies_bf16() -> bool:
    """Return whether the CPU has AVX-512 bf16 or AMX; without them, bf16 is emulated and slower than fp32."""
    import torch

    return bool(torch.cpu.get_capabilities().get("avx512_bf16")) or _has_amx()


def _has_amx() -> bool:
    """Return whether the CPU multiplies matrices of bf16 in tiles."""
    import torch

    return bool(torch.cpu.get_capabilities().get("amx_bf16"))
