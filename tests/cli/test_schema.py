"""``tune-s11 schema``."""

import json
import sys

import pytest

from tune_s11.cli.main import main
from tune_s11.space_schema import space_schema


def test_schema_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["tune-s11", "schema"])
    with pytest.raises(SystemExit) as exit:
        main()
    assert exit.value.code == 0
    assert json.loads(capsys.readouterr().out) == space_schema()
