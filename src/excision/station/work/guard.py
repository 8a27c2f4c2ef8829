"""Looks after the disk and the file of results: every answer knows how they are, and none has to wait."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import uuid
from pathlib import Path

from excision.errors import (
    DamagedError,
    DiskFullError,
    ReadOnlyError,
    ReplacedError,
    StoreBusyError,
    StoreError,
)
from excision.station.store.faults import DISK, Fault, of_sqlite, of_system
from excision.station.store.store import Store

_LOG = logging.getLogger(__name__)

_EVERY = 1.0  # seconds
_TRIED = 2**18  # bytes that must fit on a disk that was full


class Guard:
    """Knows why nothing can be stored, if so, and finds out in the background when that has passed.

    While a fault lasts, a small write is tried once a second; otherwise nothing is written.

    Args:
        store: with the results.
        incoming: folder where uploads arrive.
    """

    def __init__(self, store: Store, incoming: Path) -> None:
        self._store = store
        self._incoming = incoming
        self._disk: Fault | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="guard", daemon=True)
        self._thread.start()

    @property
    def fault(self) -> Fault | None:
        """Give why nothing can be stored now, or None."""
        return self._store.fault or self._disk

    @property
    def needs_restart(self) -> bool:
        """Tell whether the fault does not pass by itself."""
        return isinstance(self.fault, DamagedError | ReplacedError)

    def check(self) -> None:
        """Refuse what would have to be stored, while nothing can be.

        Raises:
            StoreError: the disk or the file of results is at fault.
            StoreBusyError: another process has locked the file of results.
        """
        fault = self.fault
        if fault is not None:
            # A new one for each who is refused: an exception that is raised twice collects both ways.
            raise type(fault)(*fault.args)

    def explain(self, error: Exception) -> Fault | None:
        """Give the fault of the disk or of the file of results behind an error, and remember it.

        Args:
            error: of SQLite, of the system, or a fault already; None is given for any other.
        """
        if isinstance(error, sqlite3.Error):
            return self._noted(of_sqlite(error, self._store.path))
        if isinstance(error, StoreError | StoreBusyError):
            return self._noted(error)
        if isinstance(error, OSError) and (error.errno in DISK or self._is_ours(error)):
            self._disk = of_system(error, self._store.path)
            return self._disk
        return None

    def _noted(self, fault: Fault | None) -> Fault | None:
        """Remember a full disk until there is room for an image again: a row needs far less."""
        if isinstance(fault, DiskFullError):
            self._disk = fault
        return fault

    def _is_ours(self, error: OSError) -> bool:
        """Tell whether an error is of the folder of uploads; kept images may be missing without a fault."""
        return isinstance(error.filename, str) and Path(error.filename).parent == self._incoming

    def close(self) -> None:
        """End the thread."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(_EVERY):
            try:
                self._look()
            except Exception:
                # Without this thread a fault that has passed would last for ever.
                _LOG.exception("the disk could not be looked at")

    def _look(self) -> None:
        try:
            self._store.look()
        except (StoreError, StoreBusyError) as error:
            self._store.fault = error
        if self._store.fault is not None:
            self._store.probe()
        self._disk = self._try() if self._disk is not None else self._writable()

    def _try(self) -> Fault | None:
        """Write as an upload would, and give what stands against it."""
        path = self._incoming / f".probe-{uuid.uuid4().hex}"
        try:
            try:
                with path.open("wb") as stream:
                    stream.write(bytes(_TRIED))
                    stream.flush()
                    os.fsync(stream.fileno())
            finally:
                path.unlink(missing_ok=True)
        except OSError as error:
            return of_system(error, self._store.path)
        return None

    def _writable(self) -> Fault | None:
        if os.access(self._incoming, os.W_OK | os.X_OK):
            return None
        if not self._incoming.exists():
            return of_system(FileNotFoundError(2, "No such file or directory"), self._store.path)
        return ReadOnlyError(
            f"{self._incoming.parent.name}/incoming: it cannot be written: check the permissions, "
            "and whether the disk is mounted read-only"
        )
