"""The disk's faults, done to real searches: full, read-only, files damaged, folder moved; and what a search takes."""

import pickle
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tune_s11.data import load_dataset
from tune_s11.hardware import Hardware
from tune_s11.results import SearchResult, load_search
from tune_s11.search.inputs import RECORDS
from tune_s11.search.study import open_study
from tune_s11.search_space import load_space
from tune_s11.storage.disk import size_of
from tune_s11.training.checkpoint import save_checkpoint
from tune_s11.training.trainer import Trainer, TrainingData

BOUNDS = ("--lr-bounds", "0.01", "0.2")
REFIT = ("--set", "search.finalists=0", "--set", "refit.epochs=6")
LONG = (*BOUNDS, *REFIT, "--set", "epochs=80", "--set", "search.grace=20")
"""Trials of several seconds even on a fast machine, so that a fault meets them in the middle."""


class Bomb:
    """Leaves a file behind where it is unpickled by running what it says."""

    def __init__(self, crater: Path) -> None:
        self.crater = crater

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.crater,)


def refused(program, storage: Path, *arguments: str) -> str:
    """Runs a search that must end with one line of what the user can mend, and returns that."""
    done = subprocess.run(
        program.command("--storage", str(storage), *arguments),
        capture_output=True,
        text=True,
        env=program.environment,
        timeout=300,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    return line


def assert_whole(search: SearchResult) -> None:
    """All six trials have ended, no epoch is missing or there twice, and the study knows the same."""
    assert [trial.number for trial in search.trials] == list(range(6))
    assert {trial.state for trial in search.trials} <= {"complete", "pruned", "diverged"}
    for trial in search.trials:
        assert [epoch.epoch for epoch in trial.rows] == list(range(1, trial.epoch + 1))
    study = open_study(search.path / "study.log", search.config.search)
    assert [trial.state.is_finished() for trial in study.trials] == [True] * 6
    assert [trial.last_step for trial in study.trials] == [trial.epoch for trial in search.trials]
    assert search.refit is not None
    assert not list((search.path / "trials").glob("t*/checkpoint_*"))


def test_a_read_only_disk_is_refused_before_anything_starts(program, mount) -> None:
    storage = mount("ro,size=1m")
    line = refused(program, storage, "--space", str(program.space), "--name", "a", *BOUNDS)
    assert line == f"error: --storage: {storage} cannot be written; expected a writable folder"


@pytest.mark.slow
def test_a_disk_too_small_is_refused_before_anything_is_written(program, mount) -> None:
    storage = mount("size=8m")
    line = refused(program, storage, "--space", str(program.space), "--name", "a", *BOUNDS)
    assert f"{storage} has 8.4 MB left on its disk, up to 34.8 MB are needed" in line
    assert list(storage.iterdir()) == []


@pytest.mark.slow
def test_a_disk_that_fills_up_ends_the_search_and_nothing_of_it(program, started, mount) -> None:
    storage = mount("size=64m")
    path = storage / "a"
    running = started("--storage", str(storage), "--space", str(program.space), "--name", "a", *LONG)
    program.wait_for(lambda: any(path.glob("trials/t*/checkpoint_*/checkpoint.pt")), 900)
    with (storage / "filler").open("wb", buffering=0) as filler:
        while (free := shutil.disk_usage(storage).free) > 0:
            filler.write(bytes(min(free, 2**20)))
    before = {trial.number: trial for trial in load_search("a", storage).trials}
    assert running.wait(timeout=300) == 2
    last = program.output.read_text().splitlines()[-1]
    assert "No space left on device; everything in" in last
    assert last.endswith(f"is kept; resume with: python run_search.py --resume a --storage {storage}")
    assert "Traceback" not in program.output.read_text()

    (storage / "filler").unlink()
    program.run("--storage", str(storage), "--resume", "a")
    search = load_search("a", storage)
    assert_whole(search)
    for number, trial in before.items():
        if trial.state != "running":
            assert search.trials[number] == trial


@pytest.mark.slow
@pytest.mark.parametrize(
    "begun",
    ["lr_range.jsonl", "finalists/t*/seed-*/metrics.jsonl", "best/seed-*/metrics.jsonl"],
    ids=lambda name: name[:4],
)
def test_a_disk_that_fills_up_under_another_stage(program, started, mount, begun: str) -> None:
    storage = mount("size=64m")
    two_finalists = ("--set", "epochs=40", "--set", "refit.epochs=120", "--samples", "2", "--no-asha")
    running = started("--storage", str(storage), "--space", str(program.space), "--name", "a", *two_finalists)
    program.wait_for(lambda: any((storage / "a").glob(begun)) or running.poll() is not None, 900)
    with (storage / "filler").open("wb", buffering=0) as filler:
        while (free := shutil.disk_usage(storage).free) > 0:
            filler.write(bytes(min(free, 2**20)))
    assert running.wait(timeout=500) == 2, program.output.read_text()
    last = program.output.read_text().splitlines()[-1]
    assert "No space left on device; everything in" in last
    assert "Traceback" not in program.output.read_text()

    (storage / "filler").unlink()
    program.run("--storage", str(storage), "--resume", "a")
    search = load_search("a", storage)
    assert search.finalists is not None
    assert {len(row.scores) for row in search.finalists.trials.values()} == {2}
    assert search.refit is not None
    assert search.refit.test_accuracy.n == 2


@pytest.mark.slow
def test_a_search_goes_on_elsewhere_with_its_files_damaged(program, started, tmp_path: Path) -> None:
    here, there = program.storage / "moved", tmp_path / "elsewhere" / "moved"
    running = started("--space", str(program.space), "--name", "moved", *LONG)

    def checkpoints(folder: Path) -> dict[str, list[Path]]:
        """Of each trial that runs, in their order."""
        files = sorted(folder.glob("trials/t*/checkpoint_*/checkpoint.pt"))
        names = {file.parents[1].name for file in files}
        return {name: [file for file in files if file.parents[1].name == name] for name in sorted(names)}

    program.wait_for(lambda: any(len(files) >= 2 for files in checkpoints(here).values()), 900)
    running.send_signal(signal.SIGKILL)
    running.wait()
    there.parent.mkdir()
    shutil.move(here, there)
    search = load_search("moved", there.parent)
    ended = {trial.number: trial for trial in search.trials if trial.state != "running"}
    unfinished = {name: files for name, files in checkpoints(there).items() if int(name[1:]) not in ended}
    for place, files in enumerate(unfinished.values()):
        content = bytearray(files[-1].read_bytes())
        if place % 2:
            del content[-1000:]
        else:
            content[len(content) // 2] ^= 1
        files[-1].write_bytes(content)
        rows = files[-1].parents[1] / "result.json"
        rows.write_bytes(rows.read_bytes()[:-100])
    with (there / "study.log").open("ab") as journal:
        journal.write(b'{"op_code":8,"worker')
    for number, pickled in enumerate(there.rglob("*.pkl")):
        pickled.write_bytes(pickle.dumps(Bomb(tmp_path / f"crater{number}")))

    output = program.run("--storage", str(there.parent), "--resume", "moved").stdout
    assert not list(tmp_path.glob("crater*"))
    assert unfinished
    for files in unfinished.values():
        assert f"{files[-1]}: cannot be read as a checkpoint; the trial resumes from epoch " in output
    assert f"{there / 'study.log'}: its last line is incomplete and ignored" in output
    search = load_search("moved", there.parent)
    assert_whole(search)
    for number, trial in ended.items():
        assert search.trials[number] == trial


@pytest.mark.slow
def test_damaged_results_are_made_again_from_what_is_left(program) -> None:
    done = program.run("--space", str(program.space), "--name", "damaged", "--set", "search.audit=0.3")
    search = load_search("damaged", program.storage)
    assert_whole(search)
    assert f"results: {search.path}, {size_of(search.path) / 1e6:.1f} MB" in done.stdout
    assert [file.parent.name for file in search.path.rglob("checkpoint.pt")] == ["seed-0", "seed-1"]
    # Beside the checkpoints: 64 trials of 24 epochs fit the room for records many times.
    records = size_of(search.path) - sum(file.stat().st_size for file in search.path.rglob("checkpoint.pt"))
    assert records * (64 * 24) / sum(trial.epoch for trial in search.trials) < RECORDS

    for name in ("lr_range.json", "finalists.json", "audit.json", "best/metrics.json"):
        file = search.path / name
        if file.exists():
            file.write_bytes(file.read_bytes()[:-20])
    refit = search.path / "best" / "seed-1" / "checkpoint.pt"
    refit.write_bytes(refit.read_bytes()[:-20])
    again = program.run("--resume", "damaged").stdout
    assert f"{refit}: cannot be read as a checkpoint (BadZipFile); best/seed-1 restarts" in again
    repeated = load_search("damaged", program.storage)
    assert repeated.trials == search.trials
    assert repeated.bounds == search.bounds
    assert repeated.finalists == search.finalists
    assert repeated.refit is not None
    assert search.refit is not None
    assert repeated.refit.test_accuracy == search.refit.test_accuracy

    manifest = search.path / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-20])
    line = refused(program, program.storage, "--resume", "damaged")
    assert (
        line == f"error: {manifest}: is damaged; delete it if images, recipe and Ray have not changed since the start"
    )


def test_a_search_of_64_trials_at_width_64_takes_less_than_a_gigabyte(tmp_path: Path) -> None:
    config = load_space("quick").with_overrides({"width": "64"})
    data = TrainingData.with_validation(load_dataset(config.recipe), config.recipe, 0)
    trainer = Trainer(config.recipe, data, Hardware(device="cpu", precision="fp32", threads=1), seed=0)
    for parameter in trainer.model.parameters():
        trainer.optimizer.state[parameter]["momentum_buffer"] = parameter.detach().clone()
    save_checkpoint(tmp_path / "checkpoint.pt", trainer.state_dict())
    size = (tmp_path / "checkpoint.pt").stat().st_size
    assert size == pytest.approx(3 * sum(tensor.nbytes for tensor in trainer.model.state_dict().values()), rel=0.01)
    settings = load_space("s11").search
    assert (settings.samples, load_space("s11").recipe.width) == (64, 64)
    at_the_end = settings.refit_seeds * size + RECORDS
    with_two_workers = max(2 * 3 * size, (settings.refit_seeds + 2) * size) + RECORDS
    assert at_the_end < 0.3e9
    assert with_two_workers < 0.6e9
