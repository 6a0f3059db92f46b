"""Searches in which something breaks on purpose."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NET = '''
import os, signal, time
from pathlib import Path

import ray
from tune_s11.models import S11ResNet
from tune_s11.search.tune.trainable import TrialTrainable

ARMED = Path(os.environ["ARMED"])


def strikes(fault):
    """Whether this fault is armed and this worker of a trial the one that it meets."""
    if not ray.is_initialized() or ray.get_runtime_context().get_actor_id() is None:
        return False
    try:
        (ARMED / fault).rename(ARMED / f"{fault}.struck")
    except FileNotFoundError:
        return False
    (ARMED / f"{fault}.struck").write_text(str(os.getpid()))
    return True


def reset(trainable, new_config):
    if hasattr(trainable, "_trainer") and strikes("kill in a reset"):  # not while it is set up
        os.kill(os.getpid(), signal.SIGKILL)
    return reset_config(trainable, new_config)


reset_config, TrialTrainable.reset_config = TrialTrainable.reset_config, reset


class Faulty(S11ResNet):
    def forward(self, images):
        if self.training:
            if strikes("kill"):
                os.kill(os.getpid(), signal.SIGKILL)
            if strikes("hang"):
                time.sleep(3600)
            if strikes("out of memory"):
                raise MemoryError("no room for another layer")
            if (ARMED / "raise").exists() and len(images) > 2:  # not when the driver tries it on two images
                raise ValueError("too narrow\\nby far")
        return super().forward(images)


def build(width, num_classes, image_size):
    if strikes("kill between trials"):
        os.kill(os.getpid(), signal.SIGKILL)
    return Faulty(width, num_classes, image_size)
'''


class Faults:
    """What is to break in the searches of ``program``, whose network waits for it.

    Attributes:
        arguments: Of a search of that network, without a range test and finalists, whose refit is short.
    """

    def __init__(self, program: Any, folder: Path) -> None:
        self._program, self._armed = program, folder / "armed"
        self._armed.mkdir()
        (folder / "fault_net.py").write_text(NET)
        program.environment |= {"PYTHONPATH": str(folder), "ARMED": str(self._armed)}
        small = ("--set", "search.finalists=0", "--set", "search.refit_seeds=1", "--set", "refit.epochs=6")
        self.arguments = ("--space", str(program.space), "--lr-bounds", "0.01", "0.2", *small)
        self.faulty = (*self.arguments, "--model", "fault_net:build")

    def arm(self, fault: str) -> None:
        """The next worker that comes by meets it; ``raise`` all of them, until :meth:`disarm`."""
        (self._armed / fault).touch()

    def disarm(self, fault: str) -> None:
        (self._armed / fault).unlink()

    def struck(self, fault: str) -> int | None:
        """The process that met it; None before."""
        file = self._armed / f"{fault}.struck"
        return int(file.read_text()) if file.exists() and file.read_text() else None

    def workers(self, driver: int) -> list[int]:
        """Processes that train trials, or are about to."""
        workers: list[int] = self._program.workers(driver, "TrialTrainable")
        return workers

    def reports(self, search: str) -> int:
        """How often its trials have reported so far."""
        files = (self._program.storage / search).glob("trials/t*/result.json")
        return sum(len(file.read_text().splitlines()) for file in files)

    def wait_for_report(self, search: str, before: int) -> None:
        """Until its trials have reported more than ``before`` times."""
        self._program.wait_for(lambda: self.reports(search) > before)


@pytest.fixture(scope="module")
def faults(program: Any, tmp_path_factory: pytest.TempPathFactory) -> Faults:
    return Faults(program, tmp_path_factory.mktemp("faults"))


@pytest.fixture
def started(program: Any, reaped: Callable[[Any], Any]) -> Callable[..., Any]:
    """Starts the program; whatever of it is left at the end of the test is killed."""
    return lambda *arguments: reaped(program.start(*arguments))


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a disk of its own, in memory, with the options of ``mount``."""
    made = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"disk{len(made)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("only root can mount a disk, where the system lets it")
        made.append(folder)
        return folder

    yield mount
    for folder in made:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
