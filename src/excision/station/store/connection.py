"""Connections to a file of results, and whether it is still the file that was opened."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from excision.errors import DamagedError, ReplacedError, ResultsError
from excision.station.store.faults import explained, of_system, shown
from excision.station.store.migrations import migrate, refuse_others
from excision.system.access import FILE, FOLDER

RESULTS = "results.sqlite"
"""Name of the file of results in the folder of a station or a watcher."""

WAIT = 5.0
"""Seconds that a statement waits for a lock of another process."""

_CHECKING = 2.0  # seconds that the check of a large file may take
_BESIDE = ("-wal", "-shm")


class Connection(sqlite3.Connection):
    """A connection that closes itself when the last reference to it is gone, as when its thread ends."""

    def __del__(self) -> None:
        self.close()


def open_file(path: Path) -> Connection:
    """Open a file of results, making it where it is new; an earlier version is migrated, and damage is found.

    A new file is open to nobody but its owner and, where the umask allows it, its group; the files that
    SQLite keeps beside it follow it.

    Raises:
        ResultsError: the file is no file of results, of a later version, damaged, or cannot be written.
        StoreBusyError: another process has locked it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER)
        if path.is_dir():
            raise ResultsError(f"{path}: this is a folder, not a file of results: move it away")
        make(path)
    except OSError as error:
        raise of_system(error, path) from error
    try:
        connection = connect(path)
        with explained(path):
            migrate(connection)
            _check(connection, path)
    except DamagedError as error:
        raise DamagedError(f"{path}: this is no file of results that can be opened ({error})") from error
    except sqlite3.Error as error:
        raise ResultsError(f"{path}: this is no file of results that can be opened ({error})") from error
    return connection


def make(path: Path) -> None:
    """Make an empty file, unless there is a file.

    Raises:
        OSError: it cannot be made.
    """
    with contextlib.suppress(FileExistsError):
        # Never open one that exists: closing it would let go of the locks that SQLite holds on it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE))


def connect(path: Path, wait: float = WAIT) -> Connection:
    """Open a further connection to a file of results that exists, in write-ahead mode.

    Raises:
        StoreError: the file cannot be opened.
        StoreBusyError: another process has locked it.
    """
    # Without the mode, SQLite would make a new file where this one was removed.
    address = f"file:{quote(os.fsencode(path))}?mode=rw"
    with explained(path):
        connection = sqlite3.connect(
            address, timeout=wait, isolation_level=None, check_same_thread=False, factory=Connection, uri=True
        )
        connection.row_factory = sqlite3.Row
        refuse_others(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        # A result that was answered must survive a power cut, not only the end of the process.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    return connection


@contextmanager
def committed(connection: sqlite3.Connection) -> Iterator[None]:
    """Change something in one transaction, which is on disk when the block ends, or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # On a full disk SQLite has rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class Identity:
    """Which file was opened, by its number on its disk, so that a replacement is noticed.

    Args:
        path: of the file of results, which is open.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # As text: they are looked at for every result, and making paths takes longer than looking.
        self._files = {ending: f"{path}{ending}" for ending in ("", *_BESIDE)}
        self._main = _number(self._files[""])
        # SQLite makes these with the first statement; they stay as long as one connection is open.
        self._beside: dict[str, tuple[int, int]] = {}
        self.learn()

    def learn(self) -> None:
        """Note the files that SQLite keeps beside it, as far as they are new."""
        for ending in _BESIDE:
            number = _number(self._files[ending])
            if ending not in self._beside and number is not None:
                self._beside[ending] = number

    def check(self) -> None:
        """Compare the files with those that were opened.

        Raises:
            ReplacedError: one was replaced or removed: what is written now would be lost.
        """
        known = {"": self._main, **self._beside}
        for ending, number in known.items():
            now = _number(self._files[ending])
            if now != number:
                what = "removed" if now is None else "replaced by another file"
                raise ReplacedError(
                    f"{shown(self._path)}{ending} was {what} while it was in use: put the file back, or "
                    "restart to go on with what is there now"
                )


def _number(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116  a path would be made anew each time
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Have SQLite look for damage, as long as that takes little time.

    Raises:
        DamagedError: it found some.
    """
    end = time.monotonic() + _CHECKING
    connection.set_progress_handler(lambda: time.monotonic() > end, 20_000)
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
            raise
        return
    finally:
        connection.set_progress_handler(None, 0)
    if found != "ok":
        raise DamagedError(
            f"{path}: the file of results is damaged: keep a copy of it, and restore a backup, or save what "
            f"is left with `sqlite3 {path.name} .recover`; the images beside it are not touched ({found})"
        )
