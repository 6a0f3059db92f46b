from pathlib import Path

import pytest

from benchmarks.lr_range import record as command
from benchmarks.lr_range.conditions import CONDITIONS, LADDER, Condition
from benchmarks.lr_range.record import CYCLE_SEEDS, RAMP_SEEDS, SEEDS, Task, plan, recording_file, train
from benchmarks.race.problems import Problem, load_inputs
from benchmarks.tools.lines import read_lines
from benchmarks.tools.recording import recording_hardware
from tune_s11.config import InputError
from tune_s11.lr_range.cycles import shorten

FIELDS = {**CONDITIONS["s11-m0.9-b64"].problem.fields, "epochs": 4, "peak_epoch": 1.0, "train_images": 80}
TINY = Condition(Problem("tiny", {**FIELDS, "batch_size": 20}, 60), longer=True)
CPU = recording_hardware()


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, in_this_process: None) -> None:
    monkeypatch.setitem(CONDITIONS, "tiny", TINY)
    monkeypatch.setattr(command, "plan", lambda _: [Task(0, 0.0, 20), Task(1, 0.1, 10), Task(4, 0.1, 0)])


def run(folder: Path, conditions: list[str], *, aside: bool = False) -> None:
    command.main(conditions, 1, None, aside, folder)


def test_every_rate_has_each_length_and_seed() -> None:
    tasks = plan(CONDITIONS["mlp-m0.9-b64"])
    assert len(tasks) == len(set(tasks))
    lengths = {(task.epochs, task.seed) for task in tasks}
    assert lengths == {
        *((0, seed) for seed in RAMP_SEEDS),
        *((epochs, seed) for epochs in LADDER for seed in CYCLE_SEEDS),
        *((12, seed) for seed in SEEDS),
        (24, 0),
    }
    for each in lengths:
        assert len([task for task in tasks if (task.epochs, task.seed) == each]) == (17 if each[0] else 1)
    assert {task.epochs for task in plan(CONDITIONS["mlp-m0-b32"])} == {0, *LADDER, 12}
    seeds = [*SEEDS, *CYCLE_SEEDS, *RAMP_SEEDS]
    assert len(set(seeds)) == len(seeds)  # no rule sees the seed by which it is scored


def test_a_short_cycle_is_complete() -> None:
    inputs = load_inputs(TINY.problem)[0]
    short = shorten(inputs.recipe, Task(2, 0.3, 10))
    assert (short.epochs, short.peak_epoch, short.max_lr) == (2, 0.5, 0.3)
    assert short.ema_horizon == inputs.recipe.ema_horizon


def test_a_cycle_and_a_ramp_are_lines() -> None:
    inputs = load_inputs(TINY.problem)[0]
    line = train(inputs, CPU, Task(1, 0.1, 10))
    accuracies, losses = {"raw", "ema", "held_out"}, {"raw_loss", "ema_loss"}
    assert set(line) == {"epochs", "max_lr", "seed", "train_loss", "diverged_at", "seconds", "processor"} | (
        accuracies | losses
    )
    assert all(0 <= line[name] <= 1 for name in accuracies)
    assert all(line[name] > 1 for name in losses)
    assert len(line["train_loss"]) == 1
    assert line["diverged_at"] is None
    again = train(inputs, CPU, Task(1, 0.1, 10))
    assert again | {"seconds": 0} == line | {"seconds": 0}
    wild = train(inputs, CPU, Task(1, 1e30, 10))
    assert (wild["ema"], wild["ema_loss"], wild["held_out"], wild["diverged_at"]) == (None, None, None, 1)
    assert wild["train_loss"] == [None]
    assert wild.keys() == line.keys()
    ramp = train(inputs, CPU, Task(0, 0.0, 20))
    assert len(ramp["losses"]) == 100
    assert ramp["losses"][0] > 1


def test_the_same_command_resumes(tmp_path: Path) -> None:
    run(tmp_path, ["tiny"])
    path = recording_file("tiny", tmp_path)
    whole = path.read_text().splitlines(keepends=True)
    assert len(whole) == 4
    path.write_text("".join(whole[:2]))
    run(tmp_path, ["tiny"])
    lines = read_lines(path)[1:]
    assert sorted((line["epochs"], line["seed"]) for line in lines) == [(0, 20), (1, 10), (4, 0)]


def test_bad_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="CONDITION 'resnet': must be one of s11-m0-b32, "):
        run(tmp_path, ["resnet"])
    with pytest.raises(InputError, match="CONDITION mixer-m0-b64: is kept until the rule is fixed; --aside records it"):
        run(tmp_path, ["mixer-m0-b64"])
    assert not list(tmp_path.iterdir())
