import json
from pathlib import Path

import pytest

from benchmarks.race.arms import ARMS
from benchmarks.race.pool import defaults_file, pool_file
from benchmarks.race.replay import main
from benchmarks.tools.lines import append_line
from tests.benchmarks.race.synthetic_pool import HEADER, line
from tune_s11.config import InputError

OF = HEADER["of"]


def record(pools: Path, name: str = "digits-s11") -> None:
    manifest = {"manifest": {"created": "2026-11-26T11:16:05+00:00"}}
    append_line(pool_file(name, pools), {"of": OF} | manifest)
    for number in range(30):
        score = 0.3 + 0.02 * number
        diverged_at = 2 if number == 3 else None
        append_line(pool_file(name, pools), line(number, score, score, max_lr=0.08, diverged_at=diverged_at))
    append_line(defaults_file(name, pools), {"of": OF | {"defaults": {"number": 999_999, "runs": 3}}} | manifest)
    for repeat in range(3):
        append_line(defaults_file(name, pools), line(999_999, 0.5, 0.5, max_lr=0.4) | {"repeat": repeat})


def test_the_command_prints_a_table_a_track_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path)
    main(orders=3, pools=tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert [each for each in lines if each.startswith("###")] == [
        "### digits-s11, defaults first",
        "### digits-s11, no defaults",
    ]
    rows = [each for each in lines if each.startswith("| ")]
    assert len(rows) == 2 * (2 + len(ARMS))
    assert len({each.count("|") for each in rows}) == 1
    assert rows[0].startswith("| arm | area | regret at 10 | regret at 20 | regret at 40 | regret at 80 |")
    facts = next(each for each in lines if each.startswith("n = "))
    assert facts.startswith("n = 30 configurations (30 on AMX; 1 diverge), 3 orders, pool of 2026-11-26, replayed 20")
    found = json.loads(lines[-1])["problems"]["digits-s11"]
    assert (found["n"], found["orders"], found["processors"], found["budget"]) == (30, 3, {"AMX": 30}, 80)
    assert set(found["tracks"]) == {"defaults first", "no defaults"}
    for track in found["tracks"].values():
        assert list(track) == [arm.name for arm in ARMS]
        assert all(of_arm["orders"] == 3 for of_arm in track.values())
        assert track["random"]["less_random"]["area"] == [0, 0, 0]
        assert track["today's rungs"]["less_rungs"]["area"] == [0, 0, 0]
        mean, low, high = track["random within fixed bounds"]["less_rungs"]["epochs"]
        assert low <= mean <= high


def test_a_single_order_has_no_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path)
    main(orders=1, pools=tmp_path)
    output = capsys.readouterr().out
    assert "nan" not in output.lower()
    json.loads(output.splitlines()[-1], parse_constant=pytest.fail)


def test_only_what_is_recorded_is_replayed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must hold a problem's pool and the runs of its defaults"):
        main(pools=tmp_path)
    with pytest.raises(InputError, match="PROBLEM 'mnist': must be one of"):
        main(["mnist"], pools=tmp_path)
    record(tmp_path)
    defaults_file("digits-s11", tmp_path).unlink()
    with pytest.raises(InputError, match="record digits-s11 --defaults records them"):
        main(["digits-s11"], pools=tmp_path)


def test_the_problem_kept_for_the_end_needs_a_flag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path, "digits-transformer")
    with pytest.raises(InputError, match="must hold a problem's pool"):
        main(pools=tmp_path)
    with pytest.raises(InputError, match="is kept until the next policy is fixed; --aside replays it"):
        main(["digits-transformer"], pools=tmp_path)
    main(["digits-transformer"], orders=1, aside=True, pools=tmp_path)
    assert "### digits-transformer, no defaults" in capsys.readouterr().out
