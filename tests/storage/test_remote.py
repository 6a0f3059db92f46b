"""A storage, met as a real S3 server on loopback."""

import socket
from pathlib import Path
from typing import Any

import pytest

from tune_s11.config import InputError
from tune_s11.storage.remote import Remote, check_writable, local_file, parse_storage


@pytest.fixture
def place(s3: Any, tmp_path: Path) -> Remote:
    """An empty one of the test's own."""
    return Remote(f"s3://{s3.BUCKET}/{tmp_path.name}")


def test_a_path_is_a_path() -> None:
    assert parse_storage("results/x") == Path("results/x")
    assert parse_storage("file:///tmp/x") == Path("/tmp/x")


def test_an_address_without_its_last_slash(s3: Any) -> None:
    assert parse_storage(f"s3://{s3.BUCKET}/a/") == Remote(f"s3://{s3.BUCKET}/a")


def test_places_are_named_as_paths_are() -> None:
    place = Remote("s3://bucket/a?region=eu-north-1") / "b/c.json"
    assert place.uri == "s3://bucket/a/b/c.json?region=eu-north-1"
    assert place.name == "c.json"
    assert place.parent == Remote("s3://bucket/a/b?region=eu-north-1")


def test_what_is_written_is_read(place: Remote) -> None:
    file = place / "a b/100% ü?#+.json"
    assert file.read() is None
    assert file.stamp() is None
    file.write(b"{}\n")
    assert file.read() == b"{}\n"
    assert list(place.files()) == ["a b/100% ü?#+.json"]
    assert place.folders() == ["a b"]
    with local_file(file.uri) as here:
        assert here.read_bytes() == b"{}\n"
    assert not here.exists()
    file.delete()
    file.delete()
    assert place.files() == {}


def test_a_name_that_leads_elsewhere_is_left_out(s3: Any, place: Remote) -> None:
    s3.request("PUT", f"/{s3.BUCKET}/{place.name}/%2E%2E/%2E%2E/evil.txt", b"x")
    (place / "good.txt").write(b"y")
    assert list(place.files()) == ["good.txt"]


def test_a_storage_that_can_be_written(place: Remote) -> None:
    check_writable(place)
    assert place.files() == {}


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("s3://key:hush@bucket/a", "s3://bucket/a: contains a user name or a password"),
        ("s3://bucket/a?secret_key=hush", "s3://bucket/a?secret_key=...: unknown key; expected one of"),
        ("s3:///a", "expected SCHEME://BUCKET/PATH"),
        ("s3://bucket/a#b", "expected SCHEME://BUCKET/PATH"),
        ("nonsense://bucket/a", "Protocol not known: nonsense"),
        ("file://results", "--storage file://results: expected file:///PATH, or the path alone"),
    ],
)
def test_an_address_that_cannot_be(address: str, complaint: str) -> None:
    with pytest.raises(InputError) as error:
        parse_storage(address)
    assert complaint in str(error.value)
    with pytest.raises(InputError, match=r"^(s3|nonsense|file)://"):
        parse_storage(address, option="")
    assert "hush" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_bucket_that_is_not_there(s3: Any) -> None:
    with pytest.raises(InputError, match=r"^--storage s3://nowhere/a: there is no such bucket$"):
        check_writable(Remote("s3://nowhere/a"))


def test_a_web_address_cannot_be_written() -> None:
    with pytest.raises(InputError, match=r"^--storage http://127.0.0.1:1/a: "):
        check_writable(Remote("http://127.0.0.1:1/a"))


def test_a_whole_bucket_can_be_written(s3: Any) -> None:
    check_writable(Remote(f"s3://{s3.BUCKET}"))


def test_an_address_of_a_file(place: Remote) -> None:
    place.write(b"")
    with pytest.raises(InputError, match="is a file"):
        check_writable(place)


def test_a_server_that_is_not_there(s3: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"s3://bucket/a?endpoint_override=127.0.0.1:{taken.getsockname()[1]}&scheme=http"
        with pytest.raises(InputError, match="the server cannot be reached"):
            check_writable(Remote(address))


def test_credentials_that_may_not_write(s3: Any, place: Remote) -> None:
    s3.request("POST", "/moto-api/reset-auth", b"0")  # from now on it asks who is there
    try:
        with pytest.raises(InputError, match="credentials that may read and write it"):
            check_writable(place)
    finally:
        s3.request("POST", "/moto-api/reset-auth", b"inf")


def test_a_storage_that_only_fsspec_knows() -> None:
    place = Remote("memory://bucket/a")
    check_writable(place)
    (place / "b/c").write(b"x")
    assert list(place.files()) == ["b/c"]
