"""Images that belong to no result: they are set aside, never deleted, and come back when their result does.

quarantine/YYYY-MM-DD/incoming/<name>        what had arrived and was not answered when a process ended
quarantine/YYYY-MM-DD/images/<day>/<name>    what was kept, and has no result in the database

The first date is that of the start that set them aside. A result is missing after a kill between the image
and its row, and where the database is new, was replaced, or was restored from an older backup.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from excision.station.store.store import Store
from excision.station.work.kept_images import DAY, IMAGES, INCOMING
from excision.system.access import FOLDER

QUARANTINE = "quarantine"

_LOG = logging.getLogger(__name__)
_LATEST_DAYS = 2
_TRIES = 10_000


@dataclass
class Found:
    """What a start found.

    Attributes:
        unanswered: images that had arrived and were not answered, set aside now.
        orphans: kept images without a result, set aside now.
        returned: images whose results are there again, put back now.
        images: that lie in quarantine in all.
        bytes: of them.
        trouble: what could not be read or moved, as sentences.
    """

    unanswered: int = 0
    orphans: int = 0
    returned: int = 0
    images: int = 0
    bytes: int = 0
    trouble: list[str] | None = None

    def note(self, path: Path, error: OSError) -> None:
        """Note what could not be dealt with."""
        self.trouble = [*(self.trouble or []), f"{path}: {error.strerror or error}"]

    def sentences(self, folder: Path) -> list[str]:
        """Say what a person should know, if anything."""
        said = list(self.trouble or [])
        where = folder / QUARANTINE
        if self.unanswered:
            said.append(f"{self.unanswered} images had arrived and were not answered: they are in {where}")
        if self.orphans:
            said.append(
                f"{self.orphans} kept images belong to no result in {folder / 'results.sqlite'}: they are in "
                f"{where}; if this database is new or older than they are, put back the right one and start "
                "again"
            )
        if self.returned:
            said.append(f"{self.returned} images have their results again: they are back from {where}")
        return said


def tidy(folder: Path, store: Store) -> Found:
    """Set aside what has no result, and put back what has one again. No image may be on its way now.

    Only the latest days are looked at: a kill leaves something on the day it came. Whatever cannot be read or
    moved stays where it is, and is noted.

    Args:
        folder: the station's.
        store: with its results.
    """
    found = Found()
    today = folder / QUARANTINE / datetime.now(UTC).strftime(DAY)
    for path in _files(folder / INCOMING, found):
        found.unanswered += _move(path, today / INCOMING / path.name, found)
    _put_back(folder, store, found)
    days = sorted(day for day in _folders(folder / IMAGES, found) if _time_of(day.name) is not None)
    for day in days[-_LATEST_DAYS:]:
        known = _known(store, day.name)
        for path in _files(day, found):
            if f"{IMAGES}/{day.name}/{path.name}" not in known:
                found.orphans += _move(path, today / IMAGES / day.name / path.name, found)
    for path in _below(folder / QUARANTINE, found):
        found.images += 1
        with contextlib.suppress(OSError):
            found.bytes += path.stat().st_size
    for sentence in found.sentences(folder):
        _LOG.warning("%s", sentence)
    return found


def _put_back(folder: Path, store: Store, found: Found) -> None:
    for date in _folders(folder / QUARANTINE, found):
        for day in _folders(date / IMAGES, found):
            if _time_of(day.name) is None:
                continue
            known = _known(store, day.name)
            for path in _files(day, found):
                home = folder / IMAGES / day.name / path.name
                if f"{IMAGES}/{day.name}/{path.name}" in known and not home.exists():
                    found.returned += _move(path, home, found)


def _known(store: Store, day: str) -> set[str]:
    start = _time_of(day)
    assert start is not None
    return store.images(start.timestamp(), (start + timedelta(days=1)).timestamp())


def _time_of(name: str) -> datetime | None:
    try:
        return datetime.strptime(name, DAY).replace(tzinfo=UTC)
    except ValueError:
        return None


def _move(path: Path, target: Path, found: Found) -> bool:
    """Move a file to a free place, and tell whether that was done."""
    try:
        target.parent.mkdir(mode=FOLDER, parents=True, exist_ok=True)
        place = target
        for number in range(1, _TRIES):
            if not os.path.lexists(place):
                break
            place = target.with_name(f"{target.stem}-{number}{target.suffix}")
        path.rename(place)
    except OSError as error:
        found.note(path, error)
        return False
    return True


def _below(folder: Path, found: Found) -> Iterator[Path]:
    yield from _files(folder, found)
    for inside in _folders(folder, found):
        yield from _below(inside, found)


def _files(folder: Path, found: Found) -> list[Path]:
    return [path for path, mode in _entries(folder, found) if stat.S_ISREG(mode)]


def _folders(folder: Path, found: Found) -> list[Path]:
    return [path for path, mode in _entries(folder, found) if stat.S_ISDIR(mode)]


def _entries(folder: Path, found: Found) -> list[tuple[Path, int]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((Path(entry.path), entry.stat(follow_symlinks=False).st_mode) for entry in entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        found.note(folder, error)
        return []
