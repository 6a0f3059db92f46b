"""A search's folder on one machine or two, and its copy in a storage, met as a real S3 server on loopback."""

import time
from pathlib import Path
from typing import Any

import pytest

from tune_s11.config import InputError
from tune_s11.results.opening import begin, resume
from tune_s11.storage import mirror as mirrors
from tune_s11.storage.lock import only_session
from tune_s11.storage.mirror import Mirror
from tune_s11.storage.remote import Remote
from tune_s11.storage.sync import Shared
from tune_s11.storage.workspace import NotCopiedError


def started(storage: Remote) -> tuple[Path, Mirror]:
    """A search called ``a``, with a first snapshot."""
    mirror = begin(storage, "a")
    assert isinstance(mirror, Mirror)
    mirror.folder.mkdir()
    (mirror.folder / "search.yaml").write_text("first")
    mirror.push()
    return mirror.folder, mirror


def resumed(storage: Remote) -> tuple[Path, Mirror]:
    mirror = resume(storage, "a")
    assert isinstance(mirror, Mirror)
    return mirror.folder, mirror


def test_another_machine_goes_on_exactly(storage: Remote, on: Any) -> None:
    on("one")
    one, _ = started(storage)
    on("two")
    two, mirror = resumed(storage)
    assert one != two
    assert (two / "search.yaml").read_text() == "first"
    (two / "search.yaml").write_text("second")
    mirror.push()
    on("one")
    assert resumed(storage)[0] == one
    assert (one / "search.yaml").read_text() == "second"


def test_the_newer_folder_on_this_machine_is_brought_up(storage: Remote, on: Any) -> None:
    on("one")
    folder, _ = started(storage)
    (folder / "search.yaml").write_text("newer")  # and the storage was away
    _, again = resumed(storage)
    assert (folder / "search.yaml").read_text() == "newer"
    again.push()
    assert (storage / "a/search.yaml").read() == b"newer"


def test_what_two_machines_have_made_of_it_is_never_mixed(storage: Remote, on: Any) -> None:
    on("one")
    one, first = started(storage)
    on("two")
    two, second = resumed(storage)
    (two / "search.yaml").write_text("two")
    second.push()
    on("one")
    (one / "search.yaml").write_text("one")
    with pytest.raises(InputError, match="another machine has continued it, and so has this one"):
        first.push()
    with pytest.raises(InputError, match=rf"{one}; move that folder away"):
        resume(storage, "a")
    assert (storage / "a/search.yaml").read() == b"two"
    one.rename(one.with_name("away"))
    assert (resumed(storage)[0] / "search.yaml").read_text() == "two"


def lose(place: Remote) -> None:
    """Delete everything, as an expiry rule or a server that was set up anew does."""
    for name in place.files():
        (place / name).delete()


def test_a_copy_that_is_gone_is_written_again_with_the_checkpoints_of_workers(storage: Remote, on: Any) -> None:
    on("one")
    folder, _ = started(storage)
    checkpoint = "trials/t0000/checkpoint_000002/checkpoint.pt"
    (storage / "a" / checkpoint).write(b"x")
    resumed(storage)
    lose(storage / "a")
    _, mirror = resumed(storage)
    assert (folder / "search.yaml").read_text() == "first"
    assert (folder / checkpoint).exists()
    lines: list[str] = []
    with mirror.copying(lines.append):
        assert (storage / "a/search.yaml").read() == b"first"
        assert (storage / "a" / checkpoint).read() == b"x"
    assert lines[0] == f"storage: {storage}/a: the copy there is gone; it is written again from {folder}"
    on("two")
    assert (resumed(storage)[0] / checkpoint).exists()


def test_a_copy_that_goes_during_a_search_is_written_again(storage: Remote, on: Any) -> None:
    on("one")
    folder, mirror = started(storage)
    part = folder / "finalists/t0000/seed-0"
    (storage / "a/finalists/t0000/seed-0/metrics.jsonl").write(b"1\n")
    mirror.fetch(part)
    lose(storage / "a")
    mirror.fetch(part)
    assert (part / "metrics.jsonl").read_text() == "1\n"
    mirror.push()
    assert (storage / "a/search.yaml").read() == b"first"
    assert (storage / "a/finalists/t0000/seed-0/metrics.jsonl").read() == b"1\n"


def test_a_copy_that_goes_before_it_was_pulled_whole_is_not_replaced_with_a_part(
    storage: Remote, on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    on("one")
    started(storage)
    on("two")
    with monkeypatch.context() as patch:
        patch.setattr(Remote, "download", raise_interrupt)
        with pytest.raises(KeyboardInterrupt):
            resume(storage, "a")
    lose(storage / "a")
    with pytest.raises(InputError, match=r"the copy there is gone, and .* has only a part of it"):
        resume(storage, "a")


def raise_interrupt(self: Remote, file: Path) -> None:
    raise KeyboardInterrupt


def test_a_folder_that_never_got_there_is_not_mixed_with_what_did(storage: Remote, on: Any) -> None:
    on("one")
    folder = begin(storage, "a").folder
    folder.mkdir()
    (folder / "search.yaml").write_text("one")
    assert resumed(storage)[0] == folder
    on("two")
    started(storage)
    on("one")
    with pytest.raises(InputError, match="so has this one"):
        resume(storage, "a")
    assert (folder / "search.yaml").read_text() == "one"


def test_a_pull_that_was_cut_off_begins_anew(storage: Remote, on: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    on("one")
    folder, mirror = started(storage)
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
            resume(storage, "a")
    assert (resumed(storage)[0] / "search.yaml").read_text() == "first"


@pytest.mark.parametrize("after", ["snapshot", "search.yaml"])
def test_a_push_that_was_cut_off_after_a_file(
    storage: Remote, on: Any, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    on("one")
    folder, mirror = started(storage)
    on("two")
    other, _ = resumed(storage)
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
    assert resumed(storage)[0] == other  # which sees that there is something newer
    assert (other / "search.yaml").read_bytes() == (storage / "a/search.yaml").read()
    on("one")
    _, mirror = resumed(storage)
    mirror.push()
    assert (storage / "a/search.yaml").read() == b"second"
    assert (storage / "a/z.json").read() == b"{}"


def test_it_copies_while_the_search_goes_on(storage: Remote, on: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirrors, "SECONDS", 0.05)
    on("one")
    folder, mirror = started(storage)
    lines: list[str] = []
    with mirror.copying(lines.append):
        (folder / "b.json").write_text("{}")
        while (storage / "a/b.json").read() is None:
            time.sleep(0.05)
    assert lines == [f"storage: {storage}/a, a copy of {folder}"]


def test_after_an_interruption_too_it_says_that_the_storage_is_behind(
    storage: Remote, on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    on("one")
    folder, mirror = started(storage)
    lines: list[str] = []

    def away(self: Remote) -> None:
        raise OSError("AWS Error NETWORK_CONNECTION during HeadObject operation: curlCode: 7")

    def interrupt() -> None:
        monkeypatch.setattr(Remote, "read", away)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), mirror.copying(lines.append):
        interrupt()
    reason = "is not up to date, because the server cannot be reached; everything is in"
    assert lines[1:] == [f"storage: {storage}/a: {reason} {folder}"]


def test_a_folder_that_a_session_here_works_in_is_not_touched(storage: Remote, on: Any) -> None:
    on("one")
    folder, _ = started(storage)
    state = (folder / ".storage.json").read_bytes()
    with only_session(folder), pytest.raises(InputError, match=r"^a: another session is working on it"):
        resume(storage, "a")
    assert (folder / ".storage.json").read_bytes() == state


def test_a_storage_that_is_away_is_said_once_and_caught_up_with(
    storage: Remote, on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "SECONDS", 0.05)
    on("one")
    folder, mirror = started(storage)
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
        f"storage: {storage}/a: the server cannot be reached; the search continues in {folder}",
        f"storage: {storage}/a is back and up to date",
    ]
    with monkeypatch.context() as patch:
        patch.setattr(Remote, "read", away)
        with pytest.raises(NotCopiedError) as error:
            mirror.finish()
    reason = "is not up to date, because the server cannot be reached; everything is in"
    assert str(error.value) == f"{storage}/a: {reason} {folder}"
    assert error.value.folder == folder


def test_checkpoints_that_workers_have_written_come_with_a_resume(storage: Remote, on: Any) -> None:
    on("one")
    folder, mirror = started(storage)
    for number in (0, 1, 10):
        (folder / f"trials/t{number:04d}").mkdir(parents=True)
        (storage / f"a/trials/t{number:04d}/checkpoint_000002/checkpoint.pt").write(b"x")
    mirror.drop(folder / "trials/t0001", "checkpoint_")
    _, mirror = resumed(storage)
    file = folder / "trials/t0000/checkpoint_000002/checkpoint.pt"
    assert [each.parts[-3] for each in sorted(folder.rglob("checkpoint.pt"))] == ["t0000", "t0010"]
    assert mirror.reachable(file) == storage / "a/trials/t0000/checkpoint_000002/checkpoint.pt"
    mirror.push()  # they are their workers' to delete
    for trial in ("t0000", "t0010"):
        mirror.drop(folder / "trials" / trial, "checkpoint_")
    assert not any("checkpoint" in name for name in (storage / "a").files())
    assert not list(folder.rglob("checkpoint*"))


def test_what_cannot_be_deleted_in_the_storage_is_deleted_here(
    storage: Remote, on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    on("one")
    folder, mirror = started(storage)
    checkpoint = folder / "trials/t0000/checkpoint_000002"
    checkpoint.mkdir(parents=True)
    (folder / "trials/t0000/params.json").touch()

    def away(self: Remote) -> dict[str, Any]:
        raise OSError("AWS Error NETWORK_CONNECTION during ListObjectsV2 operation: curlCode: 7")

    monkeypatch.setattr(Remote, "files", away)
    mirror.drop(folder / "trials/t0000", "checkpoint_")
    assert not checkpoint.exists()
    assert (folder / "trials/t0000/params.json").exists()


def test_a_part_goes_to_workers_and_comes_back(storage: Remote, on: Any) -> None:
    on("one")
    folder, mirror = started(storage)
    part = folder / "best/seed-0"
    shared = mirror.shared(part)
    assert shared == Shared(part, storage / "a/best/seed-0", mirror.layout)
    with shared.opened(lambda: None, lambda: None) as (elsewhere, _):
        (elsewhere / "metrics.jsonl").write_text("1\n")
        (elsewhere / "scores.json").write_text("{}")
    assert not part.exists()
    mirror.peek(part, "metrics.jsonl")
    assert [file.name for file in part.iterdir()] == ["metrics.jsonl"]
    mirror.fetch(part)
    assert sorted(file.name for file in part.iterdir()) == ["metrics.jsonl", "scores.json"]


def test_a_look_at_a_storage_that_is_away_does_not_wait(
    storage: Remote, on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    on("one")
    folder, mirror = started(storage)

    def away(self: Remote) -> dict[str, Any]:
        raise OSError("AWS Error NETWORK_CONNECTION during ListObjectsV2 operation: curlCode: 7")

    monkeypatch.setattr(Remote, "files", away)
    mirror.peek(folder / "best", "metrics.jsonl")
    assert not (folder / "best").exists()


def test_a_flush_waits_for_the_storage(storage: Remote, on: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    on("one")
    folder, mirror = started(storage)
    (folder / "b.json").write_text("{}")
    read, tried = Remote.read, []

    def at_first_away(self: Remote) -> bytes | None:
        tried.append(self)
        if len(tried) < 3:
            raise OSError("AWS Error NETWORK_CONNECTION during HeadObject operation: curlCode: 7")
        return read(self)

    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(Remote, "read", at_first_away)
    mirror.flush()
    assert (storage / "a/b.json").read() == b"{}"
