"""The train/test curve's target line."""

import json
from pathlib import Path

from tests.report.helpers import compose_run


def test_the_target_line_is_the_runs_or_another(tested_path: Path) -> None:
    (tested_path / "test_logits.npz").unlink()  # heat maps take seconds
    lines = (tested_path / "test_curve.jsonl").read_text().splitlines()
    curve = [json.loads(line)["ema_test_accuracy"] for line in lines]
    assert compose_run(tested_path)[0].numbers["target"] == {"line": 0.9, "test": None}
    report, page = compose_run(tested_path, curve[2])
    assert report.numbers["target"] == {"line": curve[2], "test": 3}
    assert "in epoch 3 (EMA weights)" in page
    drawn = [list(line.get_ydata()) for line in report.figures["test_curve"].axes[0].lines]  # type: ignore[arg-type]
    assert [curve[2], curve[2]] in drawn
