"""Measure which faults each stage of a real search survives, except the trials; record a row of JSON per try.

    uv run python -m benchmarks.faults.stages record --tries 10
    uv run python -m benchmarks.faults.stages table

Each try resumes a copy of one finished search, from which the results of a stage have been removed, while a fault waits
for that stage. Repeating the command skips the tries that are already recorded, so it may be interrupted at any time. A
search survives a try if it succeeds and its results equal the undisturbed ones to the last digit.
"""

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Annotated, Any, NamedTuple

import typer

from benchmarks.race.trial import processor_kind
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

STALL = 40
"""Value of ``--stall-timeout`` in seconds; a worker on a busy machine may need half a minute to start."""

PATIENCE = 1200
"""Seconds to wait for a fault to strike, and for a search to end."""


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


class Outcome(NamedTuple):
    """What came of a try."""

    struck: bool
    """Whether the fault struck each of the stages."""
    survived: bool
    """Whether the search succeeded with the results of the undisturbed one, to the last digit."""
    exit: int
    """Exit code of the search."""
    said: list[str]
    """Lines that it printed about the fault."""
    seconds: float
    """Wall time of the try."""


def draw_step(stage: str, fault: str, seed: int) -> int:
    """Return a random step at which a fault strikes a stage; a worker that hangs does so before its first one."""
    return 0 if fault == "hanging" else random.Random(f"{stage}-{fault}-{seed}").randrange(1, STAGES[stage].steps)


class Searches:
    """One finished search, and copies of it that are resumed under faults.

    Args:
        folder: Folder for the search and its copies.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._armed, self._numbers = folder, folder / "armed", itertools.count()
        self._armed.mkdir()
        (folder / "space.yaml").write_text(SPACE)
        variables = {"PYTHONPATH": str(ROOT), "ARMED": str(self._armed), "OMP_NUM_THREADS": "1"}
        self._environment = os.environ | variables
        model = "benchmarks.faults.faulty_network:build"
        new = self._start("--space", str(folder / "space.yaml"), "--model", model, "--name", "undisturbed")
        code, output = self._wait(new)
        assert code == 0, output

    def attempt(self, fault: str, steps: Mapping[str, int]) -> Outcome:
        """Try a fault in some stages of one search.

        Args:
            fault: One of :data:`FAULTS`.
            steps: Step at which the fault strikes, by stage, in the order of :data:`STAGES`.
        """
        name = f"try-{next(self._numbers)}"
        folder, undisturbed = SearchFolder(self._folder / name), SearchFolder(self._folder / "undisturbed")
        shutil.copytree(undisturbed.path, folder.path)
        for stage in steps:
            _undo(folder, stage)
        begun = time.monotonic()
        resumed = ("--resume", name, "--stall-timeout", str(STALL))
        process, struck = self._start(*resumed), True
        for stage, step in steps.items():
            if stage == "target":  # its tasks have the same name as the finalists', so those must have finished
                _exists_in_time(folder.verdict, process)
            struck &= self._strikes(process, fault, stage, step)
            if fault == "driver-killed":
                process.kill()
                process.wait()
                process = self._start(*resumed)
        code, output = self._wait(process)
        return Outcome(
            struck=struck,
            survived=code == 0 and all(_concluded(folder, each) == _concluded(undisturbed, each) for each in STAGES),
            exit=code,
            said=[line for line in output.splitlines() if "runs again" in line or "error" in line],
            seconds=round(time.monotonic() - begun, 1),
        )

    def _strikes(self, process: "subprocess.Popen[bytes]", fault: str, stage: str, step: int) -> bool:
        """Let a fault strike a stage; return whether it did before the search's end."""
        armed, struck = self._armed / f"{fault} {STAGES[stage].task}", self._armed / "struck"
        armed.write_text(str(step))
        found = _exists_in_time(struck, process)
        for file in (armed, struck):
            file.unlink(missing_ok=True)
        return found

    def _start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        program = [sys.executable, str(ROOT / "run_search.py"), "--storage", str(self._folder), "--no-report"]
        program += arguments
        with (self._folder / "output").open("wb") as output:
            return subprocess.Popen(program, stdout=output, stderr=subprocess.STDOUT, env=self._environment)

    def _wait(self, process: "subprocess.Popen[bytes]") -> tuple[int, str]:
        try:
            code = process.wait(timeout=PATIENCE)
        finally:
            process.kill()  # so that a hanging search cannot trigger the next try's fault
        return code, (self._folder / "output").read_text()


def _exists_in_time(file: Path, process: "subprocess.Popen[bytes]") -> bool:
    """Wait until a file exists; return False if the search ends without it, or after :data:`PATIENCE` seconds."""
    deadline = time.monotonic() + PATIENCE
    while not file.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return file.exists()


def _undo(folder: SearchFolder, stage: str) -> None:
    """Remove the results of a stage.

    The results of later stages stay, so only this stage runs again, provided that it gives the same results.
    """
    if stage in {"ramps", "cycles"}:
        folder.range_test.unlink(missing_ok=True)  # undone for both
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

    def attempt(stage: str, fault: str, seed: int) -> dict[str, Any]:
        made, step = free.get(), draw_step(stage, fault, seed)
        try:
            outcome = made.attempt(fault, {stage: step})
        finally:
            free.put(made)
        return {
            **{"stage": stage, "fault": fault, "seed": seed, "step": step},
            **outcome._asdict(),
            **{"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": f"{os.cpu_count()} cores, {processor_kind()}"},
        }

    with ExitStack() as stack:
        for _ in range(workers):
            free.put(stack.enter_context(searches()))
        pool = ThreadPoolExecutor(workers)
        stack.callback(pool.shutdown, cancel_futures=True)
        for attempted in as_completed(pool.submit(attempt, *each) for each in wanted if each not in done):
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
