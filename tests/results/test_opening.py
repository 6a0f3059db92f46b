"""Folders of searches and runs opened, on a disk and in a storage, met as a real S3 server on loopback."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tune_s11.config import InputError
from tune_s11.results.folder import LAYOUT
from tune_s11.results.opening import Kind, NoSearchError, begin, find, find_search, places, publish, resume
from tune_s11.storage.local_folders import home_of
from tune_s11.storage.mirror import Mirror
from tune_s11.storage.remote import Remote
from tune_s11.storage.workspace import Local, Workspace


def started(storage: Remote) -> tuple[Path, Workspace]:
    """A search called ``a``, with a first snapshot."""
    workspace = begin(storage, "a")
    workspace.folder.mkdir()
    (workspace.folder / "search.yaml").write_text("first")
    workspace.flush()
    return workspace.folder, workspace


def search_in(folder: Path, second: int) -> None:
    """The beginnings of a search, of that second since 1970."""
    folder.mkdir(parents=True)
    (folder / "search.yaml").touch()
    os.utime(folder / "search.yaml", (second, second))


def test_results_on_a_disk_stay_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert begin(Path(), "a") == Local(tmp_path / "a", LAYOUT)
    assert not (tmp_path / "a").exists()
    search_in(tmp_path / "a", 1)
    assert resume(Path(), "a") == Local(tmp_path / "a", LAYOUT)
    assert resume(Path("elsewhere"), "a") == Local(tmp_path / "a", LAYOUT)  # a path serves too


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "a\udcff"])
def test_a_folder_that_no_line_can_name_is_refused_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    storage = tmp_path / name
    search_in(storage / "x", 1)
    monkeypatch.chdir(storage)
    for refused in (lambda: begin(storage, "y"), lambda: resume(storage, "x"), lambda: begin(Path("results"), "y")):
        with pytest.raises(InputError) as caught:
            refused()
        assert str(caught.value).isprintable()
        assert repr(str(storage))[1:-1] in str(caught.value)
        assert "must be a path without line breaks" in str(caught.value)


def test_results_in_a_storage_are_copied_there(storage: Remote, on: Any) -> None:
    on("one")
    workspace = begin(storage, "a")
    assert isinstance(workspace, Mirror)
    assert (workspace.remote, workspace.layout) == (storage / "a", LAYOUT)
    assert not workspace.folder.exists()
    assert storage.files() == {}


def test_a_name_is_unique_on_a_disk(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError) as error:
        begin(tmp_path, "a")
    assert str(error.value) == f"--name a: {tmp_path / 'a'} exists; expected a new name, or --resume a"


def test_a_name_is_unique_in_a_storage(storage: Remote, on: Any) -> None:
    on("one")
    started(storage)
    with pytest.raises(InputError, match=r"^--name a: .* exists; expected a new name, or --resume a$"):
        begin(storage, "a")
    on("two")
    with pytest.raises(InputError, match=rf"^--name a: {storage}/a exists"):
        begin(storage, "a")


def test_two_machines_cannot_begin_under_one_name_at_once(storage: Remote, on: Any) -> None:
    on("one")
    first = begin(storage, "a")
    on("two")
    second = begin(storage, "a")
    first.folder.mkdir()
    (first.folder / "search.yaml").write_text("first")
    first.flush()
    with pytest.raises(InputError, match="another machine has continued it"):
        second.flush()
    assert (storage / "a/search.yaml").read() == b"first"


def test_a_reader_gets_what_it_wants_from_anywhere(storage: Remote, on: Any) -> None:
    on("one")
    folder, workspace = started(storage)
    for name in ("best/seed-0/checkpoint.pt", "tensorboard/t00/events", "study.log", "trials/t0000/params.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}\n")
    workspace.flush()
    (storage / "a/trials/t0000/checkpoint_000002/checkpoint.pt").write(b"x")
    on("two")
    (view,) = places("a", storage)
    assert find_search(None, storage) == view
    assert places(f"{storage}/a", Path("results")) == (view,)
    files = {file.relative_to(view).as_posix() for file in view.rglob("[!.]*") if file.is_file()}
    assert files == {"search.yaml", "best/seed-0/checkpoint.pt", "trials/t0000/params.json"}
    (view / "report").mkdir()
    (view / "report/index.html").write_text("page")
    assert publish(view, "report") == storage / "a/report"
    assert (storage / "a/report/index.html").read() == b"page"
    on("one")
    assert resume(storage, "a").folder == folder  # a report is no snapshot of a search


def test_an_address_is_resumed_where_its_storage_is_worked_on(storage: Remote, on: Any, tmp_path: Path) -> None:
    """Not in the copy that readers get, which nothing copies back."""
    on("one")
    folder, _ = started(storage)
    places("a", storage)
    workspace = resume(tmp_path, f"{storage}/a")
    assert (workspace.folder, workspace.remote) == (folder, storage / "a")
    local = tmp_path / "b"
    search_in(local, 1)
    assert resume(storage, local.as_uri()).folder == local


def test_what_is_read_is_not_where_it_is_resumed(storage: Remote, on: Any) -> None:
    on("one")
    folder, _ = started(storage)
    (view,) = places("a", storage)
    assert view != folder
    assert publish(folder, "report") == storage / "a/report"  # either knows its storage


@pytest.mark.parametrize("name", ["", "b", "../a", "a/..", "."])
def test_a_name_that_is_not_there(storage: Remote, on: Any, name: str) -> None:
    on("one")
    started(storage)
    reads: tuple[Callable[[], Any], ...] = (
        lambda: places(name, storage),
        lambda: find_search(name, storage),
        lambda: resume(storage, name),
    )
    for read in reads:
        with pytest.raises(InputError, match=r"no such search; .* has a$"):
            read()


def test_an_address_that_names_no_folder(storage: Remote, on: Any) -> None:
    on("one")
    with pytest.raises(InputError, match=r"^s3://bucket: expected the address of a folder below it$"):
        resume(storage, "s3://bucket")
    with pytest.raises(InputError, match=r"^nonsense://b/a: Protocol not known"):
        resume(storage, "nonsense://b/a")


def test_a_folder_of_searches_is_no_search_and_is_not_copied(storage: Remote, on: Any) -> None:
    on("one")
    started(storage)
    on("two")
    with pytest.raises(InputError, match="no such search; "):
        places(str(storage), Path("results"))
    assert not list(home_of(storage, "read").parent.rglob("search.yaml"))


def test_a_name_that_is_not_there_on_a_disk(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        find_search("b", tmp_path)
    assert str(error.value) == f"b: no such search; {tmp_path} has none"
    search_in(tmp_path / "c", 1)
    search_in(tmp_path / "a", 2)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").touch()
    for name in ("b", "run"):
        with pytest.raises(InputError) as error:
            find_search(name, tmp_path)
        assert str(error.value) == f"{name}: no such search; {tmp_path} has a, c"
    with pytest.raises(InputError) as error:
        resume(tmp_path, "run")
    assert str(error.value) == f"run: no such search; {tmp_path} has a, c"
    assert resume(tmp_path, "run", "run") == Local(tmp_path / "run", LAYOUT)
    with pytest.raises(InputError) as error:
        resume(tmp_path, "a", "run")
    assert str(error.value) == f"a: no such run; {tmp_path} has run"


def test_the_search_started_last_is_found_without_a_name(tmp_path: Path) -> None:
    search_in(tmp_path / "b", 2)
    search_in(tmp_path / "a", 1)
    (tmp_path / "run").mkdir()
    assert find_search(None, tmp_path) == tmp_path / "b"
    assert find_search("a", tmp_path) == tmp_path / "a"
    assert find_search(str(tmp_path / "a"), Path("elsewhere")) == tmp_path / "a"


def test_a_search_or_a_run_is_found_whichever_it_is(tmp_path: Path) -> None:
    either: tuple[Kind, ...] = ("search", "run")
    with pytest.raises(NoSearchError) as error:
        find(None, tmp_path, either)
    assert str(error.value) == f"{tmp_path}: holds no search or run yet"
    search_in(tmp_path / "a", 2)
    for name, mtime in (("old", 1), ("new", 3)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").touch()
        os.utime(tmp_path / name / "run.json", (mtime, mtime))
    assert find(None, tmp_path, either) == ("run", tmp_path / "new")
    assert find(None, tmp_path, ("search",)) == ("search", tmp_path / "a")
    assert find("a", tmp_path, either) == ("search", tmp_path / "a")
    assert find(str(tmp_path / "old"), Path("elsewhere"), either) == ("run", tmp_path / "old")
    with pytest.raises(InputError) as error:
        find("b", tmp_path, either)
    assert str(error.value) == f"b: no such search or run; {tmp_path} has a, new, old"


def test_the_latest_of_a_storage_may_be_a_run(storage: Remote, on: Any) -> None:
    on("one")
    (storage / "b/run.json").write(b"{}")
    kind, folder = find(None, storage, ("search", "run"))
    assert (kind, folder.name) == ("run", "b")
    with pytest.raises(NoSearchError):
        find(None, storage, ("search",))


def test_a_storage_without_a_search(storage: Remote, on: Any, tmp_path: Path) -> None:
    on("one")
    for place in (storage, tmp_path):
        with pytest.raises(NoSearchError) as error:
            find_search(None, place)
        assert str(error.value) == f"{place}: holds no search yet"


def test_a_storage_that_is_away_is_reported_in_one_line(on: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    on("one")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    nobody = Remote("s3://bucket/a?endpoint_override=127.0.0.1:1&scheme=http&region=us-east-1&anonymous=true")
    reads: tuple[Callable[[], Any], ...] = (
        lambda: begin(nobody, "a"),
        lambda: resume(nobody, "a"),
        lambda: find_search("a", nobody),
        lambda: find_search(None, nobody),
    )
    for read in reads:
        with pytest.raises(InputError, match=r"^--storage s3://bucket/a.*: the server cannot be reached$"):
            read()


def test_a_folder_of_this_machine_is_read_where_it_is(tmp_path: Path) -> None:
    assert places("a", tmp_path) == (tmp_path / "a", Path("a"))
    assert set(places(f"file://{tmp_path}/a", Path("results"))) == {tmp_path / "a"}
    assert publish(tmp_path, "report") is None
