"""A copy of the database of a station as it is at one moment, while the station writes on."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from excision.errors import DamagedError, ReadOnlyError, ResultsError
from excision.progress import StageProgress
from excision.station.store.connection import connect, make
from excision.station.store.faults import explained

_PAGES = 2000  # of the database in one step


def copy_database(source: Path, target: Path, progress: StageProgress) -> None:
    """Copy the database as it is at one moment; the station writes on meanwhile.

    Args:
        source: database.
        target: file to write, at once when the copy is whole.
        progress: called with ("database", done, total) in pages.

    Raises:
        ResultsError: the database is damaged, or holds no results.
        StoreError: a disk is full or at fault.
    """

    def step(_status: int, left: int, pages: int) -> None:
        progress("database", pages - left, pages)

    fresh = target.with_name("results.new")
    for ending in ("", "-wal"):
        fresh.with_name(fresh.name + ending).unlink(missing_ok=True)
    make(fresh)
    try:
        found = _copy_at_one_moment(source, fresh, step)
    except ReadOnlyError:
        if not _is_still(source):
            raise
        found = _copy_still(source, fresh)
    if found != "ok":
        raise DamagedError(f"{source}: the file of results is damaged, and so would be its copy ({found})")
    if not _holds_results(fresh):
        raise ResultsError(f"{source}: holds no results: name the folder of a station that has started once")
    fresh.replace(target)


def _copy_at_one_moment(source: Path, fresh: Path, step: Callable[[int, int, int], None]) -> str:
    """Copy a database that may be written meanwhile, and give what SQLite says of the copy."""
    with closing(connect(source)) as reader, explained(source):
        # One moment for the whole copy: otherwise each write of the station would begin it again.
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        with closing(sqlite3.connect(fresh)) as writer, explained(fresh):
            reader.backup(writer, pages=_PAGES, progress=step)
            found = _settled(writer)
        reader.execute("ROLLBACK")
    return found


def _copy_still(source: Path, fresh: Path) -> str:
    """Copy a database with its log from a read-only disk, where SQLite itself cannot open it."""
    for ending in ("", "-wal"):
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{source}{ending}", f"{fresh}{ending}")
    with closing(sqlite3.connect(fresh)) as writer, explained(fresh):
        return _settled(writer)


def _settled(copy: sqlite3.Connection) -> str:
    """Make a copy a single file, which can be hashed, and give what SQLite says of it."""
    found: str = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    copy.execute("PRAGMA journal_mode = DELETE")
    return found


def _holds_results(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'results'").fetchone()[0]
    return bool(found)


def _is_still(path: Path) -> bool:
    """Tell whether the disk of a file is mounted read-only."""
    return hasattr(os, "statvfs") and bool(os.statvfs(path).f_flag & os.ST_RDONLY)
