import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.race.pool import best_file, build_pool, defaults_file, pool_file, read_defaults, read_pool
from benchmarks.tools.lines import append_line
from tests.benchmarks.race.synthetic_pool import HEADER, again, line
from tune_s11.config import InputError


def test_arrays_come_in_the_order_of_numbers() -> None:
    pool = build_pool(HEADER, [line(2, 0.8, 0.7), line(0, 0.4, 0.5), line(1, 0.4, None, diverged_at=2)], [])
    assert pool.numbers.tolist() == [0, 1, 2]
    assert pool.ema.tolist() == [[0.1, 0.2, 0.3, 0.4], [0.1, 0, 0, 0], [0.2, 0.4, 0.6, 0.8]]
    assert pool.raw[2].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert pool.score.tolist() == [0.5, 0.0, 0.7]
    assert pool.epochs_run.tolist() == [4, 2, 4]
    assert pool.diverged.tolist() == [False, True, False]
    assert (pool.epochs, pool.best_known, pool.processors) == (4, 0.7, ["AMX"] * 3)


def test_a_number_recorded_twice_counts_once() -> None:
    pool = build_pool(HEADER, [line(0, 0.4, 0.5), line(1, 0.4, 0.6), line(0, 0.4, 0.9)], [])
    assert pool.score.tolist() == [0.5, 0.6]


def test_the_best_known_is_of_fresh_seeds() -> None:
    lines = [line(0, 0.9, 0.9), line(1, 0.8, 0.8), line(2, 0.7, 0.7)]
    pool = build_pool(HEADER, lines, again(0, [0.7, 0.8]) + again(1, [0.78, 0.8]))
    np.testing.assert_allclose(pool.quality, [0.75, 0.79, 0.7])
    assert pool.best_known == pytest.approx(0.79)


def test_fresh_seeds_count_once_they_are_complete(tmp_path: Path) -> None:
    for each in (HEADER, line(0, 0.9, 0.9), line(1, 0.8, 0.8)):
        append_line(pool_file("p", tmp_path), each)
    best: dict[str, Any] = {"of": {"best": {"numbers": [0, 1], "repeats": 2}}}
    runs = again(0, [0.7, 0.8]) + again(1, [0.78, 0.8])
    for each in [best, *runs[:3]]:
        append_line(best_file("p", tmp_path), each)
    assert np.isnan(read_pool("p", tmp_path).fresh).all()
    append_line(best_file("p", tmp_path), runs[3])
    assert read_pool("p", tmp_path).best_known == pytest.approx(0.79)


def test_further_runs_do_not_change_the_best_known(tmp_path: Path) -> None:
    for each in (HEADER, line(0, 0.9, 0.8), line(1, 0.8, 0.7)):
        append_line(pool_file("p", tmp_path), each)
    best: dict[str, Any] = {"of": {"best": {"numbers": [0], "repeats": 2}}}
    for each in [best, *again(0, [0.7, 0.8]), *again(1, [0.9, 0.9])]:
        append_line(best_file("p", tmp_path), each)
    pool = read_pool("p", tmp_path)
    assert pool.best_known == pytest.approx(0.75)
    np.testing.assert_allclose(pool.quality, [0.75, 0.7])


def test_half_a_line_is_left_out_and_then_replaced(tmp_path: Path) -> None:
    path = pool_file("p", tmp_path)
    for each in (HEADER, line(0, 0.9, 0.9)):
        append_line(path, each)
    with path.open("a") as file:
        file.write(json.dumps(line(1, 0.9, 0.9))[:50])
    assert read_pool("p", tmp_path).numbers.tolist() == [0]
    append_line(path, line(2, 0.9, 0.9))
    assert read_pool("p", tmp_path).numbers.tolist() == [0, 2]


def test_what_is_no_pool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing is recorded"):
        read_pool("p", tmp_path)
    pool_file("p", tmp_path).write_text("{\n")
    with pytest.raises(InputError, match="not a recording"):
        read_pool("p", tmp_path)
    pool_file("p", tmp_path).write_text('{"of": {}}\n{"number": 0}\n')
    with pytest.raises(InputError, match="not a pool: KeyError: 'recipe'"):
        read_pool("p", tmp_path)


def test_the_defaults_first_run_is_their_trial_and_the_others_are_fresh(tmp_path: Path) -> None:
    pool = build_pool(HEADER, [line(0, 0.4, 0.5)], [])
    path = defaults_file("p", tmp_path)
    for each in [{"of": HEADER["of"] | {"defaults": {"runs": 3}}}, *again(9, [0.7, 0.8]), line(9, 0.9, 0.9)]:
        with pytest.raises(InputError, match=r"p-defaults.jsonl: expected the complete runs of the defaults"):
            read_defaults(pool, "p", tmp_path)
        append_line(path, each)
    defaults = read_defaults(pool, "p", tmp_path)
    assert defaults.score.tolist() == [0.9]
    assert defaults.quality.tolist() == pytest.approx([0.75])
    other = build_pool({"of": HEADER["of"] | {"seed": 1}}, [line(0, 0.4, 0.5)], [])
    with pytest.raises(InputError, match="was recorded with another seed than the pool; expected the same"):
        read_defaults(other, "p", tmp_path)
