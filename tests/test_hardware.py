"""Which device, precision, threads and convolutions a run gets."""

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from tune_s11 import hardware
from tune_s11.hardware import Hardware, choose_hardware, usable_cores, why_no_gpu

CPUINFO = Path("/proc/cpuinfo")


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize(("native", "precision"), [(True, "bf16"), (False, "fp32")])
def test_a_cpu_uses_bf16_where_it_multiplies_it(monkeypatch: pytest.MonkeyPatch, native: bool, precision: str) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native})
    assert choose_hardware() == Hardware(device="cpu", precision=precision, threads=usable_cores())


@pytest.mark.parametrize("able", [{}, {"avx512_bf16": True}, {"amx_bf16": True}, {"avx512_bf16": False, "bf16": True}])
def test_a_cpu_multiplies_bf16_by_avx512_or_amx(monkeypatch: pytest.MonkeyPatch, able: dict[str, bool]) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert hardware._cpu_multiplies_bf16() is bool(able.get("avx512_bf16") or able.get("amx_bf16"))


@pytest.mark.skipif(not CPUINFO.is_file(), reason="the system lists no flags")
def test_a_cpus_bf16_is_what_the_kernel_lists() -> None:
    listed = set(CPUINFO.read_text().split())
    assert hardware._cpu_multiplies_bf16() is bool({"avx512_bf16", "amx_bf16"} & listed)
    assert hardware._has_amx() is ("amx_bf16" in listed)


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize(
    ("able", "wishes", "multiplied"),
    [
        ({"amx_bf16": True}, {}, True),
        ({"amx_bf16": True}, {"precision": "fp32"}, False),
        ({"amx_bf16": True}, {"compiled": True}, False),
        ({"amx_bf16": True}, {"matrix_products": False}, False),
        ({"avx512_bf16": True}, {}, False),
    ],
)
def test_small_convolutions_are_matrix_products_in_bf16_on_amx(
    monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], wishes: dict[str, Any], multiplied: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert choose_hardware(**wishes).matrix_products is multiplied


@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize(("capability", "precision"), [((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_a_gpu_uses_bf16_from_ampere_on(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], precision: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert choose_hardware(threads=3) == Hardware(device="cuda", precision=precision, threads=3)


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("native", [True, False])
def test_a_precision_asked_for_is_used(monkeypatch: pytest.MonkeyPatch, precision: str, native: bool) -> None:
    monkeypatch.setattr(hardware, "_cpu_multiplies_bf16", lambda: native)
    assert choose_hardware(precision).precision == precision


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no CPU affinity")
def test_cores_are_those_the_process_may_run_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "CGROUP", tmp_path)
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert usable_cores() == len(allowed)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "max 100000\n"}, 16),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "150000 100000\n"}, 2),  # a core and a half
        ({"cpu.max": "10000 100000\n"}, 1),
        ({"cpu.max": "3200000 100000\n"}, 16),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 16),
        ({"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "250000\n"}, 16),
        ({"cpu.max": ""}, 16),
        ({"cpu.max": "100000\n"}, 16),
        ({"cpu.max": "100000 0\n"}, 16),
        ({"cpu.max": "\x00 many"}, 16),
        ({}, 16),
    ],
)
def test_a_containers_quota_limits_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cores: int
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(hardware, "CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)
    assert usable_cores() == cores
    assert choose_hardware("fp32", gpu=False).threads == cores


def test_activating_sets_the_threads() -> None:
    before = torch.get_num_threads()
    try:
        Hardware(device="cpu", precision="fp32", threads=before + 1).activate()
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_other_devices_are_refused() -> None:
    with pytest.raises(ValidationError, match="device"):
        Hardware(device="tpu", precision="fp32", threads=1)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ("The NVIDIA driver on your system is too old (found version 11040).", "driver is too old"),
        ("No CUDA GPUs are available", "cannot use the GPU"),
    ],
)
def test_why_no_gpu_tells_a_driver_from_a_device(monkeypatch: pytest.MonkeyPatch, failure: str, reason: str) -> None:
    def fail() -> None:
        raise RuntimeError(failure)

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    monkeypatch.setattr(torch.cuda, "init", fail)
    monkeypatch.setattr(hardware.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    assert reason in why_no_gpu()


@pytest.mark.parametrize("devices", ["", "7"])
def test_why_no_gpu_names_the_variable_that_hides_them_all(monkeypatch: pytest.MonkeyPatch, devices: str) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", devices)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert why_no_gpu() == f"CUDA_VISIBLE_DEVICES='{devices}' hides all GPUs"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert "CUDA_VISIBLE_DEVICES" not in why_no_gpu()


def test_why_no_gpu_with_a_torch_that_has_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    assert why_no_gpu() == "this torch build has no CUDA support"


@pytest.mark.usefixtures("on_gpu")
def test_a_gpu_is_left_alone_where_it_is_not_to_be_taken() -> None:
    assert choose_hardware("fp32", 1, gpu=False).device == "cpu"


FAULTS = """
import resource, torch
from tune_s11.hardware import Hardware

def page_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.empty(2**24).fill_(1)  # 64 MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(page_faults())
Hardware(device="cpu", precision="fp32", threads=1).activate()
print([page_faults() for _ in range(40)][-1])  # the heap grows at first, until a freed block has room for the next
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_the_cpu_uses_freed_memory_again() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before >= 2**26 / (2 * 2**20)  # one for each page, even if all were huge
    assert after == 0
