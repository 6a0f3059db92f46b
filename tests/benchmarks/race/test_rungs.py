"""Rungs after short cycles cost epochs of their own, and rungs within a trial do not."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.race.candidates import Candidates, join
from benchmarks.race.pool import build_pool, cycles_file
from benchmarks.race.rungs import Rungs, main, replay, with_cycles
from benchmarks.tools.lines import append_line
from tests.benchmarks.race.synthetic_pool import HEADER, line
from tests.benchmarks.race.test_replay import record
from tune_s11.config import InputError

GOOD, BAD = 0.9, 0.3


def candidates() -> Candidates:
    """Of two configurations, a good one and a bad one, in trials of four epochs, with cycles of one and two."""
    pool = build_pool(HEADER, [line(0, GOOD, GOOD), line(1, BAD, BAD)], [])
    return join(pool, build_pool(HEADER, [line(999_999, 0.5, 0.5)], []))


CYCLES = {1: np.array([0.4, 0.1]), 2: np.array([0.7, 0.2])}


def events(rungs: Rungs, drawn: list[int]) -> list[tuple[int, int]]:
    history = replay(rungs, with_cycles(candidates(), CYCLES), 2, drawn, [*CYCLES])
    return list(zip(history.rows.tolist(), history.epochs.tolist(), strict=True))


def trial(row: int, epochs: int) -> list[tuple[int, int]]:
    return [(row, epoch) for epoch in range(1, epochs + 1)]


def test_cycles_are_rows_of_the_same_configuration() -> None:
    extended = with_cycles(candidates(), CYCLES)
    assert extended.n == 6
    assert extended.quality.tolist() == [GOOD, BAD, GOOD, BAD, GOOD, BAD, 0.5]
    assert extended.epochs_run.tolist() == [4, 4, 1, 1, 2, 2, 4]
    assert extended.signals["ema"][4].tolist() == [0, 0.7, 0, 0]


def test_without_rungs_everything_is_complete() -> None:
    assert events(Rungs(), [1, 0]) == [*trial(1, 4), *trial(0, 4)]


def test_a_rung_within_the_trial_costs_nothing_and_stops_the_bad_one() -> None:
    assert events(Rungs(epochs=(2,)), [0, 1]) == [*trial(0, 4), *trial(1, 2)]


def test_cycles_come_first_and_count() -> None:
    assert events(Rungs(cycles=(1, 2)), [0, 1]) == [*trial(2, 1), *trial(4, 2), *trial(0, 4), *trial(3, 1)]


def test_the_command_needs_recorded_cycles_and_prints_two_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path)
    with pytest.raises(InputError, match=r"must have cycles of 2, 4 epochs recorded$"):
        main("digits-s11", 2, tmp_path)
    append_line(cycles_file("digits-s11", tmp_path), {})
    for epochs in (2, 4):
        for number in range(30):
            found = {"number": number, "epochs": epochs, "validation": 0.01 * number}
            append_line(cycles_file("digits-s11", tmp_path), found)
    main("digits-s11", 2, tmp_path)
    out = capsys.readouterr().out
    assert [each.split(", ")[1] for each in out.splitlines() if each.startswith("###")] == [
        "whole space",
        "within fixed bounds",
    ]
    assert out.count("| cycles of 4, then epochs 6; factor 3 |") == 2
    assert "nan" not in json.dumps(out)


def test_a_held_out_problem_is_shown_only_on_request() -> None:
    with pytest.raises(InputError, match=r"PROBLEM digits-recurrent: is kept until .*; --aside replays it"):
        main("digits-recurrent")
