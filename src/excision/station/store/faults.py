"""What SQLite and the system say of a file of results, as errors that name the cause and what to do."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from excision.errors import (
    DamagedError,
    DiskError,
    DiskFullError,
    ReadOnlyError,
    ReplacedError,
    ResultsError,
    StoreBusyError,
)
from excision.system.files import DISK_FULL

Fault = ResultsError | StoreBusyError

_READ_ONLY = "it cannot be written: check the permissions, and whether the disk is mounted read-only"
_DAMAGED = (
    "the file of results is damaged: stop what writes to it, keep a copy, and restore a backup; the images "
    "beside it are not touched"
)
_BUSY = "another process has locked the file of results: end what holds it, such as an open transaction"
_GONE = "the folder of the results was moved or removed: put it back"

_FAILED = "the disk does not read or write as it should"

_KINDS: dict[int, tuple[type[Fault], str]] = {
    sqlite3.SQLITE_BUSY: (StoreBusyError, _BUSY),
    sqlite3.SQLITE_LOCKED: (StoreBusyError, _BUSY),
    sqlite3.SQLITE_FULL: (DiskFullError, DISK_FULL),
    sqlite3.SQLITE_READONLY: (ReadOnlyError, _READ_ONLY),
    sqlite3.SQLITE_CANTOPEN: (ReadOnlyError, _READ_ONLY),
    sqlite3.SQLITE_PERM: (ReadOnlyError, _READ_ONLY),
    sqlite3.SQLITE_CORRUPT: (DamagedError, _DAMAGED),
    sqlite3.SQLITE_NOTADB: (DamagedError, _DAMAGED),
    sqlite3.SQLITE_IOERR: (DiskError, _FAILED),
}

_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}
DISK = _SPACE | _FORBIDDEN | {errno.EIO}
"""Numbers of errors that are of the disk, whatever file they came with."""

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}


def shown(path: Path) -> str:
    """Name a file by its folder and name: clients, too, read this, and they must not see whole paths."""
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name


def of_sqlite(error: sqlite3.Error, path: Path) -> Fault | None:
    """Give the fault behind an error of SQLite, or None for an error of the statement itself.

    Args:
        error: as SQLite raised it.
        path: of the file of results.
    """
    code = getattr(error, "sqlite_errorcode", None)
    where = shown(path)
    if code is None:
        # What Python itself cannot read from a row: text that is none.
        return DamagedError(f"{where}: {_DAMAGED} ({error})") if "decode" in str(error) else None
    kind = code & 0xFF
    if code == sqlite3.SQLITE_IOERR_SHORT_READ:
        kind = sqlite3.SQLITE_CORRUPT
    elif kind == sqlite3.SQLITE_IOERR and _is_full(path.parent):
        kind = sqlite3.SQLITE_FULL
    if kind not in _KINDS:
        return None
    fault, sentence = _KINDS[kind]
    return fault(f"{where}: {sentence} ({error})")


def of_system(error: OSError, path: Path) -> Fault:
    """Give the fault behind an error of the system while a file of a station was written or read.

    Args:
        error: as the system raised it.
        path: of the file of results.
    """
    where, reason = shown(path.parent / "images"), error.strerror or type(error).__name__
    if error.errno in _SPACE:
        return DiskFullError(f"{where}: {DISK_FULL} ({reason})")
    if error.errno in _FORBIDDEN:
        return ReadOnlyError(f"{where}: {_READ_ONLY} ({reason})")
    if error.errno in _ABSENT:
        return ReplacedError(f"{where}: {_GONE} ({reason})")
    return DiskError(f"{where}: {_FAILED} ({reason})")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of SQLite within a block into those of this project; errors of a statement stay.

    Raises:
        StoreError: the disk is full or read-only, or the file is damaged.
        StoreBusyError: another process has locked the file for too long.
    """
    try:
        yield
    except sqlite3.Error as error:
        fault = of_sqlite(error, path)
        if fault is None:
            raise
        raise fault from error


def _is_full(folder: Path) -> bool:
    try:
        found = os.statvfs(folder)
    except (OSError, AttributeError):
        return False
    return found.f_bavail * found.f_frsize < 2**16
