"""What a search folder tells of when and where its trials were trained, and of why they failed."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.results.attempts import report, row, write_attempt
from tune_s11.results import Span, last_error, read_trials
from tune_s11.search_space import SearchConfig, parse_space


def test_spans_say_when_and_where(tmp_path: Path, config: SearchConfig) -> None:
    lines = [report(1, 2, timestamp=1000, time_this_iter_s=7.5, pid=12, hostname="a", gpu="1")]
    write_attempt(tmp_path / "trials" / "t0000", lines)
    (trial,) = read_trials(tmp_path, config)
    assert trial.spans == (Span("a:12", "a:1", 992.5, 1000.0, tuple(trial.rows)),)


def test_epochs_trained_again_are_in_two_spans(tmp_path: Path, config: SearchConfig) -> None:
    ray = {"time_this_iter_s": 5, "hostname": "a"}
    write_attempt(tmp_path / "trials" / "t0000", [report(1, 3, timestamp=1000, pid=12, **ray)])
    write_attempt(tmp_path / "trials" / "t0000.1", [report(2, 4, timestamp=9000, pid=40, **ray)])
    (trial,) = read_trials(tmp_path, config)
    assert [row.epoch for row in trial.rows] == [1, 2, 3, 4]
    assert [(span.worker, [row.epoch for row in span.rows]) for span in trial.spans] == [
        ("a:12", [1, 2, 3]),
        ("a:40", [2, 3, 4]),
    ]


def test_the_latest_attempt_counts_even_if_it_is_not_the_longest(tmp_path: Path, config: SearchConfig) -> None:
    """It resumed from the checkpoint of epoch 2; the rows after its own are of an attempt that was cut off."""
    write_attempt(tmp_path / "trials" / "t0000", [report(1, 4)])
    write_attempt(tmp_path / "trials" / "t0000.1", [report(3, 3) | {"epochs": [row(3, 0.9)]}])
    (trial,) = read_trials(tmp_path, config)
    assert [(metrics.epoch, metrics.score) for metrics in trial.rows] == [(1, 0.1), (2, 0.2), (3, 0.9)]
    assert trial.state == "running"


def test_the_tenth_time_a_trial_is_taken_up_is_later_than_the_second(tmp_path: Path, config: SearchConfig) -> None:
    for attempt, last in enumerate([1, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6]):
        folder = tmp_path / "trials" / ("t0000" + (f".{attempt}" if attempt else ""))
        write_attempt(folder, [report(1, last)])
    (trial,) = read_trials(tmp_path, config)
    assert (trial.epoch, trial.state) == (6, "complete")


@pytest.mark.parametrize("missing", ["timestamp", "time_this_iter_s", "pid", "hostname"])
def test_reports_without_times_have_no_span(tmp_path: Path, config: SearchConfig, missing: str) -> None:
    ray = {"timestamp": 1000, "time_this_iter_s": 5, "pid": 12, "hostname": "a"}
    del ray[missing]
    write_attempt(tmp_path / "trials" / "t0000", [report(1, 2, **ray)])
    (trial,) = read_trials(tmp_path, config)
    assert (trial.spans, trial.epoch) == ((), 2)


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_report_with_a_flipped_bit_costs_at_most_that_report(place: float, bit: int) -> None:
    config = parse_space({"recipe": {"epochs": 6}, "space": {"momentum": {"uniform": [0.8, 0.9]}}}, "")
    with TemporaryDirectory() as path:
        folder = Path(path) / "trials" / "t0000"
        ray = {"timestamp": 1000, "time_this_iter_s": 5, "pid": 12, "hostname": "a"}
        write_attempt(folder, [report(1, 2, **ray), report(3, 6, **ray)])
        first, last = (folder / "result.json").read_bytes().splitlines(keepends=True)
        content = bytearray(last)
        content[int(place * len(content))] ^= 1 << bit
        (folder / "result.json").write_bytes(first + content)
        (trial,) = read_trials(Path(path), config)
    assert [row.epoch for row in trial.rows][:2] == [1, 2]


TRACEBACK = """Failure # 1 (occurred at 2026-11-24_21-00-00)
ray::TrialTrainable.train() (pid=7, ip=127.0.0.1)
Traceback (most recent call last):
  File "net.py", line 3, in forward
    raise ValueError("too narrow\\nby far")
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
ValueError: too narrow
  by far: 3 < 4
"""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (TRACEBACK, "ValueError: too narrow by far: 3 < 4"),
        ("Failure # 1\nThe actor died.\n\tpid: 7\nThe actor is dead because ...", "The actor is dead because ..."),
        ("", ""),
        (None, None),
    ],
)
def test_last_error(tmp_path: Path, text: str | None, line: str | None) -> None:
    if text is not None:
        (tmp_path / "error.txt").write_text(text)
    assert last_error(tmp_path / "error.txt") == line
