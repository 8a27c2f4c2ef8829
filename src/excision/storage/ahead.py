"""Reads images ahead of their inspection, several at once, on a bounded part of the disk."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from excision.errors import ImageError
from excision.storage.entry import Entry, local_path
from excision.storage.fetch import fetch, needs_fetching
from excision.storage.image_table import TableRows
from excision.system.files import is_disk_full

BUDGET = 2**30
"""Bytes of images that are read ahead at most, by default."""

THREADS = 8
"""Images that are read at once, by default: most of the time each waits for the storage."""

_Brought = tuple[Path | str, int]
"""The file of an image, or the reason why there is none, and the bytes that it takes on the disk."""

_AHEAD = 4
"""Images for each thread that are read ahead at most."""


class Reader:
    """Gives images as files on a local disk, in order.

    Args:
        threads: images that are read at once.
        budget: bytes on the local disk, beyond which only the next image is read.
    """

    def __init__(self, threads: int = THREADS, budget: int = BUDGET) -> None:
        self._threads, self._budget = threads, budget
        # Beyond one call, because the next one often goes on where it ended.
        self._rows = TableRows()

    def read(self, entries: Sequence[Entry]) -> Iterator[Path | str]:
        """Give a file for each image, or the reason why it cannot be read.

        A file is removed when the next one is asked for, unless it is the image itself.
        """
        if not any(map(needs_fetching, entries)):
            yield from (_bring(entry, Path(), fetch)[0] for entry in entries)
            return
        with (
            tempfile.TemporaryDirectory(prefix="excision-") as folder,
            ThreadPoolExecutor(self._threads, "reading") as pool,
            # Tables are read in order, each row group once.
            ThreadPoolExecutor(1, "reading rows") as in_order,
        ):

            def bring(entry: Entry, target: Path) -> Future[_Brought]:
                if entry.row is None:
                    return pool.submit(_bring, entry, target, fetch)
                return in_order.submit(_bring, entry, target, self._rows.write)

            yield from _Window(bring, Path(folder), self._threads, self._budget).read(entries)


class _Window:
    """The images that are being read or wait to be inspected."""

    def __init__(
        self, bring: Callable[[Entry, Path], Future[_Brought]], folder: Path, threads: int, budget: int
    ) -> None:
        self._bring, self._folder, self._threads, self._budget = bring, folder, threads, budget
        self._most = threads * _AHEAD
        self._waiting: deque[Future[_Brought]] = deque()
        self._largest = 0

    def read(self, entries: Sequence[Entry]) -> Iterator[Path | str]:
        coming = iter(enumerate(entries))
        try:
            more = True
            while more or self._waiting:
                while more and self._has_room():
                    number, entry = next(coming, (0, None))
                    more = entry is not None
                    if entry is not None:
                        self._waiting.append(self._bring(entry, self._folder / str(number)))
                if self._waiting:
                    found, size = self._waiting.popleft().result()
                    self._largest = max(self._largest, size)
                    yield found
                    if isinstance(found, Path) and found.parent == self._folder:
                        found.unlink()
        finally:
            for future in self._waiting:
                future.cancel()

    def _has_room(self) -> bool:
        """Tell whether one more image may be read: unfinished ones may be as large as the largest so far."""
        finished = [one.result()[1] for one in self._waiting if one.done()]
        self._largest = max([self._largest, *finished])
        if not self._largest:
            # Nothing is known of the sizes yet.
            return len(self._waiting) < self._threads
        unfinished = len(self._waiting) - len(finished)
        expected = sum(finished) + (unfinished + 1) * self._largest
        return not self._waiting or (len(self._waiting) < self._most and expected <= self._budget)


def _bring(entry: Entry, target: Path, fetch: Callable[[Entry, Path], None]) -> _Brought:
    """Give the file of an image and the bytes that it takes on the disk, or the reason why there is none."""
    if entry.fault is not None:
        return entry.fault, 0
    path = None if needs_fetching(entry) else local_path(entry.uri)
    if path is not None:
        return path, 0
    try:
        fetch(entry, target)
    except ImageError as error:
        target.unlink(missing_ok=True)
        return str(error), 0
    except Exception as error:
        # A full disk is no fault of this image, and would be one of every other image, too.
        if is_disk_full(error):
            raise
        # Storage libraries raise errors of their own; one image must not end the others.
        target.unlink(missing_ok=True)
        return f"{entry.uri}: cannot be read ({type(error).__name__}: {error})", 0
    return target, target.stat().st_size
