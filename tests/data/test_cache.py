"""Decoded images are kept, and decoded again where what was kept is damaged."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.data.pictures import SIZE, entries, picture, shades
from tune_s11.data import Dataset, cache_dir
from tune_s11.data import folder as folder_module
from tune_s11.data.folder import read_folder

pytestmark = pytest.mark.usefixtures("fresh_cache")


def poison() -> None:
    """Makes any decoding fail, so that only the cache can answer."""
    raise AssertionError("decoded again")


def assert_cached(root: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    with monkeypatch.context() as patch:
        patch.setattr(folder_module, "decode", lambda *_: poison())
        return read_folder(root, SIZE)


def test_second_reading_comes_from_the_cache(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(10, "L").save(root / "train" / "cat" / "0.png")
    first = read_folder(root, SIZE)
    again = assert_cached(root, monkeypatch)
    assert again.fingerprint == first.fingerprint
    assert again.notes == first.notes == ("1 grey image converted to RGB",)
    assert type(again.train.pixels) is np.ndarray
    assert [path.suffix for path in entries()] == [""], "a scratch folder was left behind"


@pytest.mark.parametrize("name", ["train_pixels.npy", "test_labels.npy", "entry.json"])
@pytest.mark.parametrize("damage", ["truncated", "altered", "emptied", "missing"])
def test_damaged_entries_are_rebuilt(root: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: str) -> None:
    whole = read_folder(root, SIZE)
    (entry,) = entries()
    data = bytearray((entry / name).read_bytes())
    data[-1] ^= 255
    if damage == "missing":
        os.remove(entry / name)
    else:
        (entry / name).write_bytes({"truncated": data[:-3], "altered": data, "emptied": b""}[damage])
    rebuilt = read_folder(root, SIZE)
    assert rebuilt.fingerprint == whole.fingerprint
    assert rebuilt.notes == (f"decoded again, because their cached copy is damaged: {str(entry)!r}",)
    assert assert_cached(root, monkeypatch).fingerprint == whole.fingerprint


def test_json_of_another_make_is_no_entry(root: Path) -> None:
    whole = read_folder(root, SIZE)
    for text in ("[]", "{}", "null", '{"arrays": [1], "about": {"notes": []}}'):
        (entries()[0] / "entry.json").write_text(text)
        assert read_folder(root, SIZE).fingerprint == whole.fingerprint


def test_without_a_writable_cache_images_are_read_all_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "file"))
    dataset = read_folder(root, SIZE)
    assert shades(dataset) == ([10, 20, 30, 40], [50, 60])
    (note,) = dataset.notes
    assert note.startswith("decoded images are not cached: cannot write")
    assert note.endswith("Not a directory")


def test_cache_dir(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_dir() == Path("/somewhere/tune_s11")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_dir() == Path.home() / ".cache" / "tune_s11"
