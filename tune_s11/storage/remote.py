"""Results in object storage: files below a URI such as ``s3://bucket/searches``, through pyarrow as Ray does it.

Credentials and endpoint are the environment's (``AWS_ACCESS_KEY_ID``, ``AWS_PROFILE``, ``AWS_ENDPOINT_URL``, an
instance's role); a URI that holds any is refused, for it would be recorded. Nothing waits for minutes: each request
is tried twice.
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
"""Of each request; a server that accepts and says nothing is given up after about 20 seconds."""

_QUERY = ("region", "scheme", "endpoint_override", "anonymous", "project_id")
"""What a URI may say beside its path: nothing of it is secret."""

_REASONS = {
    "NO_SUCH_BUCKET": "there is no such bucket",
    "NETWORK_CONNECTION": "the server cannot be reached",
    "REQUEST_TIMEOUT": "the server cannot be reached",
    "ACCESS_DENIED": "access is denied; expected credentials that may read and write it",
    "INVALID_ACCESS_KEY_ID": "the access key is unknown; expected credentials that may read and write it",
    "SIGNATURE_DOES_NOT_MATCH": "the secret key is wrong; expected credentials that may read and write it",
    "UNKNOWN": "the server refuses; are there credentials that may read and write it?",
}
"""By the names that pyarrow gives to errors of AWS."""


@dataclass(frozen=True)
class Stamp:
    """By which a file is known to have changed: bytes and nanoseconds since 1970."""

    size: int
    mtime: int


@dataclass(frozen=True)
class Remote:
    """A place in a storage, like a :class:`pathlib.Path`: a parent of searches, a folder or a file below.

    Its methods raise OSError where the storage does not do as it is asked; :func:`remote_trouble` says that in words.

    Attributes:
        uri: Names in its path are quoted. It holds no secret, and may be printed.
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
        """Whether there is a file or anything below."""
        filesystem, path = _resolve(self.uri)
        return bool(filesystem.get_file_info(path).type != fs.FileType.NotFound)

    def stamp(self) -> Stamp | None:
        """Of the file; None where there is none."""
        filesystem, path = _resolve(self.uri)
        found = filesystem.get_file_info(path)
        return Stamp(found.size, found.mtime_ns or 0) if found.type == fs.FileType.File else None

    def folders(self) -> list[str]:
        """Names of the folders directly below."""
        filesystem, path = _resolve(self.uri)
        found = filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True))
        return sorted(each.base_name for each in found if each.type == fs.FileType.Directory)

    def files(self) -> dict[str, Stamp]:
        """All files below, by names such as ``trials/t0000/result.json``; one that would lead elsewhere is left out."""
        filesystem, path = _resolve(self.uri)
        found = filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True, recursive=True))
        files = {each.path[len(path) :].strip("/"): each for each in found if each.type == fs.FileType.File}
        return {
            name: Stamp(each.size, each.mtime_ns or 0)
            for name, each in files.items()
            if not {"", ".", ".."} & set(name.split("/"))
        }

    def read(self) -> bytes | None:
        """The file's content; None where there is none."""
        filesystem, path = _resolve(self.uri)
        try:
            with filesystem.open_input_stream(path) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None

    def write(self, content: bytes) -> None:
        """Makes or replaces the file. A reader of an object store sees all of it or what was there before."""
        filesystem, path = _resolve(self.uri)
        if filesystem.type_name not in {"s3", "gcs"}:  # these know no folders
            filesystem.create_dir(str(PurePosixPath(path).parent), recursive=True)
        with filesystem.open_output_stream(path) as stream:
            stream.write(content)

    def download(self, file: Path) -> None:
        """Writes the file's content beside ``file``, then renames."""
        filesystem, path = _resolve(self.uri)
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{uuid.uuid4().hex}")  # its own name may be as long as a name can be
        try:
            with filesystem.open_input_stream(path) as stream, partial.open("wb") as into:
                shutil.copyfileobj(stream, into, 1 << 22)
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)

    def delete(self) -> None:
        """Deletes the file; all the same where there is none."""
        filesystem, path = _resolve(self.uri)
        with contextlib.suppress(FileNotFoundError):
            filesystem.delete_file(path)

    def resolved(self) -> tuple[Any, str]:
        """The filesystem of pyarrow and the path on it."""
        return _resolve(self.uri)


@contextlib.contextmanager
def local_file(place: str) -> Iterator[Path]:
    """The file of a path or an address on this machine's disk, as long as the block runs."""
    if not is_uri(place):
        yield Path(place)
        return
    remote = Remote(place)
    with TemporaryDirectory() as folder:
        file = Path(folder) / remote.name
        remote.download(file)
        yield file


Storage = Path | Remote
"""Where results lie: a folder that this machine reaches by its path, or a place in a storage."""


def parse_storage(text: str | Path) -> Storage:
    """What ``--storage`` names.

    Raises:
        InputError: A URI of a scheme that nobody here knows, without a bucket, or with something secret in it.
    """
    text = str(text)  # a default comes as a path
    if not is_uri(text):
        return Path(text)
    parts = urlsplit(text)
    shown = f"--storage {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    if parts.scheme == "file":
        try:
            return Path(fs.FileSystem.from_uri(text)[1])
        except pa.ArrowInvalid:
            raise InputError(f"{shown}: expected file:///PATH, or the path alone") from None
    if "@" in parts.netloc:
        raise InputError(f"{shown}: holds a user or a password; expected credentials in the environment or ~/.aws")
    if strange := [key for key, _ in parse_qsl(parts.query, keep_blank_values=True) if key not in _QUERY]:
        raise InputError(f"{shown}?{strange[0]}=...: allowed after the path are {', '.join(_QUERY)}")
    if not parts.netloc or parts.fragment:
        raise InputError(f"{shown}: expected SCHEME://BUCKET/PATH")
    remote = Remote(urlunsplit(parts._replace(path=parts.path.rstrip("/"))))
    try:
        _resolve(remote.uri)
    except (ValueError, ImportError) as error:
        raise InputError(f"{shown}: {str(error).splitlines()[0]}; expected a folder, or s3://BUCKET/PATH") from None
    except OSError as error:
        raise InputError(f"{shown}: {remote_trouble(error)}") from None
    return remote


def is_uri(text: str) -> bool:
    """Whether it names a place in a storage, not a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def check_writable(remote: Remote) -> None:
    """Makes sure, by doing it, that files can be written, read and deleted below.

    Raises:
        InputError: They cannot.
    """
    probe, content = remote / f".probe-{uuid.uuid4().hex}", b"tune_s11"
    try:
        if remote.read() is not None:
            raise InputError(f"--storage {remote}: is a file; expected a folder, or a name that is not taken")
        probe.write(content)
        if probe.read() != content:
            raise InputError(f"--storage {remote}: does not give back what was written there")
        probe.delete()
    except (OSError, NotImplementedError) as error:  # such as http, which reads alone
        raise InputError(f"--storage {remote}: {remote_trouble(error)}") from None


def remote_trouble(error: BaseException) -> str:
    """What is wrong with a storage, in a clause: where pyarrow's errors have a name by that, else their first line."""
    lines = str(error).splitlines() or [type(error).__name__]
    named = re.search(r"AWS Error (\w+)(?: \(HTTP status (\d+)\))?", lines[0])
    if named is None:
        return lines[0]
    if named[2] == "403":
        return _REASONS["ACCESS_DENIED"]
    return _REASONS.get(named[1], lines[0].partition(" (Request ID")[0])


@contextlib.contextmanager
def explained(storage: Storage) -> Iterator[None]:
    """Turns what a storage does not do as it is asked into an InputError, for it is the user's to mend."""
    try:
        yield
    except OSError as error:
        raise InputError(f"--storage {storage}: {remote_trouble(error)}") from None


def _resolve(uri: str) -> tuple[Any, str]:
    """The filesystem and the path on it; of S3 with limits on time, which no URI can set."""
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
    """The address in place of Amazon's that the environment names, as Amazon's own tools read it."""
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
