import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.race import record as command
from benchmarks.race.pool import best_file, defaults_file, pool_file, read_defaults, read_pool
from benchmarks.race.problems import DEFAULTS, PROBLEMS, Problem, defaults
from benchmarks.tools.lines import read_lines
from tune_s11.config import InputError

ROOT = Path(__file__).parents[3]
TINY = {"epochs": 2, "peak_epoch": 1.0, "train_images": 200, "batch_size": 50, "width": 2}


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, in_this_process: None) -> None:
    fields = {**PROBLEMS["digits-s11"].fields, **TINY}
    monkeypatch.setitem(PROBLEMS, "tiny", Problem("tiny", fields, 100))


def number(line: dict[str, Any]) -> int:
    return int(line["number"])


def run(tmp_path: Path, problem: str = "tiny", *, aside: bool = False, **options: Any) -> None:
    arguments = {"count": 3, "workers": 1, "data_dir": None, "again": None, "runs": 2} | options
    command.record(problem, aside=aside, pools=tmp_path, **arguments)


def test_a_pool_from_before_a_field_existed_is_resumed(tmp_path: Path) -> None:
    run(tmp_path, count=1)
    path = pool_file("tiny", tmp_path)
    header, first = read_lines(path)
    assert header["of"]["recipe"].pop("nesterov") is True
    path.write_text(json.dumps(header) + "\n" + json.dumps(first) + "\n")
    run(tmp_path, count=2)
    assert [number(line) for line in read_lines(path)[1:]] == [0, 1]
    header["of"]["recipe"]["nesterov"] = False
    path.write_text(json.dumps(header) + "\n")
    with pytest.raises(InputError, match="was recorded with another recipe"):
        run(tmp_path, count=2)


def test_a_pool_is_resumed_by_the_same_command(tmp_path: Path) -> None:
    run(tmp_path)
    path = pool_file("tiny", tmp_path)
    whole = path.read_text().splitlines(keepends=True)
    path.write_text("".join(whole[:2]) + whole[2][:30])  # interrupted in the middle of the second line
    run(tmp_path)
    again = path.read_text().splitlines(keepends=True)
    assert again[:2] == whole[:2]
    first, second = (sorted((json.loads(line) for line in lines[1:]), key=number) for lines in (whole, again))
    assert [line | {"seconds": 0} for line in first] == [line | {"seconds": 0} for line in second]  # the same bits


def test_a_line_holds_curve_and_score(tmp_path: Path) -> None:
    run(tmp_path)
    header, *lines = read_lines(pool_file("tiny", tmp_path))
    assert header["of"]["images"] == {"train": 150, "validation": 50, "held_out": 100}
    assert header["manifest"]["data"]["fingerprint"] == header["of"]["fingerprint"]
    assert {line["number"] for line in lines} == {0, 1, 2}
    for line in lines:
        assert set(line) == {"number", "config", "curve", "score", "diverged_at", "seconds", "processor"}
        assert {len(values) for values in line["curve"].values()} == {2}
        assert line["score"]["validation_ema"] == line["curve"]["ema"][-1]
        assert line["processor"] in {"AMX", "AVX-512 bf16", "AVX2", "other"}
    assert read_pool("tiny", tmp_path).ema.shape == (3, 2)


def test_divergence_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.race import trial

    wild = {"max_lr": 1e30, "min_lr_fraction": 1.0, "momentum": 0.9, "weight_decay": 0.0, "label_smoothing": 0.0}
    monkeypatch.setattr(trial, "draw", lambda _: wild)
    run(tmp_path, count=1)
    _, line = read_lines(pool_file("tiny", tmp_path))
    assert line["score"] is None
    assert line["diverged_at"] == len(line["curve"]["ema"])
    assert (line["curve"]["train_loss"][-1], line["curve"]["ema"][-1]) == (None, 0.0)


def test_the_best_are_trained_again_from_fresh_seeds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be complete, 0 of 3 are recorded"):
        run(tmp_path, again=2)
    run(tmp_path)
    run(tmp_path, again=2)
    scores = read_pool("tiny", tmp_path).score
    header, *lines = read_lines(best_file("tiny", tmp_path))
    assert scores[header["of"]["best"]["numbers"]].tolist() == sorted(scores, reverse=True)[:2]
    assert len({(line["number"], line["repeat"]) for line in lines}) == 4
    losses = {line["curve"]["train_loss"][0] for line in lines if line["number"] == lines[0]["number"]}
    first = {line["number"]: line for line in read_lines(pool_file("tiny", tmp_path))[1:]}[lines[0]["number"]]
    assert len(losses | {first["curve"]["train_loss"][0]}) == 3
    whole = best_file("tiny", tmp_path).read_text()
    run(tmp_path, again=2)
    assert best_file("tiny", tmp_path).read_text() == whole
    before = read_pool("tiny", tmp_path)
    run(tmp_path, again=3, runs=3)
    after = read_lines(best_file("tiny", tmp_path))
    assert (after[: 1 + 4], len(after)) == ([header, *lines], 1 + 9)
    np.testing.assert_array_equal(read_pool("tiny", tmp_path).fresh, before.fresh)  # the best known stays


def test_the_defaults_are_trained_three_times(tmp_path: Path) -> None:
    run(tmp_path, count=1)
    run(tmp_path, defaults=True)
    header, *lines = read_lines(defaults_file("tiny", tmp_path))
    assert header["of"]["defaults"] == {"number": DEFAULTS, "runs": 3}
    assert sorted(line.get("repeat", 0) for line in lines) == [0, 1, 2]
    assert {tuple(line["config"].items()) for line in lines} == {tuple(defaults().items())}
    assert len({line["curve"]["train_loss"][0] for line in lines}) == 3
    read_defaults(read_pool("tiny", tmp_path), "tiny", tmp_path)
    whole = defaults_file("tiny", tmp_path).read_text().splitlines(keepends=True)
    defaults_file("tiny", tmp_path).write_text("".join(whole[:3]))
    run(tmp_path, defaults=True)
    resumed = read_lines(defaults_file("tiny", tmp_path))
    assert resumed[-1] | {"seconds": 0} == lines[-1] | {"seconds": 0}
    with pytest.raises(InputError, match="--defaults: must stand without --again"):
        run(tmp_path, defaults=True, again=1)


def test_a_file_of_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, count=1)
    other = Problem("tiny", {**PROBLEMS["tiny"].fields, "width": 3}, 100)
    monkeypatch.setitem(PROBLEMS, "tiny", other)
    with pytest.raises(InputError, match=r"tiny.jsonl: was recorded with another recipe; expected the same, or no"):
        run(tmp_path)


def test_the_problem_kept_for_the_end_needs_a_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROBLEMS, "kept", Problem("kept", PROBLEMS["tiny"].fields, 100, aside=True))
    with pytest.raises(InputError, match="PROBLEM kept: is kept until the next policy is fixed; --aside records it"):
        run(tmp_path, "kept")
    assert not list(tmp_path.iterdir())
    run(tmp_path, "kept", count=1, aside=True)
    assert len(read_lines(pool_file("kept", tmp_path))) == 2


def launch(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.race.record", *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def test_the_command_refuses_in_one_line_and_exits_with_2(tmp_path: Path) -> None:
    pool_file("digits-s11", tmp_path).write_text('{"of":{"recipe":{}}}\n')
    process = launch("digits-s11", "--pools", str(tmp_path))
    _, error = process.communicate(timeout=120)
    assert process.returncode == 2
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert "was recorded with another recipe" in error


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_sigterm_to_the_group_leaves_whole_lines_and_no_process(program: Any, tmp_path: Path) -> None:
    process = launch("digits-plain", "--pools", str(tmp_path), "--workers", "2")
    path = pool_file("digits-plain", tmp_path)
    program.wait_for(lambda: path.exists() and len(program.family(process.pid)) > 2)  # both workers have started
    os.killpg(process.pid, signal.SIGTERM)
    output, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "")
    assert "interrupted; the same command resumes" in output
    assert path.read_text().endswith("\n")
    program.wait_for(lambda: not alive(process.pid))  # the workers notice within moments
