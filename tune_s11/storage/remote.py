"""Reads and writes object storage: files below a URI such as ``s3://bucket/searches``, through pyarrow as Ray does.

Credentials and endpoint come from the environment (``AWS_ACCESS_KEY_ID``, ``AWS_PROFILE``, ``AWS_ENDPOINT_URL``, an
instance's role). A URI that holds credentials is refused, because it would be recorded. Requests have time limits and
are tried twice, so nothing waits for minutes.
"""

import contextlib
import datetime
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

import fsspec
import pyarrow as pa
from pyarrow import fs

from tune_s11.config import InputError

CONNECT_SECONDS, REQUEST_SECONDS, ATTEMPTS = 3.0, 8.0, 2
"""Limits of each request; a server that accepts a connection but never answers fails after about 20 seconds."""

_QUERY = ("region", "scheme", "endpoint_override", "anonymous", "project_id")
"""Query keys that a URI may have after its path; none of them is secret."""

_REASONS = {
    "NO_SUCH_BUCKET": "there is no such bucket",
    "NETWORK_CONNECTION": "the server cannot be reached",
    "REQUEST_TIMEOUT": "the server cannot be reached",
    "ACCESS_DENIED": "access is denied; expected credentials that may read and write it",
    "INVALID_ACCESS_KEY_ID": "the access key is unknown; expected credentials that may read and write it",
    "SIGNATURE_DOES_NOT_MATCH": "the secret key is wrong; expected credentials that may read and write it",
    "UNKNOWN": "the server refuses access; expected credentials that may read and write it",
}
"""Reasons in words, by the names that pyarrow gives to AWS errors."""


@dataclass(frozen=True)
class Stamp:
    """Size in bytes and modification time in nanoseconds since 1970, which show whether a file has changed."""

    size: int
    mtime: int


@dataclass(frozen=True)
class Remote:
    """A place in a storage, like a :class:`pathlib.Path`: a parent of searches, or a folder or file below it.

    Its methods raise OSError if the storage fails; :func:`describe_remote_error` describes the error in words.

    Attributes:
        uri: Address, with the names in its path quoted. It contains no secret, and may be printed.
    """

    uri: str

    def __str__(self) -> str:
        return self.uri

    def __truediv__(self, name: str) -> "Remote":
        parts = urlsplit(self.uri)
        return Remote(urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{quote(name)}")))

    @property
    def parent(self) -> "Remote":
        """The place above."""
        parts = urlsplit(self.uri)
        return Remote(urlunsplit(parts._replace(path=parts.path.rpartition("/")[0])))

    @property
    def name(self) -> str:
        """The last part of the path."""
        return unquote(urlsplit(self.uri).path.rpartition("/")[2])

    def exists(self) -> bool:
        """Return whether there is a file here, or anything below."""
        filesystem, path = _resolve(self.uri)
        return bool(filesystem.get_file_info(path).type != fs.FileType.NotFound)

    def stamp(self) -> Stamp | None:
        """Return the stamp of the file; None if there is none."""
        filesystem, path = _resolve(self.uri)
        found = filesystem.get_file_info(path)
        return Stamp(found.size, found.mtime_ns or 0) if found.type == fs.FileType.File else None

    def folders(self) -> list[str]:
        """Return the names of the folders directly below."""
        filesystem, path = _resolve(self.uri)
        found = filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True))
        return sorted(each.base_name for each in found if each.type == fs.FileType.Directory)

    def files(self) -> dict[str, Stamp]:
        """Return all files below, by names such as ``trials/t0000/result.json``; unsafe names are skipped."""
        filesystem, path = _resolve(self.uri)
        found = filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True, recursive=True))
        files = {each.path[len(path) :].strip("/"): each for each in found if each.type == fs.FileType.File}
        return {
            name: Stamp(each.size, each.mtime_ns or 0)
            for name, each in files.items()
            if not {"", ".", ".."} & set(name.split("/"))
        }

    def read(self) -> bytes | None:
        """Return the content of the file; None if there is none."""
        filesystem, path = _resolve(self.uri)
        try:
            with filesystem.open_input_stream(path) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None

    def write(self, content: bytes) -> None:
        """Create or replace the file. Readers of an object store see either the whole old or the whole new content."""
        filesystem, path = _resolve(self.uri)
        if filesystem.type_name not in {"s3", "gcs"}:  # these have no folders
            filesystem.create_dir(str(PurePosixPath(path).parent), recursive=True)
        with filesystem.open_output_stream(path) as stream:
            stream.write(content)

    def download(self, file: Path) -> None:
        """Download the file to a temporary file, then rename that to ``file``; readers see all or nothing."""
        filesystem, path = _resolve(self.uri)
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{uuid.uuid4().hex}")  # the file's own name may leave no room for a suffix
        try:
            with filesystem.open_input_stream(path) as stream, partial.open("wb") as into:
                shutil.copyfileobj(stream, into, 1 << 22)
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)

    def delete(self) -> None:
        """Delete the file, if there is one."""
        filesystem, path = _resolve(self.uri)
        with contextlib.suppress(FileNotFoundError):
            filesystem.delete_file(path)

    def resolved(self) -> tuple[Any, str]:
        """Return the pyarrow filesystem and the path on it."""
        return _resolve(self.uri)


@contextlib.contextmanager
def local_file(place: str) -> Iterator[Path]:
    """Provide the file at a path or an address as a file on this machine's disk while the block runs."""
    if not is_uri(place):
        yield Path(place)
        return
    remote = Remote(place)
    with TemporaryDirectory() as folder:
        file = Path(folder) / remote.name
        remote.download(file)
        yield file


Storage = Path | Remote
"""Parent of results: a folder that this machine reaches by its path, or a place in a storage."""


def parse_storage(text: str | Path, option: str = "--storage ") -> Storage:
    """Return the storage that ``--storage`` names.

    Args:
        text: Path or address.
        option: Option that names it, for errors, with a space after it; empty: the caller adds it.

    Raises:
        InputError: The URI has an unknown scheme or no bucket, or contains something secret.
    """
    text = str(text)  # a default is a path
    if not is_uri(text):
        return Path(text)
    parts = urlsplit(text)
    shown = f"{option}{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    if parts.scheme == "file":
        try:
            return Path(fs.FileSystem.from_uri(text)[1])
        except pa.ArrowInvalid:
            raise InputError(f"{shown}: expected file:///PATH, or the path alone") from None
    if "@" in parts.netloc:
        raise InputError(
            f"{shown}: contains a user name or a password; expected credentials in the environment or ~/.aws"
        )
    if strange := [key for key, _ in parse_qsl(parts.query, keep_blank_values=True) if key not in _QUERY]:
        raise InputError(f"{shown}?{strange[0]}=...: unknown key; expected one of {', '.join(_QUERY)}")
    if not parts.netloc or parts.fragment:
        raise InputError(f"{shown}: expected SCHEME://BUCKET/PATH")
    remote = Remote(urlunsplit(parts._replace(path=parts.path.rstrip("/"))))
    try:
        _resolve(remote.uri)
    except (ValueError, ImportError) as error:
        raise InputError(f"{shown}: {str(error).splitlines()[0]}; expected a folder, or s3://BUCKET/PATH") from None
    except OSError as error:
        raise InputError(f"{shown}: {describe_remote_error(error)}") from None
    return remote


def is_uri(text: str) -> bool:
    """Return whether a text names a place in a storage rather than a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def check_writable(remote: Remote) -> None:
    """Check that files can be written, read and deleted below a place, by trying it.

    Raises:
        InputError: Files cannot be written, read or deleted there.
    """
    probe, content = remote / f".probe-{uuid.uuid4().hex}", b"tune_s11"
    try:
        if remote.stamp() is not None:
            raise InputError(f"--storage {remote}: is a file; expected a folder, or a name that is not taken")
        probe.write(content)
        if probe.read() != content:
            raise InputError(f"--storage {remote}: does not return what was written there")
        probe.delete()
    except (OSError, NotImplementedError) as error:  # such as http, which can only read
        raise InputError(f"--storage {remote}: {describe_remote_error(error)}") from None


def describe_remote_error(error: BaseException) -> str:
    """Describe an error of a storage in one clause: by the AWS error that pyarrow names, or by its first line."""
    lines = str(error).splitlines() or [type(error).__name__]
    named = re.search(r"AWS Error (\w+)(?: \(HTTP status (\d+)\))?", lines[0])
    if named is None:
        return lines[0]
    if named[2] == "403":
        return _REASONS["ACCESS_DENIED"]
    return _REASONS.get(named[1], lines[0].partition(" (Request ID")[0])


@contextlib.contextmanager
def explained(storage: Storage) -> Iterator[None]:
    """Turn the OSError of a storage into an InputError, because the user has to fix it."""
    try:
        yield
    except OSError as error:
        raise InputError(f"--storage {storage}: {describe_remote_error(error)}") from None


def _resolve(uri: str) -> tuple[Any, str]:
    """Return the filesystem and the path on it; S3 gets time limits, which no URI can set."""
    parts = urlsplit(uri)
    if parts.scheme in {"s3", "gs", "gcs"}:
        return _object_store(parts.scheme, parts.netloc, parts.query), unquote(parts.netloc + parts.path)
    try:
        filesystem, below = fs.FileSystem.from_uri(uri)
        return filesystem, str(below)
    except pa.ArrowInvalid as error:
        if "Unrecognized filesystem" not in str(error):
            raise
    filesystem, below = fsspec.url_to_fs(unquote(uri))
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), str(below)


def s3_endpoint() -> str | None:
    """Return the endpoint that the environment sets in place of Amazon's, as Amazon's own tools read it."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


@cache
def _object_store(scheme: str, bucket: str, query: str) -> Any:
    given = dict(parse_qsl(query))
    if scheme != "s3":
        return fs.GcsFileSystem(
            scheme=given.get("scheme", "https"),
            endpoint_override=given.get("endpoint_override"),
            anonymous=given.get("anonymous") == "true",
            project_id=given.get("project_id"),
            retry_time_limit=datetime.timedelta(seconds=ATTEMPTS * REQUEST_SECONDS),
        )
    endpoint = given.get("endpoint_override") or s3_endpoint()
    region = given.get("region") or os.environ.get("AWS_REGION", os.environ.get("AWS_DEFAULT_REGION"))
    return fs.S3FileSystem(
        region=region if endpoint or region else fs.resolve_s3_region(bucket),
        scheme=given.get("scheme", "https"),
        endpoint_override=endpoint,
        anonymous=given.get("anonymous") == "true",
        connect_timeout=CONNECT_SECONDS,
        request_timeout=REQUEST_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
    )
