from pathlib import Path

import pytest

from benchmarks.lr_range import learning_rate_free
from benchmarks.lr_range.conditions import CONDITIONS, Condition
from benchmarks.lr_range.learning_rate_free import file_of, read_held_out, train
from benchmarks.race.problems import Problem, load_inputs
from benchmarks.tools.lines import append_line, read_lines
from benchmarks.tools.recording import recording_hardware

CPU = recording_hardware()


def tiny(name: str) -> Condition:
    fields = {**CONDITIONS[name].problem.fields, "epochs": 4, "peak_epoch": 1.0, "train_images": 80, "batch_size": 20}
    return Condition(Problem("tiny", fields, 60))


@pytest.mark.parametrize("name", ["mlp-m0.9-b64", "mlp-adamw-b64"])
def test_it_learns_without_a_rate_with_the_condition_s_kind_of_optimizer(name: str) -> None:
    line = train(load_inputs(tiny(name).problem)[0], CPU, seed=1)
    assert line["seed"] == 1
    assert line["train_loss"][-1] < line["train_loss"][0]
    assert 0 <= line["held_out"] <= 1
    again = train(load_inputs(tiny(name).problem)[0], CPU, seed=1)
    assert again | {"seconds": 0} == line | {"seconds": 0}


def test_the_same_command_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_this_process: None) -> None:
    monkeypatch.setitem(CONDITIONS, "tiny", tiny("mlp-m0.9-b64"))
    learning_rate_free.main(["tiny"], 1, None, False, tmp_path)
    path = file_of("tiny", tmp_path)
    whole = path.read_text().splitlines(keepends=True)
    path.write_text("".join(whole[:2]))
    assert read_held_out("tiny", tmp_path) == []  # half of it is none
    learning_rate_free.main(["tiny"], 1, None, False, tmp_path)
    assert sorted(line["seed"] for line in read_lines(path)[1:]) == [1, 2]
    assert len(read_held_out("tiny", tmp_path)) == 2


def test_a_training_that_diverged_is_none(tmp_path: Path) -> None:
    file_of("tiny", tmp_path).parent.mkdir()
    for line in ({"of": {}}, {"seed": 2, "held_out": 0.5}, {"seed": 1, "held_out": None}):
        append_line(file_of("tiny", tmp_path), line)
    assert read_held_out("tiny", tmp_path) == [None, 0.5]
