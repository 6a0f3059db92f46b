"""``tune-s11 search``, and what its help has in common with that of ``train``."""

import sys
from collections.abc import Callable

import pytest

from tune_s11.cli import train
from tune_s11.cli.main import run_search


@pytest.mark.parametrize("main", [run_search, train.main])
def test_the_baseline_of_the_schedules_is_in_the_help(
    main: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", "--help"])
    with pytest.raises(SystemExit):
        main()
    words = " ".join(capsys.readouterr().out.split())
    assert "schedule=plateau" in words
    assert "reduce on plateau (ReduceLROnPlateau)" in words
