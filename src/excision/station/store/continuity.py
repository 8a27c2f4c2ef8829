"""Whether a file of results still holds what it held: `cp` overwrites a file in place."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from excision.errors import ReplacedError
from excision.station.store.faults import shown

_LAST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'results'"


class Continuity:
    """What can only grow: the numbers of results, which are never used again, and the size of the file.

    Args:
        path: of the file of results, which is open.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = self._size = 0
        self._lock = threading.Lock()

    def check(self, connection: sqlite3.Connection) -> None:
        """Compare the file with what it was when it was last looked at; this costs some microseconds.

        Args:
            connection: to the file, best in a transaction.

        Raises:
            ReplacedError: the file was overwritten by another, such as an earlier copy of itself.
        """
        # Otherwise a thread could compare what it read with what another has read since.
        with self._lock:
            self._compare(connection)

    def _compare(self, connection: sqlite3.Connection) -> None:
        try:
            size = self._path.stat().st_size
        except OSError:
            # Whether the file is there at all is looked at elsewhere.
            return
        try:
            (last,) = connection.execute(_LAST).fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            raise self._replaced(str(error)) from error
        if last < self._last:
            raise self._replaced(f"its last result was {self._last} and is now {last}")
        if size < self._size and self._whole(connection) >= self._size:
            # VACUUM makes it smaller, too, but then SQLite knows.
            raise self._replaced(f"it had {self._size} bytes and now has {size}")
        self._last, self._size = last, size

    def _whole(self, connection: sqlite3.Connection) -> int:
        """Give the size that the file has for SQLite, in bytes."""
        names = ("page_count", "page_size")
        pages, each = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
        return int(pages) * int(each)

    def _replaced(self, how: str) -> ReplacedError:
        return ReplacedError(
            f"{shown(self._path)} was overwritten while it was in use ({how}): stop what writes to it, put "
            "the right file there, and start again"
        )
