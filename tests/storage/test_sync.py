"""A folder and its copy in a storage, met as a real S3 server on loopback."""

import os
import shutil
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tune_s11.config import InputError
from tune_s11.results.folder import LAYOUT
from tune_s11.storage import sync
from tune_s11.storage.remote import Remote
from tune_s11.storage.sync import Copy, Shared, retry_while_unreachable


@pytest.fixture
def place(s3: Any) -> Remote:
    """An empty one of the test's own."""
    return Remote(f"s3://{s3.BUCKET}/{uuid.uuid4().hex}")


def write(folder: Path, **files: str) -> None:
    for name, content in files.items():
        file = folder / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


def content(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file() and file.name != sync.STATE)
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


PRINTABLE = st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="/\\")
NAMES = st.text(PRINTABLE, min_size=1, max_size=12)
PATHS = st.lists(NAMES.filter(lambda name: not name.startswith(".")), min_size=1, max_size=3).map("/".join)
TREES = st.dictionaries(PATHS, st.binary(max_size=40), max_size=3).filter(
    lambda files: (
        not any(other.startswith(f"{name}/") for name in files for other in files)
        and not any(name == sync.SNAPSHOT or name.startswith("trials/") for name in files)
    )
)


@settings(max_examples=10)
@given(first=TREES, then=TREES)
def test_what_was_pushed_is_pulled(s3: Any, tmp_path_factory: pytest.TempPathFactory, first: Any, then: Any) -> None:
    place = Remote(f"s3://{s3.BUCKET}/{uuid.uuid4().hex}")
    here, there = (tmp_path_factory.mktemp(name) / "folder" for name in ("here", "there"))
    pushing = Copy(here, place, LAYOUT)
    for number, files in enumerate((first, then)):
        shutil.rmtree(here, ignore_errors=True)
        for name, text in files.items():
            (here / name).parent.mkdir(parents=True, exist_ok=True)
            (here / name).write_bytes(text + bytes([number]))  # another size or not, another file
            os.utime(here / name, (number, number))
        pushing.push()
        assert place.files().keys() == files.keys()
        Copy(there, place, LAYOUT).pull()  # of another process each time
        assert content(there) == {name: text + bytes([number]) for name, text in files.items()}


def test_only_what_has_changed_is_copied(place: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, a_json="1", b__c_json="2")
    copy = Copy(tmp_path, place, LAYOUT)
    assert copy.push()
    written: list[str] = []
    monkeypatch.setattr(Remote, "write", lambda self, content: written.append(self.name))
    assert not Copy(tmp_path, place, LAYOUT).push()  # another process knows it too
    write(tmp_path, b__c_json="3")
    assert Copy(tmp_path, place, LAYOUT).push()
    assert written == ["c.json"]


def test_what_has_gone_here_goes_there_and_the_other_way_round(place: Remote, tmp_path: Path) -> None:
    here, there = Copy(tmp_path / "here", place, LAYOUT), Copy(tmp_path / "there", place, LAYOUT)
    write(here.folder, a_json="1", b_json="2")
    here.push()
    there.pull()
    (there.folder / "a.json").unlink()
    there.push()
    here.pull()
    assert content(here.folder) == content(there.folder) == {"b.json": b"2"}


def test_what_has_changed_here_is_not_pulled_over(place: Remote, tmp_path: Path) -> None:
    here, there = Copy(tmp_path / "here", place, LAYOUT), Copy(tmp_path / "there", place, LAYOUT)
    write(here.folder, a_json="1")
    here.push()
    there.pull()
    write(there.folder, a_json="there")
    there.push()
    write(here.folder, a_json="here!")
    here.pull()
    assert content(here.folder) == {"a.json": b"here!"}


def test_a_part_is_pulled_or_pushed_alone(place: Remote, tmp_path: Path) -> None:
    here, there = Copy(tmp_path / "here", place, LAYOUT), Copy(tmp_path / "there", place, LAYOUT)
    write(here.folder, a_json="1", report__x_html="2", report__y_png="3")
    here.push("report")
    assert list(place.files()) == ["report/x.html", "report/y.png"]
    here.push()
    there.pull(there.folder / "report", lambda name: name.endswith("png"))
    assert content(there.folder) == {"report/y.png": b"3"}


def test_hidden_files_and_tunes_own_stay_here(place: Remote, tmp_path: Path) -> None:
    for name in (".a.json.123", "trials/tuner.pkl", "trials/t0000/checkpoint_000001/checkpoint.pt", "b/.c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    write(tmp_path, trials__t0000__params_json="{}")
    Copy(tmp_path, place, LAYOUT).push()
    assert list(place.files()) == ["trials/t0000/params.json"]


def test_a_study_never_ends_a_trial_whose_rows_are_not_there(
    place: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a snapshot is being made the search goes on, and the snapshot may be cut off after any file."""
    study, rows = tmp_path / "study.log", tmp_path / "trials/t0000/result.json"
    rows.parent.mkdir(parents=True)
    ended = 0

    def go_on() -> None:
        nonlocal ended
        ended += 1
        with rows.open("a") as file:
            file.write(f"{ended}\n")
        with study.open("a") as file:
            file.write(f"{ended}\n")

    whole = Remote.write

    def write_meanwhile(self: Remote, content: bytes) -> None:
        go_on()
        whole(self, content)
        study_there, rows_there = (place / "study.log").read(), (place / "trials/t0000/result.json").read()
        assert set((study_there or b"").split()) <= set((rows_there or b"").split())

    go_on()
    monkeypatch.setattr(Remote, "write", write_meanwhile)
    copy = Copy(tmp_path, place, LAYOUT)
    for _ in range(3):
        copy.push()
    assert (place / "study.log").read()


def test_a_line_that_is_half_written_stays_here(place: Remote, tmp_path: Path) -> None:
    (tmp_path / "study.log").write_bytes(b'{"a": 1}\n{"b"')
    copy = Copy(tmp_path, place, LAYOUT)
    copy.push()
    assert (place / "study.log").read() == b'{"a": 1}\n'
    (tmp_path / "study.log").write_bytes(b'{"a": 1}\n{"b": 2}\n')
    copy.push()
    assert (place / "study.log").read() == b'{"a": 1}\n{"b": 2}\n'


def test_a_task_goes_on_from_what_an_earlier_one_left(place: Remote, tmp_path: Path) -> None:
    shared = Shared(tmp_path / "never made", place, LAYOUT)
    with shared.opened(lambda: None, lambda: None) as (folder, grown):
        write(folder, metrics_jsonl="1\n")
        grown()
    with shared.opened(lambda: None, lambda: None) as (folder, grown):
        assert content(folder) == {"metrics.jsonl": b"1\n"}
        write(folder, metrics_jsonl="1\n2\n", checkpoint_pt="x")
    assert (place / "metrics.jsonl").read() == b"1\n2\n"
    assert not folder.exists()
    assert not shared.path.exists()


def test_a_task_copies_while_it_runs(place: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "SECONDS", 0.0)
    with Shared(tmp_path, place, LAYOUT).opened(lambda: None, lambda: None) as (folder, grown):
        write(folder, metrics_jsonl="1\n")
        grown()
        assert (place / "metrics.jsonl").read() == b"1\n"


def test_a_task_that_waits_for_the_storage_says_so_and_a_folder_that_grows_is_a_report(
    place: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signs: list[str] = []
    failures = iter([OSError("the server cannot be reached")] * 2)
    pull = Copy.pull

    def pull_later(self: Copy) -> None:
        for failure in failures:
            raise failure
        pull(self)

    monkeypatch.setattr(Copy, "pull", pull_later)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    shared = Shared(tmp_path, place, LAYOUT)
    with shared.opened(lambda: signs.append("training"), lambda: signs.append("waiting")) as (_, grown):
        assert signs == ["waiting", "waiting"]
        grown()
    assert signs == ["waiting", "waiting", "training"]


def test_without_a_storage_a_task_works_where_the_driver_looks(tmp_path: Path) -> None:
    with Shared(tmp_path, None, LAYOUT).opened(lambda: None, lambda: None) as (folder, grown):
        grown()
        assert folder == tmp_path


def test_what_needs_the_storage_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def action() -> None:
        tried.append(threading.get_ident())
        if len(tried) < 3:
            raise OSError("AWS Error NETWORK_CONNECTION during HeadObject operation: curlCode: 7")

    monkeypatch.setattr(sync.time, "sleep", lambda seconds: None)
    retry_while_unreachable(action)
    assert len(tried) == 3
    monkeypatch.setattr(sync, "PATIENCE", -1.0)
    tried.clear()
    with pytest.raises(InputError, match="the server cannot be reached; the search can be resumed once it is back"):
        retry_while_unreachable(action)


def test_a_full_disk_is_not_waited_for() -> None:
    def action() -> None:
        raise OSError(28, "No space left on device", "/x")

    with pytest.raises(OSError, match="No space"):
        retry_while_unreachable(action)
