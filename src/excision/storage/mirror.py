"""Copies a folder in object storage to a local cache, so that it can be read as often as training wants."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from excision.errors import DatasetError
from excision.storage.ahead import THREADS
from excision.storage.fetch import MOST_BYTES
from excision.storage.remote import WEB, RemoteFile, fetch_remote, list_remote
from excision.system.files import atomic_path, write_json

CACHE, BUDGET = "EXCISION_CACHE", "EXCISION_CACHE_GIB"
"""Variables of the environment: the folder of the cache, and how much it may take."""

_DEFAULT_GIB = 32
_DIGITS = 16
_KNOWN = "files.json"
_UPDATE, _USE = ".update", ".use"
_held: dict[Path, int] = {}
"""Open files whose locks say that this process uses a copy, until it ends."""


def mirror(url: str) -> Path:
    """Give a local copy of a folder in object storage; only what has changed since the last time is fetched.

    The copies of several folders share the cache. Those that were used longest ago make room.

    Args:
        url: of the folder.

    Raises:
        DatasetError: it is empty, larger than the cache, cannot be read, or has a name that is no file's.
        OSError: the disk of the cache is full.
        SettingsError: what the URL needs is not installed.
    """
    url = url.rstrip("/")
    files = list(list_remote(url))
    if not files:
        raise DatasetError(f"{url}: there is no file below this URL; name a folder")
    total = sum(file.size or 0 for file in files)
    if total > _budget():
        raise DatasetError(
            f"{url}: has {total / 2**30:.1f} GiB, more than the cache may take; set {BUDGET} to more"
        )
    home = _home(url)
    name = url.rpartition("/")[2]
    # Everything else in the folder of the copy is removed: it must not be the cache itself.
    copy = home / ("data" if name.startswith(".") or not name else name)
    with _renewing(home):
        _update(copy, files, _read(home / _KNOWN))
        write_json(home / _KNOWN, {file.name: file.state for file in files})
    return copy


def mirror_file(url: str) -> Path:
    """Give a local copy of one file in object storage or on a web server, fetched anew each time.

    Raises:
        DatasetError: it cannot be read, or its name is none of a file on a disk.
        OSError: the disk of the cache is full.
        SettingsError: what the URL needs is not installed.
    """
    home = _home(url)
    path = _inside(home / "data", RemoteFile(file_name(url), url, None, ""))
    with _renewing(home), atomic_path(path) as temporary:
        fetch_remote(url, temporary, MOST_BYTES, DatasetError)
    return path


def file_name(url: str) -> str:
    """Give the name of a file at a URL, without the signature of a presigned one."""
    path = url.partition("?")[0] if url.partition("://")[0] in WEB else url
    return path.rpartition("/")[2]


def _home(url: str) -> Path:
    return cache_home() / hashlib.sha256(url.encode()).hexdigest()[:_DIGITS]


def _update(copy: Path, files: Iterable[RemoteFile], known: dict[str, str]) -> None:
    """Make a local folder hold exactly these files."""
    wanted = {_inside(copy, file): file for file in files}
    for path, file in wanted.items():
        # Storage has no folders: there, one name may begin with another and a slash.
        if not wanted.keys().isdisjoint(path.parents):
            raise DatasetError(f"{file.url}: there is also a file with the name of its folder; rename one")
    for path in _below(copy):
        if path not in wanted:
            path.unlink()
    for path in wanted:
        if path.is_dir():
            # It was a folder until now, and nothing of what it held is wanted.
            shutil.rmtree(path)
    stale = [
        (path, file)
        for path, file in wanted.items()
        if known.get(file.name) != file.state or not path.is_file()
    ]
    with ThreadPoolExecutor(THREADS, "reading") as pool:
        # The first error is raised here, after the others have ended.
        for _ in pool.map(lambda one: _fetch(*one), stale):
            pass


def _fetch(path: Path, file: RemoteFile) -> None:
    with atomic_path(path) as temporary:
        fetch_remote(file.url, temporary, MOST_BYTES, DatasetError)


def _inside(copy: Path, file: RemoteFile) -> Path:
    """Give the local path of a file; a key of object storage may be any text, such as one that leads out."""
    parts = file.name.split("/")
    if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
        raise DatasetError(f"{file.url}: its name is none of a file on a disk; rename it")
    return copy.joinpath(*parts)


def _below(folder: Path) -> Iterator[Path]:
    for current, _, names in os.walk(folder):
        yield from (Path(current, name) for name in names)


def _make_room(keep: Path) -> None:
    """Remove the copies that were used longest ago, until the cache fits its budget."""
    for leftover in keep.parent.glob(f"{'[0-9a-f]' * _DIGITS}.*.gone"):
        # A process was killed while it removed this copy.
        shutil.rmtree(leftover, ignore_errors=True)
    homes = sorted(filter(_is_ours, keep.parent.iterdir()), key=lambda home: _stated(home).st_mtime)
    sizes = {home: sum(_stated(path).st_size for path in _below(home)) for home in homes}
    for home in homes:
        if sum(sizes.values()) <= _budget():
            return
        if home != keep and _removed(home):
            del sizes[home]


def _stated(path: Path) -> os.stat_result:
    """Give what the system says of a file; zeros of one that another process has just removed."""
    try:
        return path.lstat()
    except FileNotFoundError:
        return os.stat_result([0] * 10)


def _is_ours(folder: Path) -> bool:
    """Tell whether a folder holds a copy: the user may have named a folder for the cache that holds more."""
    name_fits = len(folder.name) == _DIGITS and set(folder.name) <= set("0123456789abcdef")
    return name_fits and (folder / _UPDATE).is_file() and not folder.is_symlink()


def _read(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def cache_home() -> Path:
    """Give the folder of the cache."""
    chosen = os.environ.get(CACHE)
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "excision"


def _budget() -> int:
    text = os.environ.get(BUDGET, "")
    try:
        return int(float(text or _DEFAULT_GIB) * 2**30)
    except (ValueError, OverflowError) as error:
        raise DatasetError(f"{BUDGET} is {text!r}: give a number of GiB") from error


@contextmanager
def _renewing(home: Path) -> Iterator[None]:
    """Bring a copy up to date, alone; it then counts as used now, and others make room."""
    with _alone(home):
        _hold(home)
        yield
        os.utime(home)
        _make_room(home)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keep other processes from changing the same copy at the same time."""
    while True:
        home.mkdir(parents=True, exist_ok=True)
        try:
            number = os.open(home / _UPDATE, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(number, fcntl.LOCK_EX)
            if _is_at(number, home / _UPDATE):
                yield
                return
        finally:
            os.close(number)
        # Another process removed the copy in between.


def _hold(home: Path) -> None:
    if home not in _held:
        number = os.open(home / _USE, os.O_RDWR | os.O_CREAT)
        fcntl.flock(number, fcntl.LOCK_SH)
        _held[home] = number


def _is_at(number: int, path: Path) -> bool:
    """Tell whether the file that is open under a number still has its path."""
    try:
        found = path.stat()
    except OSError:
        return False
    ours = os.fstat(number)
    return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)


def _removed(home: Path) -> bool:
    """Remove a copy, unless a process uses it; it is gone under its name at once, and then file by file."""
    if home in _held:
        return False
    try:
        with (home / _UPDATE).open("r+") as update, (home / _USE).open("a") as use:
            fcntl.flock(update, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_at(use.fileno(), home / _USE):
                return False
            aside = home.with_name(f"{home.name}.{os.getpid()}.gone")
            home.rename(aside)
    except OSError:
        return False
    shutil.rmtree(aside, ignore_errors=True)
    return True
