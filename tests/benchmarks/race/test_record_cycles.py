"""Short cycles of a pool's configurations: resumed, one line each, and read only where complete."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.race import record_cycles as command
from benchmarks.race.pool import build_pool, cycles_file
from benchmarks.race.problems import PROBLEMS
from benchmarks.race.record_cycles import Task, read_cycles, train
from benchmarks.tools.lines import append_line, read_lines
from tests.benchmarks.race import tiny_lab
from tests.benchmarks.race.synthetic_pool import HEADER, line
from tune_s11.config import InputError


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, in_this_process: None) -> None:
    monkeypatch.setitem(PROBLEMS, "tiny", tiny_lab.TINY)


def run(folder: Path, epochs: list[int], **options: Any) -> None:
    command.main("tiny", epochs, **{"count": 2, "workers": 1, "data_dir": None, "aside": False} | options, pools=folder)


def test_a_cycle_is_the_whole_training_in_fewer_epochs() -> None:
    found = train(tiny_lab.inputs(), tiny_lab.hardware(), Task(0, 2))
    assert (found["number"], found["epochs"], found["trained"]) == (0, 2, 2)
    assert 0 <= found["validation"] <= 1
    assert train(tiny_lab.inputs(), tiny_lab.hardware(), Task(0, 2)) | {"seconds": 0} == found | {"seconds": 0}


def test_the_same_command_resumes(tmp_path: Path) -> None:
    run(tmp_path, [1])
    run(tmp_path, [1, 2])
    tasks = sorted((each["epochs"], each["number"]) for each in read_lines(cycles_file("tiny", tmp_path))[1:])
    assert tasks == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_a_cycle_is_not_longer_than_a_trial(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^--epochs 4: must be at most 3$"):
        run(tmp_path, [4])


def test_only_complete_lengths_are_read(tmp_path: Path) -> None:
    pool = build_pool(HEADER, [line(number, 0.5, 0.5) for number in range(3)], [])
    append_line(cycles_file("made-up", tmp_path), {})
    for number, epochs, validation in ((0, 1, 0.1), (2, 1, 0.3), (1, 1, None), (0, 2, 0.4), (1, 2, 0.5)):
        append_line(cycles_file("made-up", tmp_path), {"number": number, "epochs": epochs, "validation": validation})
    found = read_cycles(pool, "made-up", tmp_path)
    assert list(found) == [1]
    assert found[1].tolist() == [0.1, 0.0, 0.3]  # number 1 diverged
