"""Whole searches whose results go to a real S3 server on loopback."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tune_s11.config import SearchSettings
from tune_s11.search.study import open_study
from tune_s11.storage.remote import Remote

REFIT = ("--set", "search.finalists=0", "--set", "search.refit_seeds=1", "--set", "refit.epochs=6")
SMALL = (*REFIT, "--lr-bounds", "0.01", "0.2")


class Machine:
    """A machine that has nothing of any search but what it gets from the storage."""

    def __init__(self, program: Any, s3: Any, folder: Path) -> None:
        self._program, self._folder = program, folder
        self.storage = Remote(f"s3://{s3.BUCKET}/{folder.parent.name}")
        program.environment |= s3.environment

    @property
    def environment(self) -> dict[str, str]:
        return {"XDG_CACHE_HOME": str(self._folder)}

    def command(self, *arguments: str, report: bool = False) -> list[str]:
        program = ["-m", "tune_s11.report"] if report else self._program.script
        return [sys.executable, *program, *arguments, "--storage", str(self.storage)]

    def run(self, *arguments: str, report: bool = False, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments, report=report),
            capture_output=True,
            text=True,
            env=self._program.environment | self.environment,
            timeout=560,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        self.output = self._folder.with_suffix(".txt")
        with self.output.open("w") as output:
            return subprocess.Popen(
                self.command("--no-report", *arguments),
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                env=self._program.environment | self.environment,
            )


def after_one_outage(process: "subprocess.Popen[str]", machine: Machine) -> str:
    """Wait for a search whose storage was away once; return what it has printed."""
    assert process.wait(500) == 0, machine.output.read_text()
    output = machine.output.read_text()
    assert output.count("the server cannot be reached") == 1
    assert output.count("is back and up to date") == 1
    assert "Traceback" not in output
    return output


def set_all(program: Any, *settings: str) -> list[str]:
    """The options that start a search of the test's small space with these settings."""
    return ["--space", str(program.space), *(word for setting in settings for word in ("--set", setting))]


@pytest.fixture
def machines(program: Any, s3: Any, tmp_path: Path) -> tuple[Machine, Machine]:
    return Machine(program, s3, tmp_path / "one"), Machine(program, s3, tmp_path / "two")


def rows(search: Remote) -> dict[str, list[dict[str, Any]]]:
    """By trial its epochs as they were reported, an earlier attempt's first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in sorted(search.files(), key=lambda name: name.split("/")):
        if name.startswith("trials/") and name.endswith("/result.json"):
            lines = ((search / name).read() or b"").splitlines()
            epochs = (row for line in lines for row in json.loads(line)["epochs"])
            found.setdefault(name.split("/")[1][:5], []).extend(epochs)
    return found


def checkpointed(search: Remote) -> float:
    """Epoch of the latest checkpoint; infinite without one. Workers write them at once; rows are copied later."""
    names = (name.split("/") for name in search.files() if "/checkpoint_" in name)
    return max((int(parts[2].removeprefix("checkpoint_")) for parts in names), default=math.inf)


def trials_known(search: Remote, scratch: Path) -> int:
    """Trials in the study as the storage has it."""
    copy = scratch / "study-there.log"
    copy.write_bytes((search / "study.log").read() or b"")
    return len(open_study(copy, SearchSettings()).trials)


@pytest.mark.landing
def test_a_search_goes_into_the_storage_and_is_read_from_there(program: Any, machines: Any) -> None:
    one, two = machines
    # Nothing is pruned: with a single trial at its end there would be no finalists.
    done = one.run("--space", str(program.space), "--name", "whole", "--samples", "4", "--no-asha")
    search = one.storage / "whole"
    files = search.files()
    assert {"search.yaml", "manifest.json", "lr_range.json", "study.log", "finalists.json"} <= files.keys()
    assert {"best/metrics.json", "best/seed-1/checkpoint.pt", "report/index.html"} <= files.keys()
    assert not [name for name in files if name.startswith("trials/") and "checkpoint" in name]
    assert "secret-of-the-test" not in done.stdout + done.stderr + str((search / "manifest.json").read())
    assert f"next: python -m tune_s11.report best whole --storage {one.storage} --open" in done.stdout

    told = two.run("best", report=True).stdout
    metrics = json.loads((search / "best/metrics.json").read() or b"")
    assert f"test accuracy: {metrics['test_accuracy']['mean']:.4f}" in told
    assert f"copied to {search}/report" in told
    assert "t0003" in two.run("trials", "whole", report=True).stdout
    refused = two.run("--space", str(program.space), "--name", "whole", code=2)
    assert refused.stderr.startswith("error: --name whole:")
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_killed_search_goes_on_exactly_on_another_machine(
    program: Any, machines: Any, reaped: Any, tmp_path: Path
) -> None:
    one, two = machines
    # On one of two workers, for beside other load two threads of one wait for one another most of the time.
    arguments = ("--space", str(program.space), *SMALL, "--set", "epochs=250", "--set", "search.samples=1")
    search = one.storage / "cut"
    process = reaped(one.start(*arguments, "--name", "cut"))
    program.wait_for(lambda: trials_known(search, tmp_path) == 1)  # after the rows; what lies between is the next test
    program.wait_for(lambda: checkpointed(search) <= len(rows(search).get("t0000", ())))  # or it is not used
    for pid in program.family(process.pid):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    begun = rows(search)["t0000"][-1]["epoch"]

    two.run("--resume", "cut", "--no-report")
    again = json.loads((search / "trials/t0000.1/params.json").read() or b"")
    assert again["checkpoint"].startswith(str(search))
    whole = two.storage / "uncut"
    two.run(*arguments, "--name", "uncut", "--no-report")
    assert begun < 250
    scores, expected = (
        {row["epoch"]: row["ema_val_accuracy"] for row in rows(each)["t0000"]} for each in (search, whole)
    )
    assert scores == expected


@pytest.mark.slow
def test_a_trial_of_which_only_the_rows_were_copied_begins_anew(program: Any, machines: Any) -> None:
    one, two = machines
    arguments = ("--space", str(program.space), *SMALL, "--set", "search.samples=2", "--workers", "1")
    one.run(*arguments, "--name", "ahead", "--no-report")
    search = one.storage / "ahead"
    whole = rows(search)
    # As a copy leaves it that is cut off before the study: of no trial yet, for all began since the copy before.
    study = search / "study.log"
    study.write((study.read() or b"").splitlines(keepends=True)[0])
    for name in ("finalists.json", "best/metrics.json"):
        (search / name).delete()

    output = two.run("--resume", "ahead", "--no-report", "--workers", "1").stdout
    assert output.count("not in the study; the trial restarts, and its files are in ") == 2
    assert [[row["epoch"] for row in again] for again in rows(search).values()] == [
        [row["epoch"] for row in before] for before in whole.values()
    ]
    assert rows(search)["t0000"][-1]["ema_val_accuracy"] == whole["t0000"][-1]["ema_val_accuracy"]
    kept = [name for name in search.files() if name.startswith("unknown/") and name.endswith("/result.json")]
    assert len(kept) == 2


@pytest.mark.slow
def test_a_worker_that_dies_goes_on_from_the_storage(program: Any, machines: Any, reaped: Any) -> None:
    one, _ = machines
    arguments = ("--space", str(program.space), *SMALL, "--set", "epochs=60", "--set", "search.samples=1")
    process = reaped(one.start(*arguments, "--name", "worker", "--workers", "1"))
    search = one.storage / "worker"
    program.wait_for(lambda: any("/checkpoint_" in name for name in search.files()))
    workers = program.workers(process.pid, "TrialTrainable")
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    assert workers
    assert process.wait(500) == 0
    assert "t0000 resumes from its last checkpoint" in one.output.read_text()
    epochs = [row["epoch"] for row in rows(search)["t0000"]]
    assert epochs[-1] == 60
    assert epochs.count(1) == 1  # not from its beginning


@pytest.mark.slow
def test_a_storage_that_is_away_for_a_while_costs_nothing(program: Any, machines: Any, reaped: Any, s3: Any) -> None:
    one, _ = machines
    arguments = ("--space", str(program.space), *SMALL, "--set", "search.samples=8", "--set", "epochs=30")
    process = reaped(one.start(*arguments, "--name", "away"))
    search = one.storage / "away"
    program.wait_for(lambda: bool(rows(search)))
    s3.pause()
    try:
        program.wait_for(lambda: "the server cannot be reached; the search continues in" in one.output.read_text())
    finally:
        s3.resume()
    after_one_outage(process, one)
    assert len(rows(search)) == 8
    assert (search / "best/metrics.json").read()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "settings"),
    [
        ("_train_cycle", ("epochs=200", "search.samples=1", "search.finalists=0", "refit.epochs=4")),
        ("run_again", ("epochs=60", "search.samples=2", "search.finalists=2", "refit.epochs=4")),
        ("_refit", ("epochs=4", "search.samples=1", "search.finalists=0", "refit.epochs=200")),
    ],
)
def test_a_storage_that_is_away_under_another_stage_costs_nothing_of_it(
    program: Any, machines: Any, reaped: Any, s3: Any, task: str, settings: tuple[str, ...]
) -> None:
    one, _ = machines
    more = () if task == "_train_cycle" else ("--lr-bounds", "0.01", "0.2")
    name = task.strip("_")
    process = reaped(one.start(*set_all(program, *settings), "--no-asha", *more, "--name", name))
    program.wait_for(lambda: bool(program.workers(process.pid, task)))
    s3.pause()
    try:
        program.wait_for(lambda: "the search continues in" in one.output.read_text())
        # Finalists and refits wait for the storage; the last cycle may have ended before the driver noticed.
        assert task == "_train_cycle" or program.workers(process.pid, task)
    finally:
        s3.resume()
    assert "runs again" not in after_one_outage(process, one)
    metrics = json.loads((one.storage / name / "best/metrics.json").read() or b"")
    assert metrics["test_accuracy"]["n"] == 2
    if task == "run_again":
        verdict = json.loads((one.storage / name / "finalists.json").read() or b"")
        assert [len(row["scores"]) for row in verdict["trials"].values()] == [2, 2]


@pytest.mark.slow
def test_what_could_not_be_brought_up_is_brought_up_later(program: Any, machines: Any, reaped: Any, s3: Any) -> None:
    one, _ = machines
    search = one.storage / "late"
    process = reaped(one.start("--space", str(program.space), *SMALL, "--set", "epochs=60", "--name", "late"))
    program.wait_for(lambda: bool(rows(search)))
    s3.pause()
    try:
        program.wait_for(lambda: "the search continues in" in one.output.read_text())
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == 130
    finally:
        s3.resume()
    last = one.output.read_text().splitlines()[-1]
    assert last == f"interrupted; resume with: python run_search.py --resume late --storage {one.storage}"
    one.run("--resume", "late", "--no-report")
    assert (search / "best/metrics.json").read()
