"""A search's folder on one machine or two, and its copy in a storage, met as a real S3 server on loopback."""

import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tune_s11 import mirror as mirrors
from tune_s11.config import InputError
from tune_s11.console import resume_command
from tune_s11.mirror import Mirror, begin, latest, places, publish, take_up
from tune_s11.storage import Remote


@pytest.fixture
def storage(s3: Any) -> Remote:
    """An empty one of the test's own."""
    return Remote(f"s3://{s3.BUCKET}/{uuid.uuid4().hex}")


@pytest.fixture
def on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """What follows happens on the machine of that name."""
    return lambda machine: monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / machine))


def begun(storage: Remote) -> tuple[Path, Mirror]:
    """A search called ``a``, with a first snapshot."""
    folder, mirror = begin(storage, "a")
    assert mirror is not None
    folder.mkdir()
    (folder / "search.yaml").write_text("first")
    mirror.push()
    return folder, mirror


def taken_up(storage: Remote) -> tuple[Path, Mirror]:
    folder, mirror = take_up(storage, "a")
    assert mirror is not None
    return folder, mirror


def test_results_on_a_disk_have_no_mirror(tmp_path: Path) -> None:
    assert begin(tmp_path, "a") == (tmp_path / "a", None)
    assert take_up(tmp_path, "a") == (tmp_path / "a", None)


def test_a_name_is_unique_in_a_storage(storage: Remote, on: Any) -> None:
    on("one")
    begun(storage)
    with pytest.raises(InputError, match=r"^--name a: .* exists; allowed is a new name, or --resume a$"):
        begin(storage, "a")
    on("two")
    with pytest.raises(InputError, match=rf"^--name a: {storage}/a exists"):
        begin(storage, "a")


def test_two_machines_cannot_begin_under_one_name_at_once(storage: Remote, on: Any) -> None:
    on("one")
    folder, first = begin(storage, "a")
    on("two")
    _, second = begin(storage, "a")
    assert first is not None
    assert second is not None
    folder.mkdir()
    (folder / "search.yaml").write_text("first")
    first.push()
    with pytest.raises(InputError, match="another machine has gone on with it"):
        second.push()
    assert (storage / "a/search.yaml").read() == b"first"


def test_another_machine_goes_on_exactly(storage: Remote, on: Any) -> None:
    on("one")
    one, _ = begun(storage)
    on("two")
    two, mirror = taken_up(storage)
    assert one != two
    assert (two / "search.yaml").read_text() == "first"
    (two / "search.yaml").write_text("second")
    mirror.push()
    on("one")
    assert taken_up(storage)[0] == one
    assert (one / "search.yaml").read_text() == "second"


def test_the_newer_folder_on_this_machine_is_brought_up(storage: Remote, on: Any) -> None:
    on("one")
    folder, _ = begun(storage)
    (folder / "search.yaml").write_text("newer")  # and the storage was away
    _, again = taken_up(storage)
    assert (folder / "search.yaml").read_text() == "newer"
    again.push()
    assert (storage / "a/search.yaml").read() == b"newer"


def test_what_two_machines_have_made_of_it_is_never_mixed(storage: Remote, on: Any) -> None:
    on("one")
    one, first = begun(storage)
    on("two")
    two, second = taken_up(storage)
    (two / "search.yaml").write_text("two")
    second.push()
    on("one")
    (one / "search.yaml").write_text("one")
    with pytest.raises(InputError, match="another machine has gone on with it, and so has this one"):
        first.push()
    with pytest.raises(InputError, match=rf"{one}; allowed is to move that folder away"):
        take_up(storage, "a")
    assert (storage / "a/search.yaml").read() == b"two"
    one.rename(one.with_name("away"))
    assert (taken_up(storage)[0] / "search.yaml").read_text() == "two"


def test_a_folder_that_never_got_there_is_not_mixed_with_what_did(storage: Remote, on: Any) -> None:
    on("one")
    folder, _ = begin(storage, "a")
    folder.mkdir()
    (folder / "search.yaml").write_text("one")
    assert taken_up(storage)[0] == folder
    on("two")
    begun(storage)
    on("one")
    with pytest.raises(InputError, match="so has this one"):
        take_up(storage, "a")
    assert (folder / "search.yaml").read_text() == "one"


def test_a_pull_that_was_cut_off_begins_anew(storage: Remote, on: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    on("one")
    folder, mirror = begun(storage)
    (folder / "b.json").write_text("{}")
    mirror.push()
    on("two")

    def die(self: Remote, file: Path) -> None:
        if file.name == "search.yaml":
            raise KeyboardInterrupt
        whole(self, file)

    whole = Remote.download
    with monkeypatch.context() as patch:
        patch.setattr(Remote, "download", die)
        with pytest.raises(KeyboardInterrupt):
            take_up(storage, "a")
    assert (taken_up(storage)[0] / "search.yaml").read_text() == "first"


@pytest.mark.parametrize("after", ["snapshot", "search.yaml"])
def test_a_push_that_was_cut_off_after_a_file(
    storage: Remote, on: Any, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    on("one")
    folder, mirror = begun(storage)
    on("two")
    other, _ = taken_up(storage)
    on("one")
    (folder / "search.yaml").write_text("second")
    (folder / "z.json").write_text("{}")
    write = Remote.write

    def die(self: Remote, content: bytes) -> None:
        write(self, content)
        if self.name == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Remote, "write", die)
        with pytest.raises(KeyboardInterrupt):
            mirror.push()
    on("two")
    assert taken_up(storage)[0] == other  # which sees that there is something newer
    assert (other / "search.yaml").read_bytes() == (storage / "a/search.yaml").read()
    on("one")
    _, mirror = taken_up(storage)
    mirror.push()
    assert (storage / "a/search.yaml").read() == b"second"
    assert (storage / "a/z.json").read() == b"{}"


def test_it_copies_while_the_search_goes_on(storage: Remote, on: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirrors, "SECONDS", 0.05)
    on("one")
    folder, mirror = begun(storage)
    lines: list[str] = []
    with mirror.copying(lines.append):
        (folder / "b.json").write_text("{}")
        while (storage / "a/b.json").read() is None:
            time.sleep(0.05)
    assert lines == [f"storage: {storage}/a, a copy of {folder}"]


def test_a_storage_that_is_away_is_said_once_and_caught_up_with(
    storage: Remote, on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "SECONDS", 0.05)
    on("one")
    folder, mirror = begun(storage)
    lines: list[str] = []
    tried = []

    def away(self: Remote) -> None:
        tried.append(self)
        raise OSError("AWS Error NETWORK_CONNECTION during HeadObject operation: curlCode: 7")

    with mirror.copying(lines.append):
        (folder / "b.json").write_text("{}")
        with monkeypatch.context() as patch:
            patch.setattr(Remote, "read", away)
            while len(tried) < 4:
                time.sleep(0.05)
        while (storage / "a/b.json").read() is None:
            time.sleep(0.05)
    assert lines[1:] == [
        f"storage: {storage}/a: the server cannot be reached; the search goes on in {folder}",
        f"storage: {storage}/a is back and up to date",
    ]
    with monkeypatch.context() as patch:
        patch.setattr(Remote, "read", away)
        with pytest.raises(InputError) as error:
            mirror.finish()
    assert str(folder) in str(error.value)
    assert f"--resume a --storage {storage}" in str(error.value)
    assert resume_command(folder) in str(error.value)


def test_checkpoints_that_workers_have_written_come_with_a_resume(storage: Remote, on: Any) -> None:
    on("one")
    folder, mirror = begun(storage)
    for number in (0, 1, 10):
        (folder / f"trials/t{number:04d}").mkdir(parents=True)
        (storage / f"a/trials/t{number:04d}/checkpoint_000002/checkpoint.pt").write(b"x")
    mirror.drop_checkpoints("t0001")
    _, mirror = taken_up(storage)
    file = folder / "trials/t0000/checkpoint_000002/checkpoint.pt"
    assert [each.parts[-3] for each in sorted(folder.rglob("checkpoint.pt"))] == ["t0000", "t0010"]
    assert mirror.remote_of(file) == storage / "a/trials/t0000/checkpoint_000002/checkpoint.pt"
    mirror.push()  # they are their workers' to delete
    for trial in ("t0000", "t0010"):
        mirror.drop_checkpoints(trial)
    assert not any("checkpoint" in name for name in (storage / "a").files())


def test_a_reader_gets_what_it_wants_from_anywhere(storage: Remote, on: Any) -> None:
    on("one")
    folder, mirror = begun(storage)
    for name in ("best/seed-0/checkpoint.pt", "tensorboard/t00/events", "study.log", "trials/t0000/params.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}\n")
    mirror.push()
    (storage / "a/trials/t0000/checkpoint_000002/checkpoint.pt").write(b"x")
    on("two")
    assert latest(storage) == "a"
    (view,) = places("a", storage)
    assert places(f"{storage}/a", Path("results")) == (view,)
    files = {file.relative_to(view).as_posix() for file in view.rglob("[!.]*") if file.is_file()}
    assert files == {"search.yaml", "best/seed-0/checkpoint.pt", "trials/t0000/params.json"}
    (view / "report").mkdir()
    (view / "report/index.html").write_text("page")
    assert publish(view, "report") == storage / "a/report"
    assert (storage / "a/report/index.html").read() == b"page"
    on("one")
    assert taken_up(storage)[0] == folder  # a report is no snapshot of a search


@pytest.mark.parametrize("name", ["b", "../a", "a/..", "."])
def test_a_name_that_is_not_there(storage: Remote, on: Any, name: str) -> None:
    on("one")
    begun(storage)
    reads: tuple[Callable[[], Any], ...] = (lambda: places(name, storage), lambda: take_up(storage, name))
    for read in reads:
        with pytest.raises(InputError, match=r"no such search; .* has a$"):
            read()


def test_a_storage_without_a_search(storage: Remote, on: Any) -> None:
    on("one")
    with pytest.raises(InputError, match="holds no search yet"):
        latest(storage)


def test_a_folder_of_this_machine_is_read_where_it_is(tmp_path: Path) -> None:
    assert places("a", tmp_path) == (tmp_path / "a", Path("a"))
    assert publish(tmp_path, "report") is None
    shutil.rmtree(tmp_path)
