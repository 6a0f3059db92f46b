"""Measure which faults each stage of a real search survives, except the trials; record a row of JSON per try.

    uv run python -m benchmarks.faults.stages record --tries 10
    uv run python -m benchmarks.faults.stages table

Each try resumes a copy of one finished search, from which the results of a stage have been removed, while a fault waits
for that stage. Repeating the command skips the tries that are already recorded, so it may be interrupted at any time. A
search survives a try if it succeeds and its results equal the undisturbed ones to the last digit.
"""

import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Annotated, Any, NamedTuple

import typer

from benchmarks.tools.lines import append_line, read_lines
from benchmarks.tools.markdown import markdown_head, markdown_row
from tune_s11.cli.app import new_app, run
from tune_s11.results import SearchFolder
from tune_s11.storage.files import read_json

ROOT = Path(__file__).parents[2]
ROWS = Path(__file__).parent / "recordings" / "stages.jsonl"

SPACE = """
recipe: {dataset: digits, image_size: 8, val_fraction: 0.2, width: 4, epochs: 24, peak_epoch: 6, batch_size: 64,
         pad: 1, cutout: 2, flip: false}
space: {max_lr: range_test, min_lr_fraction: range_test, momentum: {uniform: [0.8, 0.98]}}
search: {samples: 2, scheduler: none, lr_range_steps: 40, lr_range_seeds: 2, lr_range_trials: 1,
         finalists: 2, finalist_seeds: 2, target: 0.5, refit_seeds: 2}
"""

NET = '''
import os, signal, time
from pathlib import Path

import ray
from tune_s11.models import S11ResNet

ARMED = Path(os.environ["ARMED"])


def strikes(fault):
    """Return whether a fault is armed for this worker's stage and step, and no other worker claimed it first."""
    task = ray.get_runtime_context().get_task_name() if ray.is_initialized() else None
    try:
        if task is None or Faulty.steps < int((ARMED / f"{fault} {task}").read_text()):
            return False
        (ARMED / f"{fault} {task}").rename(ARMED / "struck")
    except (FileNotFoundError, ValueError):
        return False
    return True


class Faulty(S11ResNet):
    steps = 0

    def forward(self, images):
        if self.training:
            Faulty.steps += 1
            if strikes("killed"):
                os.kill(os.getpid(), signal.SIGKILL)
            if strikes("frozen"):
                os.kill(os.getpid(), signal.SIGSTOP)
            if strikes("out-of-memory"):
                raise MemoryError("no room for another layer")
            if strikes("driver-killed"):
                time.sleep(3600)  # until the driver is killed
        return super().forward(images)


def build(width, num_classes, image_size):
    Faulty.steps = 0
    if strikes("hanging"):
        time.sleep(3600)
    return Faulty(width, num_classes, image_size)
'''

STALL = 40
"""Value of ``--stall-timeout`` in seconds; a worker on a busy machine may need half a minute to start."""


class Stage(NamedTuple):
    """A stage that faults can strike."""

    task: str
    """Name of its tasks in Ray."""
    steps: int
    """Lower bound on the number of training steps in each task."""


STAGES = {
    "ramps": Stage("_measure_ramp", 30),
    "cycles": Stage("_train_cycle", 30),
    "finalists": Stage("run_again", 400),
    "target": Stage("run_again", 400),
    "refits": Stage("_refit", 20),
}
FAULTS = ("killed", "frozen", "hanging", "out-of-memory", "driver-killed")


class Searches:
    """One finished search, and copies of it that are resumed under faults.

    Args:
        folder: Folder for the search and its copies.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._armed = folder, folder / "armed"
        self._armed.mkdir()
        (folder / "stage_fault_net.py").write_text(NET)
        (folder / "space.yaml").write_text(SPACE)
        self._environment = os.environ | {
            "PYTHONPATH": str(folder),
            "ARMED": str(self._armed),
            "OMP_NUM_THREADS": "1",
        }
        new = ("--space", str(folder / "space.yaml"), "--model", "stage_fault_net:build", "--name", "undisturbed")
        code, output = self._wait(self._start(*new))
        assert code == 0, output

    def attempt(self, stage: str, fault: str, seed: int) -> dict[str, Any]:
        """Try a fault in a stage.

        Args:
            stage: One of :data:`STAGES`.
            fault: One of :data:`FAULTS`.
            seed: Seed from which the step at which the fault strikes is drawn.

        Returns:
            The row of the try.
        """
        name = f"{stage}-{fault}-{seed}"
        folder = SearchFolder(self._folder / name)
        shutil.copytree(self._folder / "undisturbed", folder.path)
        _undo(folder, stage)
        (self._armed / "struck").unlink(missing_ok=True)
        step = 0 if fault == "hanging" else random.Random(name).randrange(1, STAGES[stage].steps)
        (self._armed / f"{fault} {STAGES[stage].task}").write_text(str(step))
        begun = time.monotonic()
        process = self._start("--resume", name, "--stall-timeout", str(STALL))
        if fault == "driver-killed":
            while process.poll() is None and not self._struck():
                time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
            self._wait(process)
            process = self._start("--resume", name)
        code, output = self._wait(process)
        concluded = {stage: _concluded(folder, stage) for stage in STAGES}
        undisturbed = SearchFolder(self._folder / "undisturbed")
        return {
            "stage": stage,
            "fault": fault,
            "seed": seed,
            "step": step,
            "struck": self._struck(),
            "survived": code == 0 and all(concluded[each] == _concluded(undisturbed, each) for each in STAGES),
            "exit": code,
            "said": [line for line in output.splitlines() if "runs again" in line or "error" in line],
            "seconds": round(time.monotonic() - begun, 1),
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        }

    def _struck(self) -> bool:
        return (self._armed / "struck").exists()

    def _start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        program = [sys.executable, str(ROOT / "run_search.py"), "--storage", str(self._folder), "--no-report"]
        with (self._folder / "output").open("wb") as output:
            return subprocess.Popen(
                [*program, *arguments], stdout=output, stderr=subprocess.STDOUT, env=self._environment
            )

    def _wait(self, process: "subprocess.Popen[bytes]") -> tuple[int, str]:
        try:
            code = process.wait(timeout=1200)
        finally:
            process.kill()  # so that a hanging search cannot trigger the next try's fault
        return code, (self._folder / "output").read_text()


def _undo(folder: SearchFolder, stage: str) -> None:
    """Remove the results of a stage.

    The results of later stages stay, so only this stage runs again, provided that it gives the same results.
    """
    if stage in {"ramps", "cycles"}:
        folder.range_test.unlink()
    elif stage == "finalists":
        folder.verdict.unlink()
        shutil.rmtree(folder.finalists)
    elif stage == "target":
        folder.lengths.unlink()
        shutil.rmtree(folder.length_runs)
    else:
        shutil.rmtree(folder.best)


def _concluded(folder: SearchFolder, stage: str) -> Any:
    """Return the results that a stage wrote."""
    files = {"finalists": folder.verdict, "target": folder.lengths, "refits": folder.metrics}
    concluded = read_json(files.get(stage, folder.range_test))
    if concluded and "cycles" in concluded:  # recorded in the order in which they finished
        concluded["cycles"].sort(key=lambda cycle: (cycle["epochs"], cycle["max_lr"]))
    return concluded


@contextmanager
def searches() -> Iterator[Searches]:
    """Yield the searches in a temporary folder."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Searches(Path(folder))


app = new_app("Measure which faults each stage survives, except the trials.")


@app.command()
def record(
    tries: Annotated[int, typer.Option(help="Tries of each fault in each stage, including recorded ones.")] = 10,
    workers: Annotated[int, typer.Option(help="Searches that run at once, each on two CPUs.")] = 1,
    rows: Annotated[Path, typer.Option(help="File of the rows.")] = ROWS,
) -> None:
    """Run and record the missing tries. A try whose fault never struck is repeated by the next run of this command."""
    done = {(row["stage"], row["fault"], row["seed"]) for row in read_lines(rows) if row["struck"]}
    wanted = [(stage, fault, seed) for seed in range(tries) for fault in FAULTS for stage in STAGES]
    free: SimpleQueue[Searches] = SimpleQueue()

    def attempt(each: tuple[str, str, int]) -> dict[str, Any]:
        made = free.get()
        try:
            return made.attempt(*each)
        finally:
            free.put(made)

    with ExitStack() as stack:
        for _ in range(workers):
            free.put(stack.enter_context(searches()))
        pool = ThreadPoolExecutor(workers)
        stack.callback(pool.shutdown, cancel_futures=True)
        for attempted in as_completed(pool.submit(attempt, each) for each in wanted if each not in done):
            row = attempted.result()
            append_line(rows, row)
            print(json.dumps(row), flush=True)


@app.command()
def table(rows: Annotated[Path, typer.Option(help="File of the rows.")] = ROWS) -> None:
    """Print the table of docs/reliability.md: how many tries of each fault the search survived, by stage."""
    found = [row for row in read_lines(rows) if row["struck"]]
    print(*markdown_head(["stage", *(fault.replace("-", " ") for fault in FAULTS)]), sep="\n")
    for stage in STAGES:
        of_stage = [row for row in found if row["stage"] == stage]
        survived = ([row["survived"] for row in of_stage if row["fault"] == fault] for fault in FAULTS)
        print(markdown_row([stage, *(f"{sum(tries)} of {len(tries)}" for tries in survived)]))


if __name__ == "__main__":
    run(app, "stage_faults")
