"""A copy of a station, made while it runs: the database at one moment, and the image of each result.

A backup is itself the folder of a station. Beside the database and the images it holds `SHA256SUMS`, which
`sha256sum --check` reads, and `backup.json`, which says what it is. It is made under a temporary name and
renamed once it is whole and verified; a copy that was interrupted goes on where it was.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from excision.errors import ReadOnlyError, ResultsError, SettingsError
from excision.progress import StageProgress
from excision.station.lock import only_one
from excision.station.models.live import LIVE
from excision.station.store.connection import RESULTS
from excision.station.store.faults import of_system
from excision.station.work.database_copy import copy_database
from excision.station.work.kept_images import is_inside
from excision.station.work.sums import SUMS, compare, existing, read_sums, sum_line
from excision.system.access import FOLDER
from excision.system.files import atomic_path, sha256, write_json
from excision.version import __version__

ABOUT, LOCK = "backup.json", "backup.lock"

_BATCH = 1000
MODELS = "improve"
"""Folder of the models that a station made itself."""

_NAMED = 20  # missing images that are named


@dataclass
class Backup:
    """What a backup holds.

    Attributes:
        made: when its copy of the database was taken, seconds since 1970 in UTC.
        results: in the database.
        last: largest number of a result.
        images: that it holds.
        bytes: of the images.
        linked: images that are shared with the earlier backup.
        missing: images that results name and that were not there.
        first_missing: the first of these.
        version: of Excision.
        format: of the backup, 1.
    """

    made: float
    results: int = 0
    last: int = 0
    images: int = 0
    bytes: int = 0
    linked: int = 0
    missing: int = 0
    first_missing: tuple[str, ...] = ()
    version: str = __version__
    format: int = 1


def back_up(station: Path, to: Path, progress: StageProgress, since: Path | None = None) -> Backup:
    """Copy a station, which may run meanwhile.

    Args:
        station: its folder.
        to: folder of the backup, which must not exist.
        progress: called with what is done: "database", "images" and "verified".
        since: an earlier backup on the same disk: images that it holds are shared with it, not copied again.

    Raises:
        SettingsError: `to` exists, or lies inside the station; or another process makes the same backup.
        ResultsError: there is no station, its database is damaged, or the copy differs from it.
        StoreError: a disk is full or at fault; the same call goes on where it was.
    """
    if not (station / RESULTS).is_file():
        raise ResultsError(f"{station / RESULTS}: there is no such file: name the folder of a station")
    partial = _place_for(station, to)
    try:
        with only_one(partial, LOCK, "excision backup", "another backup is written", "--to"):
            backup = Backup(made=time.time())
            copy_database(station / RESULTS, partial / RESULTS, progress)
            _copy_images(station, partial, since, backup, progress)
            write_json(partial / ABOUT, asdict(backup))
            verify(partial, progress)
            _finish(partial, to)
    except OSError as error:
        raise of_system(error, partial / RESULTS) from error
    return backup


def restore(backup: Path, to: Path, progress: StageProgress) -> int:
    """Make a station from a backup; every file is compared with its sum.

    Returns:
        The number of files.

    Raises:
        SettingsError: `to` exists.
        ResultsError: there is no backup, or a file of it is missing or damaged.
        StoreError: a disk is full or at fault.
    """
    files = list(read_sums(backup))
    partial = _place_for(backup, to)
    try:
        with only_one(partial, LOCK, "excision restore", "another copy is written", "--to"):
            for done, (digest, name) in enumerate(files, start=1):
                target = partial / name
                if not (target.is_file() and sha256(target) == digest):
                    _copy(existing(backup, name), target)
                    compare(target, name, digest)
                progress("files", done, len(files))
            _finish(partial, to)
    except OSError as error:
        raise of_system(error, partial / RESULTS) from error
    return len(files)


def verify(backup: Path, progress: StageProgress) -> int:
    """Compare every file of a backup with its sum, and give their number.

    Raises:
        ResultsError: there is no backup, or a file of it is missing or damaged.
    """
    files = list(read_sums(backup))
    for done, (digest, name) in enumerate(files, start=1):
        compare(existing(backup, name), name, digest)
        progress("verified", done, len(files))
    return len(files)


def _place_for(source: Path, to: Path) -> Path:
    """Give the temporary name of a copy."""
    if os.path.lexists(to):
        raise SettingsError(f"{to} exists: a copy is never written over anything; name a new folder")
    inside, outside = to.resolve(), source.resolve()
    if inside.is_relative_to(outside):
        raise SettingsError(f"{to} lies inside {source}: name a folder beside it, best on another disk")
    return to.with_name(f".{to.name[:64]}.partial")


def _copy_images(
    station: Path, partial: Path, since: Path | None, backup: Backup, progress: StageProgress
) -> None:
    names: set[str] = {RESULTS}
    with closing(sqlite3.connect(partial / RESULTS)) as connection, atomic_path(partial / SUMS) as sums:
        backup.results, backup.last, total = connection.execute(
            "SELECT count(*), coalesce(max(id), 0), count(image) FROM results"
        ).fetchone()
        with sums.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(sum_line(sha256(partial / RESULTS), RESULTS))
            for done, image in enumerate(_images(connection.execute), start=1):
                progress("images", done, total)
                if image in names:
                    continue
                try:
                    shared = _take_inside(image, station, partial, since)
                except FileNotFoundError:
                    backup.missing += 1
                    backup.first_missing = (*backup.first_missing, image)[:_NAMED]
                else:
                    names.add(image)
                    backup.linked += shared
                    backup.images += 1
                    backup.bytes += (partial / image).stat().st_size
                    stream.write(sum_line(sha256(partial / image), image))
            for name in _own_models(station):
                # A training under way replaces its files, whole, and removes some.
                with suppress(FileNotFoundError):
                    _take_inside(name, station, partial, since)
                    stream.write(sum_line(sha256(partial / name), name))


def _own_models(station: Path) -> Iterator[str]:
    """Give the files of the models that the station made itself, and the one that says which are live."""
    files = [station / LIVE, *sorted((station / MODELS).rglob("*"))]
    for path in files:
        name = path.relative_to(station)
        if path.is_file() and not path.is_symlink() and not any(part.startswith(".") for part in name.parts):
            yield name.as_posix()


def _images(execute: Callable[..., sqlite3.Cursor]) -> Iterator[str]:
    last = 0
    while rows := execute(
        "SELECT id, image FROM results WHERE id > ? AND image IS NOT NULL ORDER BY id LIMIT ?", (last, _BATCH)
    ).fetchall():
        yield from (image for _, image in rows)
        last = rows[-1][0]


def _take_inside(image: str, station: Path, partial: Path, since: Path | None) -> bool:
    """Copy an image of a station, as `_take`.

    Raises:
        FileNotFoundError: it is not there, or a clean-up removed it meanwhile.
    """
    source = station / image
    if not is_inside(image) or not source.is_file():
        raise FileNotFoundError(image)
    try:
        return _take(source, partial / image, None if since is None else since / image)
    except FileNotFoundError:
        if source.exists():
            raise ReadOnlyError(
                f"{partial}: the folder of the copy was removed while it was written"
            ) from None
        raise


def _take(source: Path, target: Path, earlier: Path | None) -> bool:
    """Copy an image unless it is there, and tell whether it is shared with an earlier backup."""
    size = source.stat().st_size
    if target.is_file() and _same(source, target):
        return False
    if earlier is not None and earlier.is_file() and earlier.stat().st_size == size:
        target.parent.mkdir(mode=FOLDER, parents=True, exist_ok=True)
        # Another disk, or one without links: then it is copied.
        with suppress(OSError):
            target.unlink(missing_ok=True)
            target.hardlink_to(earlier)
            if _same(source, target):
                return True
            target.unlink()
    _copy(source, target)
    return False


def _same(one: Path, other: Path) -> bool:
    return sha256(one) == sha256(other)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=FOLDER, parents=True, exist_ok=True)
    half = target.with_name(".half")
    digest = hashlib.sha256()
    with source.open("rb") as reader, half.open("wb") as writer:
        while piece := reader.read(2**20):
            digest.update(piece)
            writer.write(piece)
    if sha256(half) != digest.hexdigest():
        raise ResultsError(f"{half}: the copy differs from {source}: the disk does not keep what is written")
    shutil.copystat(source, half)
    half.replace(target)


def _finish(partial: Path, to: Path) -> None:
    (partial / LOCK).unlink(missing_ok=True)
    if hasattr(os, "sync"):
        os.sync()
    partial.rename(to)
