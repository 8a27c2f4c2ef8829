"""Where a station keeps uploads: first where they arrive, then by day, the original bytes.

incoming/                      what is being received or waits
images/YYYY-MM-DD/<name>.<ext> what a result refers to, by the day (UTC) of the inspection

What belongs to no result goes to the quarantine (see that module); nothing is deleted here but what the
settings say is not kept.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Literal

from excision.predictions import Verdict
from excision.system.access import FOLDER

Keep = Literal["all", "flagged", "none"]
"""Which images are kept beside their results: all, those that are not good, or none."""

INCOMING, IMAGES = "incoming", "images"

DAY = "%Y-%m-%d"

# First bytes and ending. What a file is called or said to be is its sender's word, which counts for nothing.
_ENDINGS = (
    (b"\x89PNG", ".png"),
    (b"\xff\xd8", ".jpg"),
    (b"BM", ".bmp"),
    (b"GIF8", ".gif"),
    (b"RIFF", ".webp"),
    (b"II", ".tif"),
    (b"MM", ".tif"),
    (b"\0\0\0\x0cjP", ".jp2"),
    (b"\xffO\xffQ", ".j2k"),
    (b"P", ".pnm"),
)


class Images:
    """The uploads of a station; one process at a time may have them.

    Args:
        folder: the station's.
        keep: which stay.
    """

    def __init__(self, folder: Path, keep: Keep = "all") -> None:
        self.folder = folder
        self.keep: Keep = keep
        self._incoming = folder / INCOMING
        self._incoming.mkdir(mode=FOLDER, parents=True, exist_ok=True)

    def arriving(self) -> Path:
        """Give a new path for the bytes of an upload; nothing that a client sends becomes part of it."""
        return self._incoming / uuid.uuid4().hex

    def place(
        self, upload: Path, verdict: Verdict | None, when: float, content: bytes | bytearray | None = None
    ) -> str | None:
        """Say where an upload is to be kept, relative to the station's folder; None for nowhere.

        What could not be inspected is not kept: anybody could fill the disk with it.

        Args:
            upload: as it arrived.
            verdict: of the inspection.
            when: of the inspection, seconds since 1970 in UTC.
            content: of the upload, where it is known; otherwise the file is looked at.
        """
        if verdict is None or self.keep == "none" or (self.keep == "flagged" and verdict == "good"):
            return None
        day = datetime.fromtimestamp(when, UTC).strftime(DAY)
        return f"{IMAGES}/{day}/{upload.name}{ending(upload, content)}"

    def settle(self, uploads: list[tuple[Path, str]]) -> None:
        """Move uploads to where they are kept and flush them to disk, so that a result may refer to them.

        Raises:
            OSError: the disk is full, or cannot be written to.
        """
        # Paths as text: this is done for every image, and making paths takes longer than moving files.
        moved, folders, root = [], set(), os.fspath(self.folder)
        for upload, place in uploads:
            target = f"{root}/{place}"
            folder = target.rpartition("/")[0]
            try:
                upload.replace(target)
            except FileNotFoundError:
                # The first image of a day; it is raised again where it is the upload that is gone.
                Path(folder).mkdir(mode=FOLDER, parents=True, exist_ok=True)
                upload.replace(target)
                folders |= {f"{root}/{IMAGES}", root}
            moved.append(target)
            folders.add(folder)
        # Under their new names: the journal takes the move along, and flushing the folder finds it done.
        for target in moved:
            _sync(target)
        if os.name != "nt":  # Windows opens no folders; it writes their entries by itself
            for folder in folders:
                _sync(folder, os.O_RDONLY)

    def find(self, place: str | None) -> Path | None:
        """Give the file that a result refers to, or None where it is not, or no longer, kept or readable."""
        if place is None or not is_inside(place):
            return None
        path = self.folder / place
        try:
            return path if path.is_file() and os.access(path, os.R_OK) else None
        except OSError:
            # A name that no disk takes, or a folder that cannot be read: no fault of what is stored now.
            return None

    def take_back(self, places: list[str]) -> None:
        """Remove images that were settled and whose results could not be written; nobody was answered.

        What cannot be removed now stays: the next start puts it into quarantine.
        """
        for place in places:
            with contextlib.suppress(OSError):
                (self.folder / place).unlink(missing_ok=True)


def is_inside(image: str) -> bool:
    """Tell whether a place that a database or a list names lies inside the folder it belongs to."""
    parts = PurePosixPath(image)
    return not parts.is_absolute() and ".." not in parts.parts and bool(parts.parts) and "\0" not in image


def ending(path: Path, content: bytes | bytearray | None = None) -> str:
    """Give the ending of an image file by its first bytes; what it is called is its sender's word.

    Args:
        path: of the file.
        content: of the file, where it is known; otherwise the file is looked at.
    """
    if content is None:
        with path.open("rb") as stream:
            content = stream.read(8)
    start = bytes(content[:8])
    return next((ending for magic, ending in _ENDINGS if start.startswith(magic)), ".bin")


def _sync(path: Path | str, mode: int = os.O_RDWR) -> None:
    descriptor = os.open(path, mode)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
