from pathlib import Path

import pytest

from benchmarks.lr_range.conditions import CONDITIONS
from benchmarks.lr_range.min_lr import FRACTIONS, Lowest, accuracies, file_of, plan, table, train
from benchmarks.lr_range.recording import CHANCE, Recording
from benchmarks.race.problems import Problem, load_inputs
from benchmarks.tools.lines import append_line
from benchmarks.tools.recording import recording_hardware
from tests.benchmarks.lr_range.synthetic_recording import recording


def recorded(name: str, folder: Path, worth: dict[float, float | None]) -> Recording:
    """Write a file in which accuracy follows from the fraction alone."""
    found = recording(name, 0.1)
    file_of(name, folder).parent.mkdir(exist_ok=True)
    append_line(file_of(name, folder), {"of": {}})
    for task in plan(found):
        append_line(file_of(name, folder), task._asdict() | {"held_out": worth[task.min_lr_fraction]})
    return found


def test_every_fraction_is_trained_from_every_seed_at_the_best_rate() -> None:
    tasks = plan(recording("mlp-m0.9-b64", 0.1))
    assert len(tasks) == len(set(tasks)) == 18
    assert {task.max_lr for task in tasks} == {0.1}
    assert {task.min_lr_fraction for task in tasks} == set(FRACTIONS)


def test_a_training_is_a_line_and_lrmin_is_applied() -> None:
    fields = {**CONDITIONS["mlp-m0.9-b64"].problem.fields, "epochs": 2, "peak_epoch": 1.0, "train_images": 80}
    inputs = load_inputs(Problem("tiny", {**fields, "batch_size": 20}, 60))[0]
    cpu = recording_hardware()
    low, high = (train(inputs, cpu, Lowest(0.1, fraction, 0)) for fraction in (1e-4, 1.0))
    assert (low["max_lr"], low["min_lr_fraction"], low["seed"]) == (0.1, 1e-4, 0)
    assert low["train_loss"] != high["train_loss"]


def test_the_table_compares_with_the_recipe_s_default(tmp_path: Path) -> None:
    worth: dict[float, float | None] = dict.fromkeys(FRACTIONS, 0.9) | {1.0: None, 0.1: 0.88}
    one = recorded("mlp-m0.9-b64", tmp_path, worth)
    other = recorded("vgg-m0.9-b64", tmp_path, worth)
    found = accuracies(one, tmp_path)
    assert found is not None
    assert list(found) == sorted([*FRACTIONS, 0.01])
    assert found[1.0] == [CHANCE] * 2  # The first seed chose the rate.
    assert found[0.01] == [pytest.approx(0.9)] * 2
    lines = table([one, other, recording("plain-m0.9-b64", 0.1)], tmp_path)  # the last one is not recorded
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert rows[0] == ["condition", "0.0001", "0.001", "0.01", "0.03", "0.1", "0.3", "1"]
    assert rows[2] == ["mlp-m0.9-b64", "+0.0", "+0.0", "+0.0", "+0.0", "-2.0", "+0.0", "-80.0"]
    assert rows[-1][0] == "mean"
    assert rows[-1][5] == "-2.0 ± 0.0"
    assert len(rows) == 5
