"""Text files: written whole, read as far as they are sound."""

import errno
import os
from pathlib import Path

import pytest

from tune_s11.storage.files import partial_path, read_json, read_lines, write_whole


def test_text_on_a_full_disk_leaves_the_old_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.jsonl"
    write_whole(path, "one \udcff\n")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "two\n")
    assert path.read_text() == "one \\udcff\n"
    assert [file.name for file in tmp_path.iterdir()] == ["rows.jsonl"]


def test_partial_files_are_hidden_and_unique() -> None:
    path = Path("folder/a.json")
    one, other = partial_path(path), partial_path(path)
    assert one != other
    assert one.parent == other.parent == path.parent
    assert one.name.startswith(".a.json.")


def test_json_is_read_or_none(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert read_json(path) is None
    path.write_text('{"a": [1, null]}')
    assert read_json(path) == {"a": [1, None]}
    path.write_text('{"a": [1, nul')
    assert read_json(path) is None
    path.write_bytes(b"\xff\xfe")
    assert read_json(path) is None


def test_lines_are_read_where_they_are_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    assert read_lines(path) == []
    path.write_bytes(b'{"epoch": 1}\nnot JSON\n[2]\n3\n\n{"epo\xff\n{"epoch": 4}\n{"epoch": 5')
    assert read_lines(path) == [{"epoch": 1}, {"epoch": 4}]
