"""Files in object storage and on web servers, through fsspec: opened, read in bounded pieces, tried again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, TypeVar

from excision.errors import DatasetError, ExcisionError, SettingsError
from excision.storage.entry import is_url
from excision.system.files import is_disk_full

_PIECE = 4 * 2**20
"""Bytes that are asked for at once: most images come with one request."""

_PAGE = 1000  # objects that S3 lists at once, at most

_TRIES = 8
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 16.0  # seconds
_STATES = ("ETag", "etag", "md5Hash", "content_md5", "LastModified", "last_modified", "mtime", "updated")
_HOPELESS = ("NoCredentialsError", "PartialCredentialsError", "ParamValidationError", "ProfileNotFound")
"""Errors of botocore that no further attempt changes; they share no class with those of other libraries."""

WEB = ("http", "https")
S3 = ("s3", "s3a")

T = TypeVar("T")


class _BoundsError(Exception):
    """A file is larger or shorter than it may be."""


_FINAL = (
    FileNotFoundError,
    PermissionError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    _BoundsError,
)
"""What no further attempt changes."""

_LATER = (408, 425, 429)
"""Answers of web servers below 500 that another attempt may change."""


@lru_cache(maxsize=32)
def _filesystem(scheme: str, *, repeats: bool = False) -> Any:
    """Open a kind of storage; `repeats` leaves it to its library to repeat requests that fail."""
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise SettingsError(
            f'{scheme}:// needs fsspec; install it with: pip install "excision[cluster]"'
        ) from error
    try:
        # Listings that are kept would grow with the data, and hide what other jobs have written.
        system = fsspec.filesystem(scheme, use_listings_cache=False, skip_instance_cache=True)
    except ImportError as error:
        raise SettingsError(f"{scheme}:// cannot be opened: {error}") from error
    except ValueError as error:
        raise SettingsError(f"{scheme}:// is no kind of storage that fsspec knows ({error})") from error
    except Exception as error:
        # Such as one that must be told its host, or finds no credentials.
        raise SettingsError(f"{scheme}:// cannot be opened ({type(error).__name__}: {error})") from error
    if scheme in S3 and not repeats:
        # Requests are repeated in one place, `retried`, not on three levels that multiply.
        system.retries = 1
        system.config_kwargs.setdefault("retries", {"total_max_attempts": 1})
    return system


def locate(url: str) -> tuple[Any, str]:
    """Give the file system of a URL, and the path in it.

    Raises:
        SettingsError: what it needs is not installed, or no kind of storage has this name.
    """
    system = _filesystem(url.partition("://")[0])
    return system, str(system._strip_protocol(url))


def retried(call: Callable[..., T], *words: Any, **named: Any) -> T:
    """Call, and again after a while where it fails: storage refuses requests when it has too many.

    The waits double and are drawn at random, so that many processes do not come back at once ("full jitter":
    Brooker, Exponential Backoff and Jitter, AWS Architecture Blog, 2015).
    """
    for attempt in range(1, _TRIES):
        try:
            return call(*words, **named)
        except _FINAL:
            raise
        except Exception as error:
            if type(error).__name__ in _HOPELESS or _is_refused(error) or is_disk_full(error):
                raise
            time.sleep(random.uniform(0, min(_FIRST_WAIT * 2**attempt, _LONGEST_WAIT)))
    return call(*words, **named)


def _is_refused(error: Exception) -> bool:
    """Tell whether a web server has refused a request for good, such as one whose signature has expired."""
    status = getattr(error, "status", None)
    return isinstance(status, int) and 400 <= status < 500 and status not in _LATER


def fetch_remote(
    url: str,
    target: Path,
    most: int,
    kind: type[ExcisionError],
    offset: int | None = None,
    size: int | None = None,
) -> None:
    """Write a file, or the bytes from `offset` on, to a local disk.

    Args:
        url: of the file.
        target: file to write.
        most: largest number of bytes.
        kind: error that is raised if the file is missing, too large, or cannot be read.
        offset: first byte; None takes the whole file.
        size: bytes from there.

    Raises:
        ExcisionError: of that kind.
        SettingsError: what the URL needs is not installed.
        OSError: the local disk is full.
    """
    try:
        if size == 0 and offset is not None:
            target.touch()
        elif url.partition("://")[0] in WEB:
            retried(_stream, url, target, most, offset, size)
        else:
            _fetch_pieces(url, target, most, offset, size)
    except SettingsError:
        raise
    except _BoundsError as error:
        raise kind(f"{url}: {error}") from error
    except FileNotFoundError as error:
        raise kind(f"{url}: no such file") from error
    except Exception as error:
        if is_disk_full(error):
            assert isinstance(error, OSError)
            raise OSError(error.errno, error.strerror, str(target)) from error
        # Each storage library raises errors of its own.
        raise kind(f"{url}: cannot be read ({type(error).__name__}: {error})") from error


def _fetch_pieces(url: str, target: Path, most: int, offset: int | None, size: int | None) -> None:
    system, path = locate(url)
    begin = offset or 0
    end = None if offset is None or size is None else offset + size
    with target.open("wb") as stream:
        while end is None or begin < end:
            stop = begin + _PIECE if end is None else min(begin + _PIECE, end)
            piece = retried(_piece, system, path, begin, stop)
            stream.write(piece)
            if len(piece) == stop - begin and end is None:
                # More than one piece: only now its size is worth a request.
                end = int(retried(system.info, path)["size"])
                if end > most:
                    raise _BoundsError(f"has more than {most >> 20} MiB")
            elif len(piece) < stop - begin and end is not None:
                raise _BoundsError("the file ends before the image does")
            elif len(piece) < stop - begin:
                return
            begin += len(piece)


def _piece(system: Any, path: str, start: int, stop: int) -> bytes:
    try:
        piece: bytes = system.cat_file(path, start=start, end=stop)
    except (FileNotFoundError, PermissionError):
        raise
    except Exception:
        # An empty file has no first byte to ask for.
        if start == 0 and system.info(path)["size"] == 0:
            return b""
        raise
    return piece


def _stream(url: str, target: Path, most: int, offset: int | None, size: int | None) -> None:
    """Read from a web server, which may not know pieces: then it gives the whole file, however large."""
    system, path = locate(url)
    wanted, left = {}, most
    if offset is not None and size is not None:
        wanted, left = {"headers": {"Range": f"bytes={offset}-{offset + size - 1}"}}, size
    # Without its size, no request is made for it.
    with system.open(path, "rb", block_size=0, size=1, **wanted) as source, target.open("wb") as stream:
        if wanted and source.r.status != 206:
            raise _BoundsError("the web server gives no part of a file; copy the tar file to a local disk")
        while piece := source.read(2**20):
            left -= len(piece)
            if left < 0:
                raise _BoundsError(f"has more than {most >> 20} MiB")
            stream.write(piece)
        if wanted and left:
            raise _BoundsError("the file ends before the image does")


def open_remote(url: str) -> IO[bytes]:
    """Open a file to read at any place.

    Raises:
        DatasetError: it is missing, or cannot be opened.
    """
    system, path = _filesystem(url.partition("://")[0], repeats=True), locate(url)[1]
    try:
        opened: IO[bytes] = retried(system.open, path, "rb")
    except Exception as error:
        raise DatasetError(f"{url}: cannot be opened ({type(error).__name__}: {error})") from error
    return opened


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file below a URL.

    Attributes:
        name: path from that URL, with forward slashes.
        url: of the file.
        size: in bytes; None if unknown.
        state: changes with the content, as far as the storage tells.
    """

    name: str
    url: str
    size: int | None
    state: str


def list_remote(url: str) -> Iterator[RemoteFile]:
    """Give the files below a URL in order: on S3 a page at a time, elsewhere a folder at a time.

    Raises:
        DatasetError: it cannot be listed.
    """
    scheme = url.partition("://")[0]
    system, path = locate(url)
    top = path.rstrip("/") + "/"
    try:
        for item in _s3_objects(system, path) if scheme in S3 else _files(system, path):
            full = str(item["name"])
            place = full if is_url(full) else f"{scheme}://{full}"
            state = next((str(item[name]) for name in _STATES if item.get(name)), "")
            yield RemoteFile(full.removeprefix(top), place, item.get("size"), f"{item.get('size')} {state}")
    except Exception as error:
        raise DatasetError(f"{url}: cannot be listed ({type(error).__name__}: {error})") from error


def _s3_objects(system: Any, path: str) -> Iterator[Mapping[str, Any]]:
    bucket, _, prefix = path.partition("/")
    # A folder named without its slash must not take its namesakes.
    wanted = {"Bucket": bucket, "Prefix": prefix and prefix.rstrip("/") + "/", "MaxKeys": _PAGE}
    while True:
        page = retried(system.call_s3, "list_objects_v2", **wanted)
        for item in page.get("Contents", ()):
            # A name with a slash at its end is no file.
            if not item["Key"].endswith("/"):
                yield {**item, "name": f"{bucket}/{item['Key']}", "size": item.get("Size")}
        if not page.get("IsTruncated"):
            return
        wanted = {**wanted, "ContinuationToken": page["NextContinuationToken"]}


def _files(system: Any, path: str) -> Iterator[Mapping[str, Any]]:
    items = retried(system.ls, path, detail=True)
    for item in sorted(items, key=lambda item: str(item["name"])):
        name = str(item["name"])
        if item["type"] == "directory" and name.rstrip("/") != path.rstrip("/"):
            # A page may lead up again, and so on without end.
            if not {".", ".."} & set(name.removeprefix(path).split("/")):
                yield from _files(system, name)
        elif item["type"] == "file":
            yield item
