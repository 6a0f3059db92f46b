import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.lr_range.learning_rate_free import file_of
from benchmarks.lr_range.record import recording_file
from benchmarks.lr_range.recording import Recording
from benchmarks.lr_range.rules import Answer
from benchmarks.lr_range.tables import FREE, POWERS, app, holds, judge, judge_free, rules, table, width
from benchmarks.tools.lines import append_line
from tests.benchmarks.lr_range.synthetic_recording import recording
from tune_s11.lr_range.cycles import Cycle


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    peaks = {"mlp-m0-b32": 0.1, "vgg-m0-b32": 1.0, "plain-m0-b32": 0.1, "mlp-adamw-b64": 0.001, "vgg-adamw-b64": 0.001}
    return [recording(name, peak) for name, peak in peaks.items()]


def test_a_rule_is_judged_by_points_lost_and_by_cost(recordings: list[Recording]) -> None:
    judged = judge(lambda bench: Answer(0.1 if bench.train(Cycle(6, bench.recording.best, 10)) else None), recordings)
    assert judged.lost["mlp-m0-b32"] == pytest.approx(0, abs=1e-9)
    assert judged.lost["vgg-m0-b32"] == pytest.approx(20)
    assert set(judged.cost.values()) == {0.5}
    assert judged.by_network(recordings)["benchmarks.race.networks:plain"] == pytest.approx(0, abs=1e-9)


def test_bounds_hold_where_they_overlap_the_plateau() -> None:
    found = recording("mlp-m0-b32", 0.1)
    assert holds(Answer(0.1, (0.01, 0.11)), found)
    assert not holds(Answer(0.1, (0.2, 1.0)), found)
    assert not holds(Answer(0.1), found)
    assert width(Answer(0.1, (0.01, 1.0))) == pytest.approx(2)


def test_the_table_has_a_row_a_rule_with_the_difference_to_the_best_constant(recordings: list[Recording]) -> None:
    judged = {name: judge(rule, recordings) for name, rule in rules(recordings, recordings).items()}
    lines = table(judged, recordings)
    assert len(lines) == 2 + len(judged)
    heads, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    paired = {row[0]: row[heads.index("paired")] for row in rows}
    better = min(POWERS, key=lambda name: sum(judged[name].lost.values()))
    assert [name for name, cell in paired.items() if cell == "."] == [better]
    assert all("±" in cell for name, cell in paired.items() if name != better)
    assert {row[0]: row[heads.index("cost")] for row in rows}["successive halving"] == "2.1"


def test_constants_of_conditions_set_aside_are_chosen_by_the_others(recordings: list[Recording]) -> None:
    asked = [recording("dense-m0-b64", 10.0), recording("gated-m0-b64", 10.0)]
    judged = judge(rules(asked, recordings)["constant"], asked)
    assert [answer.first for answer in judged.answers.values()] == [pytest.approx(0.1)] * 2


def test_an_optimizer_without_a_rate_is_judged_by_its_trainings(recordings: list[Recording], tmp_path: Path) -> None:
    file_of("any", tmp_path).parent.mkdir()
    for each in recordings[1:]:
        for line in ({"of": {}}, {"seed": 1, "held_out": 0.8}, {"seed": 2, "held_out": None}):
            append_line(file_of(each.condition.name, tmp_path), line)
    assert judge_free(recordings, tmp_path) is None  # one is missing
    free = judge_free(recordings[1:], tmp_path)
    assert free is not None
    assert list(free.lost.values()) == [pytest.approx(45)] * 4  # from 0.9 to 0.8 and, diverged, chance
    constant = judge(lambda _: Answer(0.1), recordings[1:])
    rows = table(dict.fromkeys(POWERS, constant) | {FREE: free}, recordings[1:])
    assert rows[-1].startswith(f"| {FREE} | 45.0 |")
    assert rows[-1].count(" . |") == 3  # neither bounds nor a test to wait for


def test_the_command_prints_tables_and_json(recordings: list[Recording], tmp_path: Path) -> None:
    for each in recordings:
        append_line(recording_file(each.condition.name, tmp_path), {"of": {}})
        for line in each.lines.values():
            append_line(recording_file(each.condition.name, tmp_path), line)
    ran = CliRunner().invoke(app, ["--recordings", str(tmp_path)], catch_exceptions=False)
    assert ran.exit_code == 0
    assert "5 of 38 conditions" in ran.output
    assert "sgd: best rates of 3 conditions span 1.0 decades" in ran.output
    figures = json.loads(ran.output.splitlines()[-1])
    assert figures["rules"]["successive halving"]["mlp-m0-b32"]["first"] == pytest.approx(0.1, rel=1.2)
