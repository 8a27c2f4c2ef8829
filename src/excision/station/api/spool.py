"""Bytes of uploads on their way to files: held in memory for a while, and written by threads alone.

A disk that stalls holds up the thread that writes to it, never the loop that answers everybody else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from anyio import CancelScope, CapacityLimiter
from anyio.to_thread import run_sync

from excision.station.api.receiving import Place

_THREADS = 4
_PIECE = 2**20  # bytes that one request holds before they are written
_LEAST = 2**16  # bytes that it holds where all together hold too much
_ALL = 2**25  # bytes that all requests may hold together before each writes what it has


class Disk:
    """The threads that write uploads, and what waits for them; one for a service."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(_THREADS)
        self.held = 0

    async def do(self, work: Callable[[], None]) -> None:
        """Have a thread do something about files; it ends even where the request is given up."""
        with CancelScope(shield=True):
            await run_sync(work, limiter=self._limiter)


class Spool:
    """The files of one request.

    Args:
        disk: that they are written to.
        place: of the request; the time that the disk takes is not its sender's.
    """

    def __init__(self, disk: Disk, place: Place) -> None:
        self._disk, self._place = disk, place
        self._files: dict[Path, bytearray] = {}
        self._held = 0
        self._has_written = False

    def put(self, path: Path, data: bytes = b"") -> None:
        """Hold bytes that belong to the end of a file, which is made where it is new."""
        self._files.setdefault(path, bytearray()).extend(data)
        self._held += len(data)
        self._disk.held += len(data)

    async def relieve(self) -> None:
        """Write what is held, if that is much.

        Raises:
            OSError: the disk is full or at fault.
        """
        if self._held >= (_PIECE if self._disk.held < _ALL else _LEAST):
            await self.write()

    def whole(self, path: Path) -> bytearray | None:
        """Give all bytes of a file, which still count as held; None where they are many or partly written."""
        if self._has_written or self._disk.held >= _ALL:
            return None
        return self._files.pop(path)

    async def write(self) -> None:
        """Write all that is held.

        Raises:
            OSError: the disk is full or at fault.
        """
        files, self._files, self._has_written = self._files, {}, True
        try:
            with self._place.waiting():
                await self._disk.do(lambda: _append(files))
        finally:
            self.forget()

    async def discard(self, paths: Sequence[Path]) -> None:
        """Forget what is held, and remove files."""
        self._files = {}
        self.forget()
        if paths:
            await self._disk.do(lambda: _remove(paths))

    def forget(self) -> None:
        """Count what was held no longer."""
        self._disk.held -= self._held
        self._held = 0


def _append(files: Mapping[Path, bytearray]) -> None:
    for path, data in files.items():
        with path.open("ab") as stream:
            stream.write(data)


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
