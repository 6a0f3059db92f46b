"""One interface for results that stay where they are and for results that are copied to a storage."""

import inspect
from pathlib import Path

import pytest

from tune_s11.config import InputError
from tune_s11.results.folder import LAYOUT
from tune_s11.storage.mirror import Mirror
from tune_s11.storage.remote import Remote
from tune_s11.storage.sync import Shared
from tune_s11.storage.workspace import Local, Workspace, finishing


def content(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")
    }


@pytest.fixture
def local(tmp_path: Path) -> Local:
    """A search folder with a trial in it."""
    for name in ("search.yaml", "trials/t0000/params.json", "trials/t0000/checkpoint_000002/checkpoint.pt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return Local(tmp_path, LAYOUT)


def test_both_kinds_satisfy_the_protocol(tmp_path: Path) -> None:
    """A type checker holds the assignments; here every member is there, with the protocol's parameters."""
    workspaces: list[Workspace] = [Local(tmp_path, LAYOUT), Mirror(tmp_path, Remote("s3://bucket/a"), LAYOUT)]
    members = [name for name in vars(Workspace) if not name.startswith("_")]
    assert len(members) == 11
    for workspace in workspaces:
        for name in members:
            declared, there = inspect.getattr_static(Workspace, name), getattr(workspace, name)
            if not isinstance(declared, property):
                parameters = list(inspect.signature(declared).parameters)[1:]
                assert list(inspect.signature(there).parameters) == parameters, name


def test_only_local_results_have_to_be_seen_by_all_nodes(tmp_path: Path) -> None:
    local, mirror = Local(tmp_path, LAYOUT), Mirror(tmp_path, Remote("s3://bucket/a"), LAYOUT)
    assert (local.folder, local.remote, local.seen_by_nodes) == (tmp_path, None, tmp_path)
    assert (mirror.folder, mirror.remote, mirror.seen_by_nodes) == (tmp_path, Remote("s3://bucket/a"), None)


def test_local_results_need_no_copying(local: Local) -> None:
    before = content(local.folder)
    printed: list[str] = []
    with local.copying(printed.append):
        local.flush()
        local.fetch(local.folder / "best")
        local.peek(local.folder / "best", "metrics.jsonl")
    local.finish()
    assert printed == []
    assert content(local.folder) == before


def test_an_error_passes_through_the_copying_of_local_results(local: Local) -> None:
    with pytest.raises(KeyError, match="mine"), local.copying(print):
        raise KeyError("mine")


def test_local_results_are_shared_and_reached_where_they_are(local: Local) -> None:
    part = local.folder / "best"
    assert local.shared(part) == Shared(part, None, LAYOUT)
    assert local.reachable(part / "winner.json") == part / "winner.json"


def test_local_results_are_dropped_by_prefix(local: Local) -> None:
    trial = local.folder / "trials/t0000"
    (trial / "checkpoint_000004").mkdir()
    local.drop(trial, "checkpoint_")
    assert [path.name for path in trial.iterdir()] == ["params.json"]
    local.drop(trial, "checkpoint_")
    local.drop(local.folder / "nowhere", "checkpoint_")
    assert content(local.folder).keys() == {"search.yaml", "trials", "trials/t0000", "trials/t0000/params.json"}


class Behind(Local):
    """A folder whose copy cannot be brought up to date."""

    def finish(self) -> None:
        raise InputError("the copy is behind")


def test_what_is_written_last_is_copied_and_an_earlier_error_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the copy is behind"), finishing(Behind(tmp_path, LAYOUT)):
        pass
    with pytest.raises(ZeroDivisionError), finishing(Behind(tmp_path, LAYOUT)):
        raise ZeroDivisionError
