"""Brings one image to a local disk, as a file of its own, in bounded memory."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from excision.errors import ImageError
from excision.storage.entry import Entry, local_path
from excision.system.files import is_disk_full

MOST_BYTES = 2 * 2**30
"""Largest file of an image."""

_PIECE = 2**20


def needs_fetching(entry: Entry) -> bool:
    """Tell whether an image is anything but a whole file on a local disk."""
    return entry.offset is not None or entry.row is not None or local_path(entry.uri) is None


def fetch(entry: Entry, target: Path) -> None:
    """Write an image to a file.

    Raises:
        ImageError: it cannot be read, or is too large.
        OSError: the file cannot be written.
    """
    if entry.size is not None and entry.size > MOST_BYTES:
        raise ImageError(f"{entry.uri}: has more than {MOST_BYTES >> 20} MiB")
    path = local_path(entry.file)
    if path is None:
        from excision.storage.remote import fetch_remote

        fetch_remote(entry.file, target, MOST_BYTES, ImageError, entry.offset, entry.size)
        return
    try:
        with path.open("rb") as source, target.open("wb") as stream:
            source.seek(entry.offset or 0)
            _copy(source, stream, entry)
    except OSError as error:
        if error.filename == str(target) or is_disk_full(error):
            raise
        raise ImageError(f"{entry.uri}: cannot be read ({error.strerror})") from error


def _copy(source: BinaryIO, target: BinaryIO, entry: Entry) -> None:
    left = entry.size or 0
    while left > 0:
        piece = source.read(min(left, _PIECE))
        if not piece:
            raise ImageError(f"{entry.uri}: the file ends before the image does")
        target.write(piece)
        left -= len(piece)
