"""Records are written whole, read back equal, and refused where they are damaged."""

from pathlib import Path

import pytest

from tune_s11.config import InputError
from tune_s11.results.records import AuditRecord, Summary, read_record, read_record_or_none


def test_a_summary_of_one_and_of_several() -> None:
    assert Summary.of([0.5]) == Summary(mean=0.5, sd=None, n=1)
    assert str(Summary.of([0.5])) == "0.5000"
    several = Summary.of([0.4, 0.6])
    assert (several.mean, several.sd, several.n) == (pytest.approx(0.5), pytest.approx(0.1414, abs=1e-4), 2)
    assert str(several) == "0.5000 ± 0.1414"


def test_a_record_is_read_back(tmp_path: Path) -> None:
    record = AuditRecord(one_in=8, decisions=3, trials={"t0001": 4})
    record.write(tmp_path / "audit.json")
    assert read_record(AuditRecord, tmp_path / "audit.json") == record


def test_fields_of_a_later_version_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"one_in": 8, "decisions": 3, "trials": {}, "later": 1}')
    assert read_record(AuditRecord, tmp_path / "a.json").one_in == 8


@pytest.mark.parametrize("content", ['{"one_in": 8', '{"one_in": "many", "decisions": 0, "trials": {}}', ""])
def test_a_damaged_record(tmp_path: Path, content: str) -> None:
    path = tmp_path / "audit.json"
    path.write_text(content)
    with pytest.raises(InputError, match=f"^{path} is damaged$"):
        read_record(AuditRecord, path)
    assert read_record_or_none(AuditRecord, path) is None


def test_a_missing_record(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_record(AuditRecord, tmp_path / "audit.json")
    assert read_record_or_none(AuditRecord, tmp_path / "audit.json") is None
